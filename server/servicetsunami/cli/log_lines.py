"""The forms of a line of the log that carry what was bound: request, tenant, operation, trace."""

import logging
from typing import Final

import structlog
from opentelemetry import trace
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.typing import EventDict, WrappedLogger

_FIRST: Final = ("timestamp", "level", "logger", "event")


def json_lines() -> logging.Formatter:
    """One JSON object for each line, a traceback within it."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_trace,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _in_order,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def text_lines(form: str) -> logging.Formatter:
    """Lines for people, with what was bound at their end."""
    return _BoundFormatter(form)


class _BoundFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as the base says
        line = super().formatMessage(record)
        # They are found in another order in every process.
        bound = " ".join(f"{name}={value}" for name, value in sorted(get_contextvars().items()))
        return f"{line} [{bound}]" if bound else line


def _with_trace(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Name the trace, so that one leads to the other."""
    del logger, name
    found = trace.get_current_span().get_span_context()
    if found.is_valid:
        event["trace_id"] = trace.format_trace_id(found.trace_id)
        event["span_id"] = trace.format_span_id(found.span_id)
    return event


def _in_order(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """What all lines have stands first: people read them too."""
    del logger, name
    return {key: event[key] for key in _FIRST if key in event} | dict(event)
