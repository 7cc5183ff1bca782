"""Kernels with their limits out of the settings: what code that nobody has checked runs in."""

import os
from typing import Final
from zlib import crc32

from anyio.abc import TaskGroup

from servicetsunami.app.costs import at_once
from servicetsunami.engines.kernels.pool import KernelPool
from servicetsunami.engines.kernels.sandbox import Sandboxes
from servicetsunami.engines.kernels.spec import KernelSpec, Limits
from servicetsunami.settings import Settings
from servicetsunami.stores.tables.location import tables_dir

_PASSED_ON: Final = ("LANG", "LC_ALL", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_USERS: Final = 1_000_000


def sandboxes(settings: Settings, *, is_hosted: bool) -> Sandboxes:
    """How code is kept apart; hosted, never otherwise than in a sandbox."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return Sandboxes(
        allow_none=settings.allow_unsandboxed and not is_hosted,
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **passed_on},
        bwrap=settings.bubblewrap or None,
    )


def kernel_pool(settings: Settings, tasks: TaskGroup, *, is_hosted: bool) -> KernelPool:
    """Kernels for notebooks."""
    return KernelPool(
        sandboxes=sandboxes(settings, is_hosted=is_hosted),
        tasks=tasks,
        kernels_max=settings.notebook_runs,
        tenant_max=at_once(settings, settings.notebook_runs_per_tenant, settings.notebook_runs),
        keeps_spare=settings.notebook_spare,
    )


def spec_of(settings: Settings, tenant: str) -> KernelSpec:
    """How kernels of a tenant are made."""
    return KernelSpec(
        tenant=tenant,
        number=crc32(tenant.encode()) % _USERS,
        files=settings.data_dir / "tenants" / tenant / "files",
        tables=tables_dir(settings.data_dir, tenant),
        temp_dir=settings.data_dir / "temp",
        limits=Limits(memory_mb=settings.notebook_memory_mb, disk_mb=settings.notebook_disk_mb),
        output_bytes_max=settings.notebook_output_mb * 2**20,
    )
