"""Owns a tenant's jobs: saves, describes, deletes and runs them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import anyio

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.job import Job, JobSettings, Task, TaskKind
from servicetsunami.domain.job_references import references
from servicetsunami.domain.job_settings import read_settings
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.domain.run import Run, RunState
from servicetsunami.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from servicetsunami.services import job_progress
from servicetsunami.services.answers import (
    AssetAnswer,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
    SyncAnswer,
)
from servicetsunami.services.asset_pages import (
    FETCHED_ITEMS,
    PAGE_ITEMS,
    asset_page,
    check_confirmed,
)
from servicetsunami.services.job_answers import JobRunAnswer, SavedJob, described_job
from servicetsunami.services.job_engine import JobEngine
from servicetsunami.services.job_records import new_run
from servicetsunami.services.promises import promise_newest
from servicetsunami.services.quotas import Quotas
from servicetsunami.services.remote_jobs import THERE, RemoteJobs
from servicetsunami.services.routing import RunOn
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_RUNS_SHOWN: Final = 10
_LOOK_EVERY_S: Final = 0.5
"""Other servers do tasks as well, and tell nobody here."""


class Jobs:
    """Owns what callers see of jobs, and what they have done with them."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        usage: UsageMeter,
        engine: JobEngine,
        there: RemoteJobs,
        quotas: Quotas,
        on_change: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._usage = usage
        self._on_change = on_change
        self._quotas = quotas
        self.engine = engine
        self.there = there

    async def save(self, caller: Caller, given: Mapping[str, Any]) -> SavedJob:
        """Create a job, or save a new revision of it; the same definition changes nothing.

        Raises InvalidInput that names the task and the field, ConfigurationError for a job that
        runs on Databricks where there is no workspace.
        """
        with self._usage.measure(caller, "create_job"):
            settings, now = read_settings(given), datetime.now(UTC)
            if settings.run_on == THERE and not caller.has_databricks:
                raise ConfigurationError(
                    f"The job {settings.name} is to run on Databricks, and no workspace is "
                    "connected.",
                    "Leave run_on out, or have DATABRICKS_ENABLED and its companions set.",
                )
            async with self._metadata.begin() as transaction:
                await _check_names(transaction, caller, settings)
                before = await transaction.jobs.find(caller.tenant, settings.name)
                if before is not None and before.settings.source == settings.source:
                    return SavedJob.of(before, changed=False)
                job = _job(caller, before, settings, now)
                if before is None:
                    await self._quotas.check_room(transaction, caller.tenant, AssetKind.JOB)
                    await transaction.jobs.add(job)
                else:
                    await transaction.jobs.update(job, base_revision=before.revision)
                await promise_newest(transaction, job, Change.UPSERT, at=now)
        self._on_change()
        self.engine.wake()
        return SavedJob.of(job, changed=True)

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's jobs, in the order of their names."""
        async with self._metadata.read() as transaction:
            found = await transaction.jobs.list(
                caller.tenant, search=search, after=cursor, limit=FETCHED_ITEMS
            )
            total = await transaction.jobs.count(caller.tenant, search=search)
        lines = [_line(job) for job in found[:PAGE_ITEMS]]
        nothing = "There are no such jobs: call create_job."
        return asset_page(caller, found, lines, total=total, nothing=nothing)

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """The definition of a job, when it runs next, and its last runs."""
        with self._usage.measure(caller, "describe_asset"):
            async with self._metadata.read() as transaction:
                job = await transaction.jobs.get(caller.tenant, name)
                runs = await transaction.runs.list(caller.tenant, job_id=job.id, limit=_RUNS_SHOWN)
        return DescribedAsset(
            kind="job",
            name=job.name,
            where="here" if job.synced_revision is None else "here and on databricks",
            version=job.revision,
            job=described_job(job, runs),
            created_at=job.created_at.isoformat(),
            updated_at=job.updated_at.isoformat(),
            sync=_sync(job),
            next="Call run_job with this name.",
        )

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget a job; its runs go on. Raises InvalidInput unless `confirm` is its name."""
        check_confirmed(name, confirm)
        now = datetime.now(UTC)
        async with self._metadata.begin() as transaction:
            job = await transaction.jobs.delete(caller.tenant, name, at=now)
            await promise_newest(transaction, job, Change.DELETE, at=now)
        self._on_change()
        return DeletedAsset(kind="job", name=name, size_bytes=_size(job), sync=_sync(job))

    async def run(
        self,
        caller: Caller,
        name: str,
        parameters: Mapping[str, str],
        *,
        run_on: RunOn,
        patience_s: float,
    ) -> JobRunAnswer:
        """Begin a run; as it stands when it has ended, or when the patience has.

        `auto` stands for where the job itself says.
        """
        with self._usage.measure(caller, "run_job"):
            async with self._metadata.read() as transaction:
                job = await transaction.jobs.get(caller.tenant, name)
            place = job.settings.run_on if run_on == "auto" else run_on
            if place == THERE:
                run = await self.there.start(caller, job, parameters)
                self._on_change()
            else:
                run = await self._begin(caller, name, parameters)
            return await self.wait(caller, run.id, patience_s=patience_s)

    async def _begin(self, caller: Caller, name: str, parameters: Mapping[str, str]) -> Run:
        """Begin a run on this machine."""
        async with self._metadata.begin() as transaction:
            job = await transaction.jobs.get(caller.tenant, name)
            run = new_run(
                job,
                subject=caller.subject,
                parameters=parameters,
                at=datetime.now(UTC),
                trigger="manual",
            )
            run = await job_progress.add_run(transaction, run, job.settings)
        self.engine.wake()
        return run

    async def repair(self, caller: Caller, run_id: str, *, patience_s: float) -> JobRunAnswer:
        """Run again what failed in an ended run, and all behind it, where it ran."""
        with self._usage.measure(caller, "run_job"):
            async with self._metadata.read() as transaction:
                run = await transaction.runs.get(caller.tenant, run_id)
            if run.job_id is None or not run.state.is_ended:
                raise Conflict(
                    f"{run_id} cannot be repaired: it is {run.state.value}"
                    f"{'' if run.job_id else ', and no run of a job'}.",
                    "Wait for its end with get_run, or stop it with cancel_run.",
                )
            if run.ran_on == THERE:
                is_begun = await self.there.repair(caller, run)
            else:
                async with self._metadata.begin() as transaction:
                    again = await job_progress.repair(transaction, run, at=datetime.now(UTC))
                is_begun = bool(again)
                self.engine.wake()
            if not is_begun:
                raise Conflict(f"Nothing in {run_id} has failed.", "Call run_job for a new run.")
            return await self.wait(caller, run_id, patience_s=patience_s)

    async def wait(self, caller: Caller, run_id: str, *, patience_s: float) -> JobRunAnswer:
        """A run as it stands when it has ended, or when the patience has."""
        await self.wait_for(caller, run_id, patience_s=patience_s)
        async with self._metadata.read() as transaction:
            run = await transaction.runs.get(caller.tenant, run_id)
            tasks = await transaction.run_tasks.history(caller.tenant, run_id)
        return JobRunAnswer.of(run, tasks)

    async def wait_for(self, caller: Caller, run_id: str, *, patience_s: float) -> None:
        """Wait until a run has ended, or the patience has."""
        with anyio.move_on_after(patience_s):
            while not (await self._state(caller, run_id)).is_ended:
                with anyio.move_on_after(_LOOK_EVERY_S):
                    await self.engine.changed.wait()

    async def cancel(self, run: Run) -> list[str]:
        """Stop a run and all that it has begun; the runs that stop."""
        async with self._metadata.begin() as transaction:
            stopped = await job_progress.cancel(transaction, run, at=datetime.now(UTC))
        self.engine.wake()
        return stopped

    async def _state(self, caller: Caller, run_id: str) -> RunState:
        async with self._metadata.read() as transaction:
            return await transaction.runs.state(caller.tenant, run_id)


async def _check_names(transaction: "Transaction", caller: Caller, settings: JobSettings) -> None:
    """Refuse tasks whose notebook or job is not there; raises InvalidInput."""
    for task in settings.tasks:
        for field, name in _names(task.inner or task):
            if any(references(name)):
                continue
            try:
                if field == "job_name":
                    if name != settings.name:
                        await transaction.jobs.get(caller.tenant, name)
                else:
                    await transaction.notebooks.get(caller.tenant, NotebookName.parse(name))
            except NotFound as error:
                raise InvalidInput(
                    f"Task {task.key!r}: {field}: {error.what}", error.next_step
                ) from error


def _names(task: Task) -> list[tuple[str, str]]:
    """The notebooks and jobs that a task needs, with the field that names each."""
    if task.kind is TaskKind.NOTEBOOK:
        return [("notebook_path", str(task.work["notebook_path"]))]
    if task.kind is TaskKind.RUN_JOB:
        return [("job_name", str(task.work["job_name"]))]
    if task.kind is TaskKind.PYTHON and "python_file" in task.work:
        return [("python_file", str(task.work["python_file"]))]
    file = task.work.get("file") if task.kind is TaskKind.SQL else None
    if file is None:
        return []
    return [("file.path", str(file.get("path", "") if isinstance(file, Mapping) else file))]


def _job(caller: Caller, before: Job | None, settings: JobSettings, now: datetime) -> Job:
    schedule = settings.schedule if settings.run_on != THERE else None
    due = None if schedule is None else schedule.next_after(now)
    if before is None:
        return Job(
            id=uuid4().hex,
            tenant=caller.tenant,
            name=settings.name,
            settings=settings,
            revision=1,
            created_at=now,
            updated_at=now,
            next_fire_at=due,
        )
    if schedule is not None and before.settings.schedule == schedule and before.next_fire_at:
        due = before.next_fire_at
    return replace(
        before,
        settings=settings,
        revision=before.revision + 1,
        updated_at=now,
        next_fire_at=due,
        sync_state=SyncState.OFF if before.sync_state is SyncState.OFF else SyncState.WAITING,
    )


def _line(job: Job) -> AssetAnswer:
    return AssetAnswer(
        kind="job",
        name=job.name,
        size_bytes=_size(job),
        version=job.revision,
        updated_at=job.updated_at.isoformat(),
        sync=job.sync_state.value,
        tasks=len(job.settings.tasks),
        next_fire_at=job.next_fire_at.isoformat() if job.next_fire_at else None,
    )


def _size(job: Job) -> int:
    return len(str(job.settings.source))


def _sync(job: Job) -> SyncAnswer:
    return SyncAnswer(
        state=job.sync_state.value,
        version=job.synced_revision,
        at=job.synced_at.isoformat() if job.synced_at else None,
        error=job.sync_error,
    )
