"""Builds every object once, in order, and closes them in reverse: read it to learn the server."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import TaskGroup

from servicetsunami.app.children import ingest_pool, sql_engine
from servicetsunami.app.databricks import catalog_of, prepare, sync_worker, workspace_config
from servicetsunami.domain.caller import EVERYTHING, LOCAL_TENANT, Caller
from servicetsunami.engines.sql.engine import PRELOAD, SqlEngine
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.catalog import Catalog
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingesting import Ingesting
from servicetsunami.services.job_sync import JobSync
from servicetsunami.services.listing import Listing
from servicetsunami.services.notebook_sync import NotebookSync
from servicetsunami.services.notebooks import Notebooks
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
from servicetsunami.services.vectors import Vectors
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore
from servicetsunami.stores.tables.snapshot import TableReader
from servicetsunami.sync.places import Places
from servicetsunami.tools.context import Services

if TYPE_CHECKING:
    from servicetsunami.services.jobs import Jobs
    from servicetsunami.services.runs import Runs
    from servicetsunami.sync.worker import SyncWorker

_PATIENCE_SHARE: Final = 0.8
"""How much of a query's time is spent waiting for Databricks, before a cursor is handed back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The built server, without a transport."""

    settings: Settings
    services: Services
    metadata: Metadata
    engine: SqlEngine
    connection: Connection
    worker: "SyncWorker | None"
    """Carries changes to Databricks; None where there is no workspace."""
    readable_catalogs: frozenset[str] = frozenset()

    def caller(self) -> Caller:
        """The one caller of single-user mode."""
        caller = caller_of(self.settings, LOCAL_TENANT, LOCAL_TENANT)
        return replace(caller, scopes=EVERYTHING, catalogs=self.readable_catalogs)


def caller_of(settings: Settings, tenant: str, subject: str) -> Caller:
    """Who a tenant's own work is done for when nobody calls: of other catalogs it reads none."""
    return Caller(
        tenant=tenant,
        subject=subject,
        catalog=catalog_of(settings, tenant),
        has_databricks=settings.has_databricks(tenant),
    )


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    roots: Sequence[Path] = (),
    catalogs: Sequence[str] = (),
    is_hosted: bool = False,
) -> AsyncGenerator[App]:
    """Build the app, and close it at the end, whatever happens inside.

    `roots` are the folders that files may come from, and `catalogs` the other catalogs of
    Databricks that may be read, when the settings name none. Hosted, code of notebooks runs in a
    sandbox or not at all.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    closing = AsyncExitStack()
    tasks = anyio.create_task_group()
    await tasks.__aenter__()
    parts = _parts(settings, closing, tasks, is_hosted=is_hosted)
    worker, places = sync_worker(
        settings, metadata=parts.metadata, connection=parts.connection, zygote=parts.zygote
    )
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
        # Runs are stopped first, while all that they need is there. Not by `async with`, which
        # would wrap what goes wrong inside into groups of exceptions.
        try:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)
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
    tasks: TaskGroup
    closing: AsyncExitStack
    is_hosted: bool


def _parts(
    settings: Settings, closing: AsyncExitStack, tasks: TaskGroup, *, is_hosted: bool
) -> _Parts:
    metadata = Metadata(settings.metadata_url)
    closing.push_async_callback(metadata.close)
    zygote = Zygote(preload=PRELOAD)
    closing.push_async_callback(zygote.aclose)
    ingesting = ingest_pool(settings, zygote)
    closing.callback(ingesting.close)
    engine = sql_engine(settings, zygote)
    closing.callback(engine.close)
    connection = Connection(
        partial(workspace_config, settings) if settings.databricks_enabled else None
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
        ingest_pool=ingesting,
        connection=connection,
        usage=usage,
        results=results,
        tasks=tasks,
        closing=closing,
        is_hosted=is_hosted,
    )


def _services(
    settings: Settings,
    parts: _Parts,
    worker: "SyncWorker | None",
    places: Places,
    roots: Sequence[Path],
) -> Services:
    metadata, usage, data_dir = parts.metadata, parts.usage, settings.data_dir
    wake = worker.wake if worker is not None else _nothing_to_wake
    catalog = Catalog(metadata, TableReader(), data_dir=data_dir)
    queries = _queries(settings, parts, catalog)
    pulling = _pulling(settings, parts)
    remote_catalog = RemoteCatalog(connection=parts.connection)
    datasets = _datasets(
        settings,
        parts,
        catalog,
        queries=queries,
        pulling=pulling,
        remote_catalog=remote_catalog,
        roots=roots,
        wake=wake,
    )
    sync = Sync(
        metadata=metadata,
        connection=parts.connection,
        datasets=datasets,
        pulling=pulling,
        remote_catalog=remote_catalog,
        usage=usage,
        prepare=partial(prepare, parts.connection, places),
        wake=wake,
    )
    notebooks = Notebooks(metadata=metadata, usage=usage, on_change=wake)
    runs = cache(partial(_runs, settings, parts, notebooks, queries, datasets, wake))
    return Services(
        datasets=datasets,
        queries=queries,
        notebooks=notebooks,
        notebook_sync=NotebookSync(metadata=metadata, connection=parts.connection, wake=wake),
        job_sync=JobSync(metadata=metadata, connection=parts.connection, wake=wake),
        make_jobs=lambda: runs()[1],
        make_runs=lambda: runs()[0],
        remote_catalog=remote_catalog,
        sync=sync,
        tenant_usage=TenantUsage(metadata=metadata, usage=usage, data_dir=data_dir),
        vectors=_vectors(settings, parts, queries, datasets),
    )


def _vectors(settings: Settings, parts: _Parts, queries: Queries, datasets: Datasets) -> Vectors:
    return Vectors(
        metadata=parts.metadata,
        datasets=datasets,
        queries=queries,
        results=parts.results,
        usage=parts.usage,
        data_dir=settings.data_dir,
    )


def _datasets(
    settings: Settings,
    parts: _Parts,
    catalog: Catalog,
    *,
    queries: Queries,
    pulling: Pulling,
    remote_catalog: RemoteCatalog,
    roots: Sequence[Path],
    wake: Callable[[], None],
) -> Datasets:
    return Datasets(
        metadata=parts.metadata,
        reader=catalog.reader,
        catalog=catalog,
        queries=queries,
        ingesting=_ingesting(settings, parts, wake),
        pulling=pulling,
        remote_catalog=remote_catalog,
        roots=AllowedRoots(roots if settings.allowed_roots is None else settings.allowed_roots),
        usage=parts.usage,
        data_dir=settings.data_dir,
        on_change=wake,
    )


def _runs(  # noqa: PLR0917 - what the services for runs stand on
    settings: Settings,
    parts: _Parts,
    notebooks: Notebooks,
    queries: Queries,
    datasets: Datasets,
    wake: Callable[[], None],
) -> "tuple[Runs, Jobs]":
    """The services for runs and jobs, with the kernels that they need."""
    from servicetsunami.app import notebooks as notebook_parts  # noqa: PLC0415 - not at every start
    from servicetsunami.services.run_data import RunData  # noqa: PLC0415

    pool = notebook_parts.kernel_pool(settings, parts.tasks, is_hosted=parts.is_hosted)
    parts.closing.push_async_callback(pool.aclose)
    return notebook_parts.runs(
        settings,
        metadata=parts.metadata,
        notebooks=notebooks,
        data=RunData(
            metadata=parts.metadata, queries=queries, datasets=datasets, results=parts.results
        ),
        usage=parts.usage,
        pool=pool,
        tasks=parts.tasks,
        connection=parts.connection,
        caller_of=partial(caller_of, settings),
        wake=wake,
    )


def _nothing_to_wake() -> None:
    """Stand for the worker where there is none."""


def _pulling(settings: Settings, parts: _Parts) -> Pulling:
    return Pulling(
        connection=parts.connection,
        temp_dir=settings.data_dir / "temp",
        timeout_s=settings.ingest_timeout_s,
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
