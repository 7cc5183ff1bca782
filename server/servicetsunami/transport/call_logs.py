"""Has every line of the log say whose operation it is about, and notes how each one ended."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from structlog.contextvars import bind_contextvars

from servicetsunami.transport.admission import Operation

_log = logging.getLogger(__name__)


@asynccontextmanager
async def log_operation(operation: Operation) -> AsyncGenerator[None]:
    """A watcher of Admission: binds tenant, subject and operation, and tells of the end at INFO.

    They stay bound: a bug is logged after the operation has been left. The context ends with the
    message or the request, so that nothing of it reaches another one.
    """
    caller = operation.caller
    bind_contextvars(tenant=caller.tenant, subject=caller.subject, operation=operation.name)
    try:
        yield
    finally:
        _log.info(
            "%s ended: %s%s after %.3f s",
            operation.name,
            operation.outcome.value,
            f" ({operation.error})" if operation.error else "",
            operation.seconds,
        )
