"""Builds every object once, in order, and closes them in reverse: read it to learn the server."""

import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskStatus

from servicetsunami.domain.caller import LOCAL_TENANT, Caller
from servicetsunami.engines.sql.engine import PRELOAD, SqlEngine
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.services.catalog import Catalog
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingesting import Ingesting
from servicetsunami.services.listing import Listing
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.queries import Queries
from servicetsunami.services.recovery import Recovery
from servicetsunami.services.usage import UsageMeter
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore
from servicetsunami.stores.tables.snapshot import TableReader
from servicetsunami.tools.context import Services

_MB = 2**20
_ADDRESS_SPACE_EXTRA_BYTES = 1_500 * _MB
"""What a child maps beside the memory that DuckDB may use: libraries, arenas, Arrow."""
_INGEST_ADDRESS_SPACE_BYTES = 16 * 2**30
_INGESTS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The built server, without a transport."""

    settings: Settings
    services: Services
    metadata: Metadata
    engine: SqlEngine

    def caller(self) -> Caller:
        """The one caller of single-user mode."""
        return Caller(tenant=LOCAL_TENANT, subject=LOCAL_TENANT, catalog=self.settings.catalog)


@asynccontextmanager
async def open_app(settings: Settings, *, roots: Sequence[Path] = ()) -> AsyncGenerator[App]:
    """Build the app, and close it at the end, whatever happens inside.

    `roots` are the folders that files may come from when the settings name none.
    """
    data_dir = settings.data_dir
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    closing = AsyncExitStack()

    metadata = Metadata(settings.metadata_url)
    closing.push_async_callback(metadata.close)
    zygote = Zygote(preload=PRELOAD)
    closing.push_async_callback(zygote.aclose)
    ingest_pool = _ingest_pool(settings, zygote)
    closing.callback(ingest_pool.close)
    engine = _sql_engine(settings, zygote)
    closing.callback(engine.close)
    usage = UsageMeter(metadata)
    closing.push_async_callback(usage.flush)

    results = ResultStore(data_dir / "tenants", ttl_s=settings.result_ttl_s)
    metadata.when_opened(Recovery(metadata=metadata, results=results, data_dir=data_dir).run)
    ingesting = Ingesting(
        metadata=metadata,
        data_dir=data_dir,
        pool=ingest_pool,
        timeout_s=settings.ingest_timeout_s,
    )
    allowed = AllowedRoots(roots if settings.allowed_roots is None else settings.allowed_roots)
    services = _services(settings, metadata, engine, results, usage, ingesting, allowed)
    try:
        yield App(settings=settings, services=services, metadata=metadata, engine=engine)
    finally:
        with anyio.CancelScope(shield=True):
            await closing.aclose()


def _services(  # noqa: PLR0917 - each object once, in the order in which they are built
    settings: Settings,
    metadata: Metadata,
    engine: SqlEngine,
    results: ResultStore,
    usage: UsageMeter,
    ingesting: Ingesting,
    allowed: AllowedRoots,
) -> Services:
    reader = TableReader()
    catalog = Catalog(metadata, reader, data_dir=settings.data_dir)
    queries = Queries(
        engine=engine,
        catalog=catalog,
        listing=Listing(metadata, catalog),
        results=results,
        usage=usage,
        rows_max=settings.query_rows_max,
        timeout_max_s=settings.query_timeout_s,
    )
    datasets = Datasets(
        metadata=metadata,
        reader=reader,
        catalog=catalog,
        queries=queries,
        ingesting=ingesting,
        roots=allowed,
        usage=usage,
        data_dir=settings.data_dir,
    )
    return Services(datasets=datasets, queries=queries)


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


async def serve_stdio(settings: Settings) -> None:
    """Serve one client over stdin and stdout, until it closes stdin or a signal asks to stop."""
    from servicetsunami.transport.mcp import LakeServer  # noqa: PLC0415 - the SDK is heavy

    async with open_app(settings, roots=[Path.home()]) as app:
        server = LakeServer(app.services, app.caller, read_only=settings.read_only)
        async with anyio.create_task_group() as tasks:
            await tasks.start(_stop_on_signal, tasks.cancel_scope)
            await server.run_stdio_async()
            tasks.cancel_scope.cancel()


async def serve_http(settings: Settings) -> None:
    """Serve Streamable HTTP at /mcp, on loopback only: there is no authentication yet."""
    from servicetsunami.transport.http import serve  # noqa: PLC0415 - the web stack is heavy
    from servicetsunami.transport.mcp import LakeServer  # noqa: PLC0415

    async with open_app(settings) as app:
        server = LakeServer(app.services, app.caller, read_only=settings.read_only)
        await serve(server, host=settings.http_host, port=settings.http_port)


async def _stop_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """End the server in order on SIGTERM and SIGINT: children stopped, counts written."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
            return
