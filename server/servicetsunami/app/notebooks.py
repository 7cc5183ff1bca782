"""What belongs to runs: notebooks, jobs, and the services on top."""

from collections.abc import Callable
from functools import partial

from anyio.abc import TaskGroup

from servicetsunami.app.costs import Costs
from servicetsunami.app.databricks import process_name
from servicetsunami.app.kernels import spec_of
from servicetsunami.domain.caller import Caller
from servicetsunami.engines.kernels.pool import KernelPool
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
from servicetsunami.services.run_audit import RunAudit
from servicetsunami.services.run_data import RunData
from servicetsunami.services.run_plans import RunPlans
from servicetsunami.services.run_records import RunRecords
from servicetsunami.services.runs import Runs
from servicetsunami.services.usage import UsageMeter
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata


def runs(
    settings: Settings,
    *,
    metadata: Metadata,
    records: RunRecords,
    notebooks: Notebooks,
    data: RunData,
    usage: UsageMeter,
    pool: KernelPool,
    tasks: TaskGroup,
    connection: Connection,
    costs: Costs,
    audit: RunAudit,
    caller_of: Callable[[str, str], Caller],
    wake: Callable[[], None],
) -> tuple[Runs, Jobs]:
    """The services for runs and jobs, with what they stand on."""
    plans = RunPlans(notebooks)
    here = _here(
        settings, plans, records, data=data, pool=pool, costs=costs, audit=audit, tasks=tasks
    )
    work = JobTasks(notebooks=notebooks, plans=plans, here=here, sql=JobSql(data), audit=audit)
    engine = _engine(settings, metadata, work, tasks, caller_of)
    remote_runs, remote_jobs = _there(
        settings, metadata, records, connection=connection, costs=costs, tasks=tasks
    )
    jobs = Jobs(
        metadata=metadata,
        usage=usage,
        engine=engine,
        there=remote_jobs,
        quotas=costs.quotas,
        on_change=wake,
    )
    service = Runs(
        metadata=metadata,
        plans=plans,
        records=records,
        here=here,
        there=remote_runs,
        jobs=jobs,
        usage=usage,
        timeout_max_s=settings.notebook_timeout_s,
    )
    return service, jobs


def _here(
    settings: Settings,
    plans: RunPlans,
    records: RunRecords,
    *,
    data: RunData,
    pool: KernelPool,
    costs: Costs,
    audit: RunAudit,
    tasks: TaskGroup,
) -> NotebookRuns:
    """What runs notebooks on this machine."""
    return NotebookRuns(
        records=records,
        plans=plans,
        data=NotebookData(data),
        pool=pool,
        budgets=costs.budgets,
        audit=audit,
        tasks=tasks,
        spec_of=partial(spec_of, settings),
        data_dir=settings.data_dir,
    )


def _there(
    settings: Settings,
    metadata: Metadata,
    records: RunRecords,
    *,
    connection: Connection,
    costs: Costs,
    tasks: TaskGroup,
) -> tuple[RemoteRuns, RemoteJobs]:
    """What has Databricks run notebooks and jobs."""
    runs = RemoteRuns(
        records=records,
        connection=connection,
        spending=costs.run_spending,
        tasks=tasks,
        outputs_dir=settings.data_dir / "tenants",
    )
    jobs = RemoteJobs(
        metadata=metadata,
        records=records,
        connection=connection,
        spending=costs.run_spending,
        tasks=tasks,
    )
    return runs, jobs


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
