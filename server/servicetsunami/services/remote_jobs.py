"""Runs jobs on Databricks: begun by a token, followed task by task, repaired, and found again.

The run goes on there whatever happens here. Its number stands in the record: whoever takes it over
goes on with the same run. Runs that somebody else began there are followed in the same way.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import TaskGroup

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.job import Job
from servicetsunami.domain.job_there import is_there, needed_notebooks
from servicetsunami.domain.outbox import AssetKind
from servicetsunami.domain.run import Run, RunState
from servicetsunami.engines.kernels.outcome import Outcome
from servicetsunami.errors import (
    ConfigurationError,
    Conflict,
    RemoteRefused,
    RemoteUnavailable,
    ServerError,
)
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.job_records import new_run
from servicetsunami.services.remote_following import PASSING, TIMEOUT_GRACE_S, until_ended
from servicetsunami.services.remote_tasks import RemoteTasks
from servicetsunami.services.run_records import ActiveRun, RunRecords
from servicetsunami.services.run_spending import RunSpending
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.gateway.jobs import RemoteJobRun
    from servicetsunami.gateway.workspace import Workspace
    from servicetsunami.stores.database import Transaction

_log = logging.getLogger(__name__)

THERE: Final = "databricks"
_LOOK_EVERY_S: Final = 15.0
_HISTORY_EVERY: Final = 4
"""How many of these looks there are for one at what others began."""
_JOBS_MAX: Final = 100
_KNOWN_MAX: Final = 200
_SENDING_S: Final = 600.0
_SENDING_POLL_S: Final = 0.25
_TRIGGERS: Final = {"PERIODIC": "schedule", "RUN_JOB_TASK": "run_job_task"}
_GOOD: Final = frozenset(
    {RunState.SUCCESS, RunState.SUCCESS_WITH_FAILURES, RunState.SKIPPED, RunState.EXCLUDED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """How a run stands, and the keys and errors of the tasks that have failed."""

    state: RunState
    message: str
    failed: Sequence[tuple[str, str]]


class RemoteJobs:
    """Has Databricks run jobs; `tasks` outlives every call."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        records: RunRecords,
        connection: Connection,
        spending: RunSpending,
        tasks: TaskGroup,
    ) -> None:
        self._metadata = metadata
        self._records = records
        self._connection = connection
        self._spending = spending
        self._tasks = tasks
        self._remote_tasks = RemoteTasks(metadata)

    async def start(self, caller: Caller, job: Job, parameters: Mapping[str, str]) -> Run:
        """Write the run down, then begin it once the job has reached Databricks.

        Raises ConfigurationError without a workspace, Conflict for a job that is not sent there,
        BudgetUsedUp when the budget for Databricks is used up.
        """
        if not caller.has_databricks:
            raise ConfigurationError(
                "No Databricks workspace is connected.",
                "Use run_on local, or have DATABRICKS_ENABLED and its companions set.",
            )
        if job.sync_state is SyncState.OFF:
            raise Conflict(
                f"The job {job.name} is not sent to Databricks: its sync is off.",
                "manage_sync with kind job and action on sends it; then run it again.",
            )
        run = new_run(
            job,
            subject=caller.subject,
            parameters=parameters,
            at=datetime.now(UTC),
            trigger="manual",
        )
        reason = await self._reason(caller, job)
        run = replace(run, ran_on=THERE, reason=reason)
        active = await self._records.add(run, admit=self._spending.admit)
        self._tasks.start_soon(self._supervise, active)
        return active.run

    async def _reason(self, caller: Caller, job: Job) -> str:
        """Why it runs there, and what of this machine it will not see."""
        why = "The job runs on Databricks." if is_there(job) else "You asked for Databricks."
        async with self._metadata.read() as transaction:
            queues = await transaction.outbox.overview(caller.tenant)
        late = [queue.subject for queue in queues if queue.kind is AssetKind.DATASET]
        if late:
            why += f" Changes of {', '.join(late[:5])} had not reached it when it was asked for."
        return why

    async def repair(self, caller: Caller, run: Run) -> bool:
        """Run again there what failed; False when nothing has.

        Raises a RemoteError, or BudgetUsedUp when the budget for Databricks is used up.
        """
        if run.state in _GOOD:
            return False
        await self._spending.admit_repair(caller.tenant)
        workspace = await self._connection.workspace()
        seen = await workspace.jobs.look(_number(run))
        wanted = {**run.remote, "repairs_wanted": len(seen.repairs) + 1}
        async with self._metadata.begin() as transaction:
            is_reopened = await transaction.runs.reopen(
                run.id, remote=wanted, **self._records.lease()
            )
        if is_reopened:
            again = replace(
                run, state=RunState.RUNNING, remote=wanted, error=None, repairs=run.repairs + 1
            )
            self._tasks.start_soon(self._supervise, self._records.attach(again))
        return is_reopened

    async def keep_fresh(self, caller: Caller) -> None:
        """Take over runs that nobody follows, and find those that others began, for ever."""
        looks = 0
        while True:
            try:
                if looks % _HISTORY_EVERY == 0:
                    await self.find(caller)
                await self.adopt(caller)
            except ServerError as error:
                # Away, or busy: the next look tells.
                _log.info("runs of jobs on Databricks could not be looked at: %s", error)
            looks += 1
            await anyio.sleep(_LOOK_EVERY_S)

    async def adopt(self, caller: Caller) -> None:
        """Go on with the runs of jobs that nobody follows now."""
        if caller.has_databricks:
            for run in await self._records.adopt(caller.tenant, is_job=True):
                self._tasks.start_soon(self._supervise, self._records.attach(run))

    async def find(self, caller: Caller) -> int:
        """Write down the runs of our jobs that others began there; how many are new here."""
        async with self._metadata.read() as transaction:
            jobs = await transaction.jobs.on_databricks(caller.tenant, limit=_JOBS_MAX)
        if not jobs or not caller.has_databricks:
            return 0
        workspace = await self._connection.workspace()
        return sum([await self._find_of(workspace, job) for job in jobs])

    async def _find_of(self, workspace: "Workspace", job: Job) -> int:
        if job.there is None:
            return 0
        async with self._metadata.read() as transaction:
            known = await transaction.runs.there(job.tenant, job.id, limit=_KNOWN_MAX)
        if any("run_id" not in run.remote and not run.state.is_ended for run in known):
            return 0  # One of ours is being begun: nobody could tell it from somebody else's.
        numbers = {run.remote.get("run_id") for run in known}
        found = 0
        for seen in await workspace.jobs.runs(job.there.job_id, since_ms=0):
            if seen.run_id not in numbers:
                async with self._metadata.begin() as transaction:
                    found += await _write_down(transaction, job, seen)
        return found

    async def _supervise(self, active: ActiveRun) -> None:
        """Follow a run to its end, and note it; when the server stops, leave it to the next."""
        await self._records.carry(active, partial(self._follow, active), if_stopped=None)

    async def _follow(self, active: ActiveRun) -> Outcome:
        stop = anyio.Event()
        active.begin(stop.set)
        if active.run.remote.get("run_id") is None and not await self._await_sending(active, stop):
            return Outcome(state=RunState.CANCELED, error="It was cancelled before it began.")
        workspace = await self._connection.workspace()
        number = await self._submitted(workspace, active)
        await self._repaired(workspace, active, number)
        is_limited = active.run.timeout_s > 0
        ended = await until_ended(
            self._records,
            active,
            stop,
            look=partial(self._look, workspace, active, number),
            cancel=partial(workspace.runs.cancel, number),
            limit_s=active.run.timeout_s + TIMEOUT_GRACE_S if is_limited else float("inf"),
        )
        if ended is None:
            return Outcome(
                state=RunState.LOST, error="Databricks did not tell in time how the run ended."
            )
        return Outcome(state=ended.state, error=_error(ended))

    async def _look(self, workspace: "Workspace", active: ActiveRun, number: int) -> "_Seen":
        """How it stands; its tasks are noted on the way."""
        run = await workspace.jobs.look(number)
        if run.page_url and "url" not in active.run.remote:
            await self._remember(active, url=run.page_url)
        failed = await self._remote_tasks.note(workspace, active.run, run)
        return _Seen(state=run.state, message=run.message, failed=failed)

    async def _await_sending(self, active: ActiveRun, stop: anyio.Event) -> bool:
        """Wait until the job and its notebooks have reached Databricks; False when stopped.

        Raises what keeps them from it.
        """
        run = active.run
        with anyio.move_on_after(_SENDING_S):
            while not stop.is_set():
                async with self._metadata.read() as transaction:
                    is_waiting = await _is_waiting(transaction, run)
                if not is_waiting:
                    return True
                with anyio.move_on_after(_SENDING_POLL_S):
                    await stop.wait()
            return False
        raise RemoteUnavailable(
            f"The job {run.name} did not reach Databricks within {_SENDING_S:g} s.",
            "sync_status with kind job says what holds it up; then run it again.",
        )

    async def _submitted(self, workspace: "Workspace", active: ActiveRun) -> int:
        """Begin the run, unless an earlier server has."""
        run = active.run
        known = run.remote.get("run_id")
        if known is not None:
            return int(str(known))
        async with self._metadata.read() as transaction:
            job = await transaction.jobs.find_by_id(run.tenant, str(run.job_id))
        if job is None or job.there is None:
            raise RemoteRefused(
                f"The job {run.name} is not on Databricks any more.", "Call create_job again."
            )
        number = await workspace.jobs.run_now(
            job.there.job_id, run.parameters, token=run.id, permit=self._spending.granted(run)
        )
        await self._remember(active, run_id=number)
        return number

    async def _repaired(self, workspace: "Workspace", active: ActiveRun, number: int) -> None:
        """Ask for the repair that is wanted, unless it was asked for before.

        An answer that was lost is found in the history of the run.
        """
        wanted = int(str(active.run.remote.get("repairs_wanted", 0)))
        is_asked = not wanted
        while not is_asked:
            try:
                seen = await workspace.jobs.look(number)
                is_asked = len(seen.repairs) >= wanted
                if not is_asked:
                    latest = seen.repairs[-1] if seen.repairs else None
                    permit = self._spending.granted(active.run)
                    await workspace.jobs.repair(number, latest_repair_id=latest, permit=permit)
            except PASSING as error:
                _log.info("the repair of run %s is asked for again: %s", active.run.id, error)
                await anyio.sleep(_SENDING_POLL_S)

    async def _remember(self, active: ActiveRun, **facts: object) -> None:
        remote = {**active.run.remote, **facts}
        active.run = replace(active.run, remote=remote)
        await self._records.change(active, remote=remote)


async def _is_waiting(transaction: "Transaction", run: Run) -> bool:
    """Whether something that the run needs is still on its way; raises where it is held up."""
    job = await transaction.jobs.find_by_id(run.tenant, str(run.job_id))
    if job is None:
        raise RemoteRefused(f"The job {run.name} was deleted.", "Call create_job again.")
    if job.sync_state is SyncState.PARKED:
        raise RemoteRefused(
            f"The job {run.name} could not be sent to Databricks: {job.sync_error}",
            "Then run it again.",
        )
    needed = {(AssetKind.JOB, job.name)}
    needed |= {(AssetKind.NOTEBOOK, name) for name in needed_notebooks(job)}
    for kind, subject in needed:
        if await transaction.outbox.unfinished(run.tenant, kind=kind, subject=subject):
            return True
    return job.there is None


async def _write_down(transaction: "Transaction", job: Job, seen: "RemoteJobRun") -> bool:
    """Note a run that somebody else began; whoever adopts it reads the rest."""
    digest = hashlib.sha256(f"{job.id}/{seen.run_id}".encode()).hexdigest()
    now = datetime.now(UTC)
    run = Run(
        id=f"run-{digest[:16]}",
        tenant=job.tenant,
        subject=THERE,
        name=job.name,
        notebook=None,
        revision=None,
        parameters=seen.parameters,
        state=RunState.PENDING,
        ran_on=THERE,
        reason="It was begun on Databricks.",
        isolation=None,
        timeout_s=0.0,
        cells_total=len(job.settings.tasks),
        created_at=seen.started_at or now,
        started_at=seen.started_at,
        lease_until=now,
        job_id=job.id,
        definition=job.settings.source,
        trigger=_TRIGGERS.get(seen.trigger, "manual"),
        remote={"run_id": seen.run_id},
    )
    if await transaction.runs.find(run.id) is not None:
        return False
    await transaction.runs.add(run)
    return True


def _number(run: Run) -> int:
    if "run_id" not in run.remote:
        raise Conflict(f"{run.id} was never begun on Databricks.", "Call run_job for a new run.")
    return int(str(run.remote["run_id"]))


def _error(ended: _Seen) -> str | None:
    """Why it did not end well, with the first task that failed."""
    if ended.state is RunState.SUCCESS:
        return None
    if ended.state is RunState.CANCELED:
        return "It was cancelled."
    if ended.failed:
        key, error = ended.failed[0]
        return f"Task {key}: {error}"
    return ended.message or f"It ended as {ended.state.value}."
