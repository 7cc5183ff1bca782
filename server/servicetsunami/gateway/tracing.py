"""A span for each request to the workspace, which goes on in the workspace's own traces."""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, Status, StatusCode

_tracer = trace.get_tracer("servicetsunami")
_FAULT_FROM: Final = 400


class RequestSpan:
    """Spans one request, from before it is sent until its answer has been read.

    Nothing of the path is noted, which names tenants' things. It is never the current span: the
    reader of an answer works inside.
    """

    def __init__(self, method: str, host: str) -> None:
        self._span = _tracer.start_span(method, kind=SpanKind.CLIENT)
        if self._span.is_recording():
            self._span.set_attribute("http.request.method", method)
            self._span.set_attribute("server.address", urlsplit(host).hostname or "")

    @property
    def headers(self) -> Mapping[str, str]:
        """`traceparent`, where there is a trace: for the workspace and nobody else."""
        carrier: dict[str, str] = {}
        inject(carrier, context=trace.set_span_in_context(self._span))
        return {name: value for name, value in carrier.items() if name == "traceparent"}

    def answered(self, status: int) -> None:
        """Note the status of the answer."""
        if not self._span.is_recording():
            return
        self._span.set_attribute("http.response.status_code", status)
        if status >= _FAULT_FROM:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and self._span.is_recording():
            self._span.set_attribute("error.type", kind.__name__)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
