"""A span for each call of a child."""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

_tracer = trace.get_tracer("servicetsunami")


@contextmanager
def work_span(kind: str, method: str) -> Generator[None]:
    """Span what a child does; for DuckDB in the words of the conventions for databases.

    Never the statement, and nothing of its values.
    """
    span = _tracer.start_span(f"{method} {kind}", kind=SpanKind.CLIENT)
    if kind == "duckdb" and span.is_recording():
        span.set_attribute("db.system.name", kind)
        span.set_attribute("db.operation.name", method)
    try:
        yield
    except BaseException as error:
        if span.is_recording():
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()
