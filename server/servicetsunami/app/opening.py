"""Builds every object once, in order, and closes them in reverse: read it to learn the server."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from servicetsunami.app.auditing import audit_of
from servicetsunami.app.children import ingest_pool, model_pool, sql_engine
from servicetsunami.app.costs import costs
from servicetsunami.app.databricks import caller_of, sync_worker, workspace_config
from servicetsunami.app.services import Parts, services
from servicetsunami.domain.caller import EVERYTHING, LOCAL_TENANT, Caller
from servicetsunami.engines.sql.engine import PRELOAD, SqlEngine
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.audit import Audit
from servicetsunami.services.recovery import Recovery
from servicetsunami.services.run_outputs import RunOutputs
from servicetsunami.services.usage import UsageMeter
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore
from servicetsunami.sync.places import Places
from servicetsunami.tools.context import Services

if TYPE_CHECKING:
    from servicetsunami.engines.kernels.pool import KernelPool
    from servicetsunami.sync.worker import SyncWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The built server, without a transport."""

    settings: Settings
    services: Services
    metadata: Metadata
    engine: SqlEngine
    connection: Connection
    audit: Audit
    outputs: RunOutputs
    worker: "SyncWorker | None"
    """Carries changes to Databricks; None where there is no workspace."""
    pools: Mapping[str, WorkerPool]
    """The children by what they do."""
    kernel_pools: "Sequence[KernelPool]"
    """The pool of kernels, once somebody has needed it."""
    readable_catalogs: frozenset[str] = frozenset()

    def caller(self) -> Caller:
        """The one caller of single-user mode."""
        caller = caller_of(self.settings, LOCAL_TENANT, LOCAL_TENANT)
        return replace(caller, scopes=EVERYTHING, catalogs=self.readable_catalogs)


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    roots: Sequence[Path] = (),
    catalogs: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    is_hosted: bool = False,
    zygote: Zygote | None = None,
) -> AsyncGenerator[App]:
    """Build the app, and close it at the end, whatever happens inside.

    `roots` are the folders that files may come from, and `catalogs` the other catalogs of
    Databricks that may be read, when the settings name none; `endpoints` are such of serving.
    Hosted, code of notebooks runs in a sandbox or not at all. Whoever opens several apps may lend
    them one `zygote`, and ends it.
    """
    settings.make_data_dir()
    closing = AsyncExitStack()
    tasks = anyio.create_task_group()
    await tasks.__aenter__()
    parts = _parts(settings, closing, tasks, endpoints, is_hosted=is_hosted, zygote=zygote)
    worker, places = _worker(settings, parts)
    readable = settings.databricks_readable_catalogs
    try:
        yield App(
            settings=settings,
            services=services(settings, parts, worker, places, roots),
            metadata=parts.metadata,
            engine=parts.engine,
            connection=parts.connection,
            audit=parts.audit,
            outputs=parts.outputs,
            worker=worker,
            pools=_pools(parts),
            kernel_pools=parts.kernel_pools,
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


def _worker(settings: Settings, parts: Parts) -> "tuple[SyncWorker | None, Places]":
    return sync_worker(
        settings,
        metadata=parts.metadata,
        connection=parts.connection,
        zygote=parts.zygote,
        admit=parts.costs.budgets.admit_there,
    )


def _pools(parts: Parts) -> dict[str, WorkerPool]:
    return {
        "sql": parts.engine.pool,
        "ingest": parts.ingest_pool,
        "model": parts.model_pool,
    }


def _parts(
    settings: Settings,
    closing: AsyncExitStack,
    tasks: TaskGroup,
    endpoints: Sequence[str],
    *,
    is_hosted: bool,
    zygote: Zygote | None,
) -> Parts:
    metadata = Metadata(settings.metadata_url)
    closing.push_async_callback(metadata.close)
    if zygote is None:
        zygote = Zygote(preload=PRELOAD)
        closing.push_async_callback(zygote.aclose)
    ingesting = ingest_pool(settings, zygote)
    closing.callback(ingesting.close)
    models = model_pool(settings, zygote)
    closing.callback(models.close)
    engine = sql_engine(settings, zygote)
    closing.callback(engine.close)
    connection = Connection(
        partial(workspace_config, settings) if settings.databricks_enabled else None
    )
    closing.push_async_callback(connection.aclose)
    audit = audit_of(settings, metadata)
    closing.push_async_callback(audit.flush)
    usage = UsageMeter(metadata)
    closing.push_async_callback(usage.flush)
    results, outputs = _kept(settings, metadata)
    return Parts(
        metadata=metadata,
        zygote=zygote,
        engine=engine,
        ingest_pool=ingesting,
        model_pool=models,
        connection=connection,
        costs=costs(
            settings, metadata=metadata, connection=connection, tasks=tasks, endpoints=endpoints
        ),
        usage=usage,
        audit=audit,
        results=results,
        outputs=outputs,
        tasks=tasks,
        closing=closing,
        is_hosted=is_hosted,
        is_recorded=is_hosted if settings.audit is None else settings.audit,
    )


def _kept(settings: Settings, metadata: Metadata) -> tuple[ResultStore, RunOutputs]:
    """What is kept on disk for a while; what is over goes when the database is first opened."""
    data_dir = settings.data_dir
    results = ResultStore(data_dir / "tenants", ttl_s=settings.result_ttl_s)
    outputs = RunOutputs(metadata=metadata, data_dir=data_dir, days=settings.notebook_output_days)
    recovery = Recovery(metadata=metadata, results=results, outputs=outputs, data_dir=data_dir)
    metadata.when_opened(recovery.run)
    return results, outputs
