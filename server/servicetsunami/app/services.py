"""Builds the services, each of what it stands on."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio.abc import TaskGroup

from servicetsunami.app.costs import Costs
from servicetsunami.app.databricks import (
    caller_of,
    prepare,
    process_name,
)
from servicetsunami.app.fetching import fetcher
from servicetsunami.app.models import models
from servicetsunami.app.vectors import embedding_models, reading_pool, vectors
from servicetsunami.engines.sql.engine import SqlEngine
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.audit import Audit
from servicetsunami.services.catalog import Catalog
from servicetsunami.services.catalogs import Catalogs
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.endpoint_sync import EndpointSync
from servicetsunami.services.index_sync import IndexSync
from servicetsunami.services.ingesting import Ingesting
from servicetsunami.services.job_sync import JobSync
from servicetsunami.services.listing import Listing
from servicetsunami.services.long_work import LongWork
from servicetsunami.services.models import Models
from servicetsunami.services.notebook_sync import NotebookSync
from servicetsunami.services.notebooks import Notebooks
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.pulling import Pulling
from servicetsunami.services.queries import Queries
from servicetsunami.services.remote_catalog import RemoteCatalog
from servicetsunami.services.remote_queries import RemoteQueries
from servicetsunami.services.remote_vectors import RemoteVectors
from servicetsunami.services.resources import Resources
from servicetsunami.services.routing import Router
from servicetsunami.services.run_audit import RunAudit
from servicetsunami.services.run_data import RunData
from servicetsunami.services.run_outputs import RunOutputs
from servicetsunami.services.run_records import RunRecords
from servicetsunami.services.searching import Searching
from servicetsunami.services.sync import Sync
from servicetsunami.services.tenant_usage import TenantUsage
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.vectors import Vectors
from servicetsunami.services.watching import Watching
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore
from servicetsunami.stores.tables.snapshot import TableReader
from servicetsunami.sync.places import Places
from servicetsunami.tools.context import Services

if TYPE_CHECKING:
    from servicetsunami.engines.kernels.kernel import Kernel
    from servicetsunami.engines.kernels.pool import KernelPool
    from servicetsunami.services.jobs import Jobs
    from servicetsunami.services.runs import Runs
    from servicetsunami.sync.worker import SyncWorker

_PATIENCE_SHARE: Final = 0.8
"""How much of a query's time is spent waiting for Databricks, before a cursor is handed back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is built first, and used by several."""

    metadata: Metadata
    zygote: Zygote
    engine: SqlEngine
    ingest_pool: WorkerPool
    model_pool: WorkerPool
    connection: Connection
    costs: Costs
    usage: UsageMeter
    audit: Audit
    results: ResultStore
    outputs: RunOutputs
    tasks: TaskGroup
    closing: AsyncExitStack
    is_hosted: bool
    is_recorded: bool
    kernel_pools: "list[KernelPool]" = field(default_factory=list)
    """The pool of kernels, once somebody has needed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lake:
    """What has to do with datasets, on which most other services stand."""

    catalog: Catalog
    roots: AllowedRoots
    queries: Queries
    pulling: Pulling
    remote_catalog: RemoteCatalog
    datasets: Datasets


def services(
    settings: Settings,
    parts: Parts,
    worker: "SyncWorker | None",
    places: Places,
    roots: Sequence[Path],
) -> Services:
    """All services; `roots` are the folders that files may come from."""
    metadata = parts.metadata
    wake = worker.wake if worker is not None else _nothing_to_wake
    lake = _lake(settings, parts, roots, wake)
    data = RunData(
        metadata=metadata, queries=lake.queries, datasets=lake.datasets, results=parts.results
    )
    notebooks = _notebooks(parts, wake)
    kernels = cache(partial(_kernels, settings, parts))
    records = RunRecords(metadata=metadata, owner=process_name(), lease_s=settings.run_lease_s)
    runs = cache(partial(_runs, settings, parts, records, notebooks, data, wake, kernels))
    vectors = _vectors(settings, parts, data, lake.datasets, lake.roots)
    usage = _tenant_usage(parts)
    return Services(
        datasets=lake.datasets,
        queries=lake.queries,
        notebooks=notebooks,
        notebook_sync=NotebookSync(metadata=metadata, connection=parts.connection, wake=wake),
        job_sync=JobSync(metadata=metadata, connection=parts.connection, wake=wake),
        endpoint_sync=EndpointSync(metadata=metadata, connection=parts.connection, wake=wake),
        index_sync=IndexSync(metadata=metadata, connection=parts.connection, wake=wake),
        make_jobs=lambda: runs()[1],
        make_runs=lambda: runs()[0],
        catalogs=Catalogs(metadata=metadata),
        remote_catalog=lake.remote_catalog,
        sync=_sync(parts, lake, places, wake),
        tenant_usage=usage,
        vectors=vectors,
        models=_models(settings, parts, lake, kernels, wake),
        long_work=LongWork(records=records, tasks=parts.tasks),
        resources=Resources(metadata=metadata, usage=usage),
        searching=_searching(parts, vectors, lake.remote_catalog),
        audit=parts.audit,
        watching=Watching(metadata),
    )


def _lake(
    settings: Settings, parts: Parts, roots: Sequence[Path], wake: Callable[[], None]
) -> Lake:
    catalog = Catalog(parts.metadata, TableReader(), data_dir=settings.data_dir)
    allowed = AllowedRoots(roots if settings.allowed_roots is None else settings.allowed_roots)
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
        roots=allowed,
        wake=wake,
    )
    return Lake(
        catalog=catalog,
        roots=allowed,
        queries=queries,
        pulling=pulling,
        remote_catalog=remote_catalog,
        datasets=datasets,
    )


def _notebooks(parts: Parts, wake: Callable[[], None]) -> Notebooks:
    return Notebooks(
        metadata=parts.metadata, usage=parts.usage, quotas=parts.costs.quotas, on_change=wake
    )


def _tenant_usage(parts: Parts) -> TenantUsage:
    return TenantUsage(
        metadata=parts.metadata,
        usage=parts.usage,
        reports=parts.costs.reports,
        budgets=parts.costs.budgets,
        quotas=parts.costs.quotas,
    )


def _sync(parts: Parts, lake: Lake, places: Places, wake: Callable[[], None]) -> Sync:
    return Sync(
        metadata=parts.metadata,
        connection=parts.connection,
        datasets=lake.datasets,
        pulling=lake.pulling,
        remote_catalog=lake.remote_catalog,
        usage=parts.usage,
        prepare=partial(prepare, parts.metadata, parts.connection, places),
        wake=wake,
    )


def _searching(parts: Parts, vectors: Vectors, remote_catalog: RemoteCatalog) -> Searching:
    remote = RemoteVectors(
        connection=parts.connection,
        embeddings=vectors.embeddings,
        budgets=parts.costs.budgets,
        usage=parts.usage,
    )
    return Searching(
        metadata=parts.metadata, vectors=vectors, remote=remote, remote_catalog=remote_catalog
    )


def _vectors(
    settings: Settings, parts: Parts, data: RunData, datasets: Datasets, roots: AllowedRoots
) -> Vectors:
    pool = reading_pool(parts.zygote)
    parts.closing.callback(pool.close)
    return vectors(
        data=data,
        datasets=datasets,
        roots=roots,
        pool=pool,
        usage=parts.usage,
        tasks=parts.tasks,
        models=embedding_models(settings, parts.connection),
        budgets=parts.costs.budgets,
        quotas=parts.costs.quotas,
        data_dir=settings.data_dir,
    )


def _models(
    settings: Settings,
    parts: Parts,
    lake: Lake,
    kernels: "Callable[[], KernelPool]",
    wake: Callable[[], None],
) -> Models:
    return models(
        settings,
        metadata=parts.metadata,
        catalog=lake.catalog,
        datasets=lake.datasets,
        roots=lake.roots,
        usage=parts.usage,
        pool=parts.model_pool,
        lend_kernel=partial(_lent_kernel, settings, kernels),
        connection=parts.connection,
        costs=parts.costs,
        wake=wake,
    )


def _datasets(
    settings: Settings,
    parts: Parts,
    catalog: Catalog,
    *,
    queries: Queries,
    pulling: Pulling,
    remote_catalog: RemoteCatalog,
    roots: AllowedRoots,
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
        roots=roots,
        usage=parts.usage,
        data_dir=settings.data_dir,
        on_change=wake,
        make_fetcher=cache(partial(fetcher, settings)),
    )


def _kernels(settings: Settings, parts: Parts) -> "KernelPool":
    from servicetsunami.app.kernels import kernel_pool  # noqa: PLC0415 - not at every start

    pool = kernel_pool(settings, parts.tasks, is_hosted=parts.is_hosted)
    parts.closing.push_async_callback(pool.aclose)
    parts.kernel_pools.append(pool)
    return pool


def _lent_kernel(
    settings: Settings, kernels: "Callable[[], KernelPool]", tenant: str
) -> "AbstractAsyncContextManager[Kernel]":
    from servicetsunami.app.kernels import spec_of  # noqa: PLC0415 - not at every start

    return kernels().acquire(spec_of(settings, tenant))


def _runs(  # noqa: PLR0917 - what the services for runs stand on
    settings: Settings,
    parts: Parts,
    records: RunRecords,
    notebooks: Notebooks,
    data: RunData,
    wake: Callable[[], None],
    kernels: "Callable[[], KernelPool]",
) -> "tuple[Runs, Jobs]":
    """The services for runs and jobs, with the kernels that they need."""
    from servicetsunami.app import notebooks as notebook_parts  # noqa: PLC0415 - not at every start

    return notebook_parts.runs(
        settings,
        metadata=parts.metadata,
        records=records,
        notebooks=notebooks,
        data=data,
        usage=parts.usage,
        pool=kernels(),
        tasks=parts.tasks,
        connection=parts.connection,
        costs=parts.costs,
        audit=RunAudit(parts.audit if parts.is_recorded else None),
        caller_of=partial(caller_of, settings),
        wake=wake,
    )


def _nothing_to_wake() -> None:
    """Stand for the worker where there is none."""


def _pulling(settings: Settings, parts: Parts) -> Pulling:
    return Pulling(
        connection=parts.connection,
        spending=parts.costs.spending,
        temp_dir=settings.data_dir / "temp",
        timeout_s=settings.ingest_timeout_s,
    )


def _ingesting(settings: Settings, parts: Parts, wake: Callable[[], None]) -> Ingesting:
    return Ingesting(
        metadata=parts.metadata,
        data_dir=settings.data_dir,
        pool=parts.ingest_pool,
        quotas=parts.costs.quotas,
        timeout_s=settings.ingest_timeout_s,
        on_change=wake,
    )


def _queries(settings: Settings, parts: Parts, catalog: Catalog) -> Queries:
    return Queries(
        engine=parts.engine,
        router=Router(catalog),
        listing=Listing(parts.metadata, catalog),
        remote=RemoteQueries(
            connection=parts.connection,
            engine=parts.engine,
            results=parts.results,
            spending=parts.costs.spending,
            rows_max=settings.query_rows_max,
            patience_s=settings.query_timeout_s * _PATIENCE_SHARE,
        ),
        results=parts.results,
        usage=parts.usage,
        rows_max=settings.query_rows_max,
        timeout_max_s=settings.query_timeout_s,
    )
