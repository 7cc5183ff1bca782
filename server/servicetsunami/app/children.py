"""The pools of child processes, with their limits out of the settings."""

import os
from typing import Final

from servicetsunami.app.costs import at_once
from servicetsunami.engines.sql.engine import SqlEngine
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings

_MB: Final = 2**20
_ADDRESS_SPACE_EXTRA_BYTES: Final = 1_500 * _MB
"""What a child maps beside the memory that DuckDB may use: libraries, arenas, Arrow."""
_INGEST_ADDRESS_SPACE_BYTES: Final = 16 * 2**30
_INGESTS_AT_ONCE: Final = 2
_MODELS_AT_ONCE: Final = 4
_STAGINGS_AT_ONCE: Final = 2


def sql_engine(settings: Settings, zygote: Zygote) -> SqlEngine:
    """The engine that answers statements."""
    return SqlEngine(
        zygote=zygote,
        temp_dir=settings.data_dir / "temp",
        workers_max=settings.query_workers,
        tenant_max=at_once(settings, settings.query_workers_per_tenant, settings.query_workers),
        memory_limit_mb=settings.query_memory_mb,
        threads=settings.query_threads or os.cpu_count() or 1,
        address_space_bytes=settings.query_memory_mb * _MB + _ADDRESS_SPACE_EXTRA_BYTES,
    )


def model_pool(settings: Settings, zygote: Zygote) -> WorkerPool:
    """Children that load models and ask them."""
    return WorkerPool(
        zygote=zygote,
        target="servicetsunami.services.model_worker:run",
        options={
            "temp_dir": str(settings.data_dir / "temp"),
            "memory_limit_mb": settings.ingest_memory_mb,
            "threads": os.cpu_count() or 1,
        },
        kind="model",
        workers_max=_MODELS_AT_ONCE,
        affinity_max=at_once(settings, 0, _MODELS_AT_ONCE),
        address_space_bytes=settings.model_memory_mb * _MB + _ADDRESS_SPACE_EXTRA_BYTES,
        spare=0,
    )


def ingest_pool(settings: Settings, zygote: Zygote) -> WorkerPool:
    """Children that read files into tables."""
    return WorkerPool(
        zygote=zygote,
        target="servicetsunami.services.ingest_worker:run",
        options={
            "temp_dir": str(settings.data_dir / "temp"),
            "memory_limit_mb": settings.ingest_memory_mb,
            "threads": os.cpu_count() or 1,
        },
        kind="ingest",
        workers_max=_INGESTS_AT_ONCE,
        affinity_max=at_once(settings, 0, _INGESTS_AT_ONCE),
        address_space_bytes=_INGEST_ADDRESS_SPACE_BYTES,
        spare=0,
    )


def staging_pool(settings: Settings, zygote: Zygote) -> WorkerPool:
    """Children that find what of a table is to be sent."""
    return WorkerPool(
        zygote=zygote,
        target="servicetsunami.sync.staging_worker:run",
        options={
            "temp_dir": str(settings.data_dir / "temp"),
            "sql": {"memory_limit_mb": settings.ingest_memory_mb, "threads": 1},
        },
        kind="staging",
        workers_max=_STAGINGS_AT_ONCE,
        address_space_bytes=_INGEST_ADDRESS_SPACE_BYTES,
        spare=0,
    )
