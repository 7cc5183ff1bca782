"""A collector of traces on this machine: what a server has sent it."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Sent:
    """A span as it arrived."""

    name: str
    trace: str
    span: str
    parent: str
    kind: int
    attributes: dict[str, str]
    text: str
    """All of it, to look for what must not be there."""


@dataclass
class Collector:
    url: str
    arrived: threading.Condition = field(default_factory=threading.Condition)
    spans: list[Sent] = field(default_factory=list)

    def until(self, name: str, trace: str) -> Sent:
        """Wait for a span."""

        def found() -> Sent | None:
            return next((s for s in self.spans if (s.name, s.trace) == (name, trace)), None)

        with self.arrived:
            assert self.arrived.wait_for(found, timeout=30), [s.name for s in self.spans]
            span = found()
        assert span is not None
        return span

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        found = [
            Sent(
                name=span.name,
                trace=span.trace_id.hex(),
                span=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                kind=span.kind,
                attributes={a.key: a.value.string_value for a in span.attributes},
                text=str(span),
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self.arrived:
            self.spans += found
            self.arrived.notify_all()


@contextmanager
def collector() -> Generator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                raise AssertionError("the exporter does not compress unless it is told to")
            running.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
