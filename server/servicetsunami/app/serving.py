"""Serves the app over a transport, until the client or a signal ends it."""

import logging
import signal
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from servicetsunami.app.opening import App, open_app
from servicetsunami.errors import ServerError
from servicetsunami.settings import Settings

_log = logging.getLogger(__name__)

_JOBS_LOOK_EVERY_S: Final = 2.0


async def serve_stdio(settings: Settings) -> None:
    """Serve one client over stdin and stdout, until it closes stdin or a signal asks to stop."""
    from servicetsunami.transport.mcp import LakeServer  # noqa: PLC0415 - the SDK is heavy

    async with open_app(settings, roots=[Path.home()], catalogs=["*"]) as app:
        server = LakeServer(app.services, app.caller, read_only=settings.read_only)
        async with anyio.create_task_group() as tasks:
            await tasks.start(_stop_on_signal, tasks.cancel_scope)
            _start_background(app, tasks)
            await server.run_stdio_async()
            tasks.cancel_scope.cancel()


async def serve_http(settings: Settings) -> None:
    """Serve Streamable HTTP at /mcp, on loopback only: there is no authentication yet."""
    from servicetsunami.transport.http import serve  # noqa: PLC0415 - the web stack is heavy
    from servicetsunami.transport.mcp import LakeServer  # noqa: PLC0415

    async with open_app(settings, is_hosted=True) as app:
        server = LakeServer(app.services, app.caller, read_only=settings.read_only)
        async with anyio.create_task_group() as tasks:
            _start_background(app, tasks)
            await serve(server, host=settings.http_host, port=settings.http_port)
            tasks.cancel_scope.cancel()


def _start_background(app: App, tasks: TaskGroup) -> None:
    """Have changes carried to Databricks, and its tables looked up, while a client is served."""
    tasks.start_soon(_begin_jobs_when_needed, app)
    if app.worker is not None:
        tasks.start_soon(app.worker.run)
        tasks.start_soon(app.services.remote_catalog.keep_fresh, app.caller())
        tasks.start_soon(app.services.notebook_sync.keep_fresh, app.caller())
        tasks.start_soon(app.services.runs.there.keep_adopting, app.caller())
        tasks.start_soon(app.services.jobs.there.keep_fresh, app.caller())


async def _begin_jobs_when_needed(app: App) -> None:
    """Have schedules fire and runs go on, once there are any: most servers never load that part."""
    while True:
        await anyio.sleep(_JOBS_LOOK_EVERY_S)
        try:
            async with app.metadata.read() as transaction:
                is_needed = await transaction.jobs.has_work()
        except ServerError as error:
            _log.warning("jobs could not be looked for: %s", error)
            continue
        if is_needed:
            app.services.jobs.engine.wake()
            return


async def _stop_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """End the server in order on SIGTERM and SIGINT: children stopped, counts written."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
            return
