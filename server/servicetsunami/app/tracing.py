"""Sends traces away, where an operator has said where to; without that nothing of it is loaded."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio import CancelScope, to_thread

from servicetsunami import __version__
from servicetsunami.errors import ConfigurationError
from servicetsunami.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter


@asynccontextmanager
async def traces_sent(settings: Settings) -> AsyncGenerator[None]:
    """Send the spans that end inside, and the last of them at the end.

    Raises ConfigurationError where traces are wanted and cannot be sent. What the `OTEL_*`
    variables say beside (sampling, headers, resource, batches) is read by the SDK itself.
    """
    if not settings.otlp_endpoint or settings.otel_disabled:
        yield
        return
    provider = _provider()
    try:
        yield
    finally:
        # It waits for the collector, with a time-out of its own.
        with CancelScope(shield=True):
            await to_thread.run_sync(provider.shutdown)


def _provider() -> "TracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and what sends traces is not installed.",
            "Install the extra: `pip install 'servicetsunami[otlp]'`, or unset it.",
        ) from error
    from opentelemetry import trace  # noqa: PLC0415 - heavy, and only here

    ours = {"service.name": "servicetsunami", "service.version": __version__}
    # The detectors read OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which go before ours.
    resource = Resource(ours).merge(Resource.create())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(_without_contents(OTLPSpanExporter())))
    trace.set_tracer_provider(provider)
    return provider


def _without_contents(exporter: "SpanExporter") -> "SpanExporter":
    """An exporter that leaves messages of errors out, which hold names and values of tenants."""
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - heavy, and only here
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415
    from opentelemetry.trace import Status  # noqa: PLC0415

    class WithoutContents(SpanExporter):
        def export(self, spans: "Sequence[ReadableSpan]") -> SpanExportResult:
            return exporter.export([bare(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

    def bare(span: "ReadableSpan") -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=span.attributes,
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    return WithoutContents()
