"""Builds every object once, in order, and closes them in reverse: read it to learn the server."""

import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup, TaskStatus
from pydantic import SecretStr

from servicetsunami import __version__
from servicetsunami.domain.caller import LOCAL_TENANT, Caller
from servicetsunami.domain.dataset import DEFAULT_SCHEMA
from servicetsunami.domain.outbox import AssetKind
from servicetsunami.engines.sql.engine import PRELOAD, SqlEngine
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.catalog import Catalog
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingesting import Ingesting
from servicetsunami.services.listing import Listing
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.pulling import Pulling
from servicetsunami.services.queries import Queries
from servicetsunami.services.recovery import Recovery
from servicetsunami.services.remote_catalog import RemoteCatalog
from servicetsunami.services.remote_queries import RemoteQueries
from servicetsunami.services.routing import Router
from servicetsunami.services.sync import Sync
from servicetsunami.services.tenant_usage import TenantUsage
from servicetsunami.services.usage import UsageMeter
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore
from servicetsunami.stores.tables.snapshot import TableReader
from servicetsunami.sync.places import Places
from servicetsunami.sync.tables import TableCourier
from servicetsunami.sync.worker import Pace, SyncWorker
from servicetsunami.tools.context import Services

if TYPE_CHECKING:
    from servicetsunami.gateway.config import WorkspaceConfig

_MB = 2**20
_ADDRESS_SPACE_EXTRA_BYTES = 1_500 * _MB
"""What a child maps beside the memory that DuckDB may use: libraries, arenas, Arrow."""
_INGEST_ADDRESS_SPACE_BYTES = 16 * 2**30
_PATIENCE_SHARE = 0.8
"""How much of a query's time is spent waiting for Databricks, before a cursor is handed back."""
_INGESTS_AT_ONCE = 2
_STAGINGS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The built server, without a transport."""

    settings: Settings
    services: Services
    metadata: Metadata
    engine: SqlEngine
    connection: Connection
    worker: SyncWorker | None
    """Carries changes to Databricks; None where there is no workspace."""
    readable_catalogs: frozenset[str] = frozenset()

    def caller(self) -> Caller:
        """The one caller of single-user mode."""
        return Caller(
            tenant=LOCAL_TENANT,
            subject=LOCAL_TENANT,
            catalog=_catalog_of(self.settings, LOCAL_TENANT),
            has_databricks=self.settings.has_databricks(LOCAL_TENANT),
            catalogs=self.readable_catalogs,
        )


@asynccontextmanager
async def open_app(
    settings: Settings, *, roots: Sequence[Path] = (), catalogs: Sequence[str] = ()
) -> AsyncGenerator[App]:
    """Build the app, and close it at the end, whatever happens inside.

    `roots` are the folders that files may come from, and `catalogs` the other catalogs of
    Databricks that may be read, when the settings name none.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    closing = AsyncExitStack()
    parts = _parts(settings, closing)
    worker, places = _worker(settings, parts)
    readable = settings.databricks_readable_catalogs
    try:
        yield App(
            settings=settings,
            services=_services(settings, parts, worker, places, roots),
            metadata=parts.metadata,
            engine=parts.engine,
            connection=parts.connection,
            worker=worker,
            readable_catalogs=frozenset(catalogs if readable is None else readable),
        )
    finally:
        with anyio.CancelScope(shield=True):
            await closing.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What is built first, and used by several."""

    metadata: Metadata
    zygote: Zygote
    engine: SqlEngine
    ingest_pool: WorkerPool
    connection: Connection
    usage: UsageMeter
    results: ResultStore


def _parts(settings: Settings, closing: AsyncExitStack) -> _Parts:
    metadata = Metadata(settings.metadata_url)
    closing.push_async_callback(metadata.close)
    zygote = Zygote(preload=PRELOAD)
    closing.push_async_callback(zygote.aclose)
    ingest_pool = _ingest_pool(settings, zygote)
    closing.callback(ingest_pool.close)
    engine = _sql_engine(settings, zygote)
    closing.callback(engine.close)
    connection = Connection(
        partial(_workspace_config, settings) if settings.databricks_enabled else None
    )
    closing.push_async_callback(connection.aclose)
    usage = UsageMeter(metadata)
    closing.push_async_callback(usage.flush)
    data_dir = settings.data_dir
    results = ResultStore(data_dir / "tenants", ttl_s=settings.result_ttl_s)
    metadata.when_opened(Recovery(metadata=metadata, results=results, data_dir=data_dir).run)
    return _Parts(
        metadata=metadata,
        zygote=zygote,
        engine=engine,
        ingest_pool=ingest_pool,
        connection=connection,
        usage=usage,
        results=results,
    )


def _services(
    settings: Settings,
    parts: _Parts,
    worker: SyncWorker | None,
    places: Places,
    roots: Sequence[Path],
) -> Services:
    metadata, usage, data_dir = parts.metadata, parts.usage, settings.data_dir
    reader = TableReader()
    catalog = Catalog(metadata, reader, data_dir=data_dir)
    wake = worker.wake if worker is not None else _nothing_to_wake
    remote_catalog = RemoteCatalog(connection=parts.connection)
    queries = _queries(settings, parts, catalog)
    pulling = Pulling(
        connection=parts.connection,
        temp_dir=data_dir / "temp",
        timeout_s=settings.ingest_timeout_s,
    )
    datasets = Datasets(
        metadata=metadata,
        reader=reader,
        catalog=catalog,
        queries=queries,
        ingesting=_ingesting(settings, parts, wake),
        pulling=pulling,
        remote_catalog=remote_catalog,
        roots=AllowedRoots(roots if settings.allowed_roots is None else settings.allowed_roots),
        usage=usage,
        data_dir=data_dir,
        on_change=wake,
    )
    sync = Sync(
        metadata=metadata,
        connection=parts.connection,
        datasets=datasets,
        pulling=pulling,
        remote_catalog=remote_catalog,
        usage=usage,
        prepare=partial(_prepare, parts.connection, places),
        wake=wake,
    )
    return Services(
        datasets=datasets,
        queries=queries,
        remote_catalog=remote_catalog,
        sync=sync,
        tenant_usage=TenantUsage(metadata=metadata, usage=usage, data_dir=data_dir),
    )


def _ingesting(settings: Settings, parts: _Parts, wake: Callable[[], None]) -> Ingesting:
    return Ingesting(
        metadata=parts.metadata,
        data_dir=settings.data_dir,
        pool=parts.ingest_pool,
        timeout_s=settings.ingest_timeout_s,
        on_change=wake,
    )


def _queries(settings: Settings, parts: _Parts, catalog: Catalog) -> Queries:
    return Queries(
        engine=parts.engine,
        router=Router(catalog),
        listing=Listing(parts.metadata, catalog),
        remote=RemoteQueries(
            connection=parts.connection,
            engine=parts.engine,
            results=parts.results,
            rows_max=settings.query_rows_max,
            patience_s=settings.query_timeout_s * _PATIENCE_SHARE,
        ),
        results=parts.results,
        usage=parts.usage,
        rows_max=settings.query_rows_max,
        timeout_max_s=settings.query_timeout_s,
    )


def _worker(settings: Settings, parts: _Parts) -> tuple[SyncWorker | None, Places]:
    places = Places(catalog_of=partial(_catalog_of, settings), volume=settings.databricks_volume)
    if not settings.databricks_enabled:
        return None, places
    courier = TableCourier(
        metadata=parts.metadata,
        connection=parts.connection,
        pool=_staging_pool(settings, parts.zygote),
        places=places,
        data_dir=settings.data_dir,
    )
    worker = SyncWorker(
        metadata=parts.metadata,
        couriers={AssetKind.DATASET: courier},
        owner=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        tenants=settings.databricks_enabled_tenants or None,
        pace=Pace(lease_s=settings.sync_lease_s),
    )
    return worker, places


async def _prepare(connection: Connection, places: Places, tenant: str) -> None:
    """Create what a tenant needs on Databricks, looking again at what was there before."""
    places.forget(tenant)
    await places.prepare(await connection.workspace(), tenant, DEFAULT_SCHEMA)


def _nothing_to_wake() -> None:
    """Stand for the worker where there is none."""


def _catalog_of(settings: Settings, tenant: str) -> str:
    return settings.catalog_of(tenant, is_single=tenant == LOCAL_TENANT)


def _sql_engine(settings: Settings, zygote: Zygote) -> SqlEngine:
    return SqlEngine(
        zygote=zygote,
        temp_dir=settings.data_dir / "temp",
        workers_max=settings.query_workers,
        memory_limit_mb=settings.query_memory_mb,
        threads=settings.query_threads or os.cpu_count() or 1,
        address_space_bytes=settings.query_memory_mb * _MB + _ADDRESS_SPACE_EXTRA_BYTES,
    )


def _ingest_pool(settings: Settings, zygote: Zygote) -> WorkerPool:
    return WorkerPool(
        zygote=zygote,
        target="servicetsunami.services.ingest_worker:run",
        options={
            "temp_dir": str(settings.data_dir / "temp"),
            "memory_limit_mb": settings.ingest_memory_mb,
            "threads": os.cpu_count() or 1,
        },
        workers_max=_INGESTS_AT_ONCE,
        address_space_bytes=_INGEST_ADDRESS_SPACE_BYTES,
        spare=0,
    )


def _staging_pool(settings: Settings, zygote: Zygote) -> WorkerPool:
    return WorkerPool(
        zygote=zygote,
        target="servicetsunami.sync.staging_worker:run",
        options={
            "temp_dir": str(settings.data_dir / "temp"),
            "sql": {"memory_limit_mb": settings.ingest_memory_mb, "threads": 1},
        },
        workers_max=_STAGINGS_AT_ONCE,
        address_space_bytes=_INGEST_ADDRESS_SPACE_BYTES,
        spare=0,
    )


def _workspace_config(settings: Settings) -> "WorkspaceConfig":
    """Put the credentials together, from the settings or from a profile."""
    from servicetsunami.gateway.config import Given, resolve  # noqa: PLC0415 - only with one

    given = Given(
        host=settings.databricks_host,
        token=_secret(settings.databricks_token),
        client_id=settings.databricks_client_id,
        client_secret=_secret(settings.databricks_client_secret),
        auth_type=settings.databricks_auth_type,
        profile=settings.databricks_config_profile,
        config_file=settings.databricks_config_file,
        warehouse_id=settings.databricks_warehouse_id,
    )
    return resolve(
        given,
        requests_per_s=settings.databricks_requests_per_s,
        user_agent=f"servicetsunami/{__version__}",
    )


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


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

    async with open_app(settings) as app:
        server = LakeServer(app.services, app.caller, read_only=settings.read_only)
        async with anyio.create_task_group() as tasks:
            _start_background(app, tasks)
            await serve(server, host=settings.http_host, port=settings.http_port)
            tasks.cancel_scope.cancel()


def _start_background(app: App, tasks: TaskGroup) -> None:
    """Have changes carried to Databricks, and its tables looked up, while a client is served."""
    if app.worker is not None:
        tasks.start_soon(app.worker.run)
        tasks.start_soon(app.services.remote_catalog.keep_fresh, app.caller())


async def _stop_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """End the server in order on SIGTERM and SIGINT: children stopped, counts written."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
            return
