"""Serves the app over a transport, until the client or a signal ends it."""

import logging
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from servicetsunami.app import hosting
from servicetsunami.app.auditing import auditor_of, marking
from servicetsunami.app.collector import begin_collecting, spare_collector
from servicetsunami.app.databricks import caller_of
from servicetsunami.app.observing import metrics_door, watchers
from servicetsunami.app.opening import App, open_app
from servicetsunami.app.tracing import traces_sent
from servicetsunami.domain.caller import Caller
from servicetsunami.errors import ServerError
from servicetsunami.services.identities import Identities
from servicetsunami.settings import Settings
from servicetsunami.transport.addresses import bind

if TYPE_CHECKING:
    from servicetsunami.transport.admission import Admission
    from servicetsunami.transport.mcp import LakeServer
    from servicetsunami.transport.steering import Seat

_log = logging.getLogger(__name__)
_up_log = logging.getLogger("servicetsunami.up")

_JOBS_LOOK_EVERY_S: Final = 2.0
_TENANTS_LOOK_EVERY_S: Final = 5.0


async def serve_stdio(settings: Settings) -> None:
    """Serve one client over stdin and stdout, until it closes stdin or a signal asks to stop."""
    async with (
        traces_sent(settings),
        open_app(settings, roots=[Path.home()], catalogs=["*"], endpoints=["*"]) as app,
    ):
        admission = _recorded(app) if settings.audit else None
        server = _server(app, app.caller, admission, is_recorded=bool(settings.audit))
        begin_collecting()
        async with anyio.create_task_group() as tasks:
            await tasks.start(_stop_on_signal, tasks.cancel_scope)
            _start_background(app, tasks)
            tasks.start_soon(server.subscriptions.run)
            _look_after(app, app.caller(), tasks)
            if settings.audit:
                tasks.start_soon(app.audit.run)
            await server.run_stdio_async()
            tasks.cancel_scope.cancel()


async def serve_http(settings: Settings, seat: "Seat | None" = None) -> None:
    """Serve over HTTP: many tenants with credentials, or one user of this machine without.

    With a seat it is one of several workers. Raises ConfigurationError for settings that would let
    in whom nobody wants, and for an address that is not free.
    """
    hosting.check_hosting(settings)
    from servicetsunami.transport.auth import current_caller  # noqa: PLC0415 - the SDK is heavy
    from servicetsunami.transport.http import Web, serve  # noqa: PLC0415 - the web stack is heavy

    bound = bind(settings.http_host, settings.http_port) if seat is None else seat.listening
    steering = None if seat is None else hosting.steering(settings, seat)
    async with traces_sent(settings), open_app(settings, is_hosted=True) as app:
        identities = hosting.identities(settings, app)
        authenticator = hosting.authenticator(app, identities)
        caller = app.caller if authenticator is None else current_caller
        auditor = None if settings.audit is False else auditor_of(app.audit)
        metrics = metrics_door(app, steering)
        watching = [*watchers(metrics.metrics), *([auditor.watch] if auditor else [])]
        admission = hosting.admission(settings, watching)
        server = _server(app, caller, admission, is_recorded=auditor is not None)
        async with anyio.create_task_group() as tasks:
            _start_background(app, tasks)
            if auditor is not None:
                tasks.start_soon(app.audit.run)
            tasks.start_soon(_spare_collector_once_open, identities)
            tasks.start_soon(server.subscriptions.run)
            if authenticator is None:
                _look_after(app, app.caller(), tasks)
            else:
                tasks.start_soon(_look_after_tenants, app, identities, tasks)
            web = Web(
                check_ready=identities.check,
                upload_dir=settings.data_dir / "temp",
                authenticator=authenticator,
                auditor=auditor,
                metrics=metrics,
            )
            await serve(
                server,
                hosting.listening(settings),
                web,
                bound=bound,
                steering=steering,
                on_up=partial(_tell_up, settings, seat),
            )
            tasks.cancel_scope.cancel()


def _server(
    app: App,
    caller: Callable[[], Caller],
    admission: "Admission | None",
    *,
    is_recorded: bool,
) -> "LakeServer":
    from servicetsunami.transport.mcp import LakeServer  # noqa: PLC0415 - the SDK is heavy

    settings = app.settings
    return LakeServer(
        app.services,
        caller,
        read_only=settings.read_only,
        toolsets=settings.toolsets,
        admission=admission,
        marking=marking(settings),
        is_recorded=is_recorded,
    )


def _recorded(app: App) -> "Admission":
    """What operations over stdio pass where they are recorded."""
    from servicetsunami.transport.admission import Admission  # noqa: PLC0415 - the SDK is heavy

    return Admission(watchers=[auditor_of(app.audit).watch])


async def _spare_collector_once_open(identities: Identities) -> None:
    """Wait for the database, which brings the last of the large libraries."""
    try:
        await identities.check()
    except ServerError as error:
        _log.warning("the metadata database does not answer yet: %s", error)
    spare_collector()


def _tell_up(settings: Settings, seat: "Seat | None", address: str) -> None:
    """The one line of a start, at any level of the log."""
    paths = "/mcp and /sse" if settings.http_sse else "/mcp"
    asked = "credentials are asked for" if settings.asks_for_credentials else "no credentials"
    which = "" if seat is None else f"; worker {seat.number + 1} of {settings.http_workers}"
    _up_log.info("serving %s at %s; %s%s", paths, address, asked, which)


def _start_background(app: App, tasks: TaskGroup) -> None:
    """Have jobs run, and changes carried to Databricks, while clients are served."""
    tasks.start_soon(_begin_jobs_when_needed, app)
    tasks.start_soon(app.outputs.run)
    if app.worker is not None:
        tasks.start_soon(app.worker.run)


def _look_after(app: App, caller: Caller, tasks: TaskGroup) -> None:
    """Have a tenant's tables, notebooks and runs on Databricks looked up now and then."""
    if app.worker is not None and caller.has_databricks:
        tasks.start_soon(app.services.remote_catalog.keep_fresh, caller)
        tasks.start_soon(app.services.notebook_sync.keep_fresh, caller)
        tasks.start_soon(app.services.runs.there.keep_adopting, caller)
        tasks.start_soon(app.services.jobs.there.keep_fresh, caller)
        tasks.start_soon(app.services.tenant_usage.reports.keep_fresh, caller)


async def _look_after_tenants(app: App, identities: Identities, tasks: TaskGroup) -> None:
    """Look after every tenant there is, and after new ones as they come."""
    known: set[str] = set()
    while True:
        try:
            found = await identities.tenants()
        except ServerError as error:
            _log.warning("tenants could not be looked for: %s", error)
            found = ()
        for tenant in found:
            if tenant not in known:
                known.add(tenant)
                _look_after(app, caller_of(app.settings, tenant, tenant), tasks)
        await anyio.sleep(_TENANTS_LOOK_EVERY_S)


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
