"""Traces operations: those of REST get a span, those of MCP have one of the SDK's."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from servicetsunami.domain.audit import Outcome
from servicetsunami.transport.admission import Operation

_tracer = trace.get_tracer("servicetsunami")
_FAULTS: Final = frozenset({Outcome.FAILED, Outcome.BROKEN, Outcome.LIMITED, Outcome.DENIED})


@asynccontextmanager
async def trace_operation(operation: Operation) -> AsyncGenerator[None]:
    """A watcher of Admission: says in the span of an operation whose it is, and how it ended.

    Nothing of arguments, answers or messages is noted, which may hold anybody's data.
    """
    if operation.door == "mcp":
        span = trace.get_current_span()
        try:
            yield
        finally:
            _note(span, operation)
        return
    with _tracer.start_as_current_span(
        operation.name,
        kind=SpanKind.SERVER,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        finally:
            _note(span, operation)


def _note(span: Span, operation: Operation) -> None:
    if not span.is_recording():
        return
    span.set_attribute("servicetsunami.tenant", operation.caller.tenant)
    span.set_attribute("servicetsunami.outcome", operation.outcome.value)
    if operation.outcome in _FAULTS:
        span.set_attribute("servicetsunami.error", operation.error)
        if operation.door != "mcp":
            # The SDK sets its own, which the conventions for tools ask for.
            span.set_attribute("error.type", operation.error)
            span.set_status(Status(StatusCode.ERROR))
