"""What belongs to runs: kernels with their limits, notebooks, jobs, and the services on top."""

import os
from collections.abc import Callable
from functools import partial
from typing import Final
from zlib import crc32

from anyio.abc import TaskGroup

from servicetsunami.app.databricks import process_name
from servicetsunami.domain.caller import Caller
from servicetsunami.engines.kernels.pool import KernelPool
from servicetsunami.engines.kernels.sandbox import Sandboxes
from servicetsunami.engines.kernels.spec import KernelSpec, Limits
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.job_engine import JobEngine
from servicetsunami.services.job_sql import JobSql
from servicetsunami.services.job_tasks import JobTasks
from servicetsunami.services.jobs import Jobs
from servicetsunami.services.notebook_data import NotebookData
from servicetsunami.services.notebook_runs import NotebookRuns
from servicetsunami.services.notebooks import Notebooks
from servicetsunami.services.remote_jobs import RemoteJobs
from servicetsunami.services.remote_runs import RemoteRuns
from servicetsunami.services.run_data import RunData
from servicetsunami.services.run_plans import RunPlans
from servicetsunami.services.run_records import RunRecords
from servicetsunami.services.runs import Runs
from servicetsunami.services.usage import UsageMeter
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
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
    )


def runs(
    settings: Settings,
    *,
    metadata: Metadata,
    notebooks: Notebooks,
    data: RunData,
    usage: UsageMeter,
    pool: KernelPool,
    tasks: TaskGroup,
    connection: Connection,
    caller_of: Callable[[str, str], Caller],
    wake: Callable[[], None],
) -> tuple[Runs, Jobs]:
    """The services for runs and jobs, with what they stand on."""
    plans = RunPlans(notebooks)
    records = RunRecords(metadata=metadata, owner=process_name(), lease_s=settings.run_lease_s)
    here = NotebookRuns(
        records=records,
        plans=plans,
        data=NotebookData(data),
        pool=pool,
        tasks=tasks,
        spec_of=partial(_spec, settings),
        data_dir=settings.data_dir,
    )
    there = RemoteRuns(
        records=records,
        connection=connection,
        tasks=tasks,
        outputs_dir=settings.data_dir / "tenants",
    )
    work = JobTasks(notebooks=notebooks, plans=plans, here=here, sql=JobSql(data))
    engine = _engine(settings, metadata, work, tasks, caller_of)
    remote_jobs = RemoteJobs(metadata=metadata, records=records, connection=connection, tasks=tasks)
    jobs = Jobs(metadata=metadata, usage=usage, engine=engine, there=remote_jobs, on_change=wake)
    service = Runs(
        metadata=metadata,
        plans=plans,
        records=records,
        here=here,
        there=there,
        jobs=jobs,
        usage=usage,
        timeout_max_s=settings.notebook_timeout_s,
    )
    return service, jobs


def _engine(
    settings: Settings,
    metadata: Metadata,
    work: JobTasks,
    tasks: TaskGroup,
    caller_of: Callable[[str, str], Caller],
) -> JobEngine:
    return JobEngine(
        metadata=metadata,
        work=work,
        tasks=tasks,
        owner=process_name(),
        lease_s=settings.run_lease_s,
        slots=settings.job_tasks,
        per_tenant=settings.job_tasks_per_tenant,
        caller_of=caller_of,
    )


def _spec(settings: Settings, tenant: str) -> KernelSpec:
    return KernelSpec(
        tenant=tenant,
        number=crc32(tenant.encode()) % _USERS,
        files=settings.data_dir / "tenants" / tenant / "files",
        tables=tables_dir(settings.data_dir, tenant),
        temp_dir=settings.data_dir / "temp",
        limits=Limits(memory_mb=settings.notebook_memory_mb, disk_mb=settings.notebook_disk_mb),
        output_bytes_max=settings.notebook_output_mb * 2**20,
    )
