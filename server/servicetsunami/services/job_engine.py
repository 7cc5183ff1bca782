"""Runs jobs here: claims tasks that are ready, does them under leases, and fires schedules.

Several servers share the work of one database. Nothing but the tasks in hand is in memory.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import TaskGroup

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.job import Job, JobSettings, TaskKind
from servicetsunami.domain.job_references import references
from servicetsunami.domain.run import Run, RunState, TaskRun
from servicetsunami.errors import LimitExceeded
from servicetsunami.services import job_progress
from servicetsunami.services.job_progress import TaskResult, settings_of
from servicetsunami.services.job_records import new_run
from servicetsunami.services.job_tasks import JobTasks, TaskCall, inputs_of
from servicetsunami.services.run_records import reason_of
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.visibility import everybody

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_DUE_MAX: Final = 200
_DEPTH_MAX: Final = 10
_NOTES_MAX: Final = 3
_LOST: Final = "The server that did it is gone, and nobody knows how far it came."
_STOPPED: Final = "The server was stopped."


_Ended = tuple[TaskCall, TaskResult | None]
"""A task that is over for this server, and what came of it; None where it goes on elsewhere."""


class JobEngine:
    """Owns the loop of one server; `tasks` outlives every call."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        work: JobTasks,
        tasks: TaskGroup,
        owner: str,
        lease_s: float,
        slots: int,
        per_tenant: int,
        caller_of: Callable[[str, str], Caller],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metadata = metadata
        self._work = work
        self._tasks = tasks
        self._owner = owner
        self._lease_s = lease_s
        self._slots = slots
        self._per_tenant = per_tenant
        self._caller_of = caller_of
        self._now = now
        # By call, not by task: one whose lease has passed may be claimed by this server once more
        # while its first call still ends.
        self._going: dict[int, TaskCall] = {}
        self._woken = anyio.Event()
        self._is_running = False
        self._next_look = 0.0
        self._is_stopping = False
        self._claiming = anyio.Lock()
        self._ended: list[_Ended] = []
        self.changed = anyio.Event()
        """Set, and replaced, whenever this server has nothing of a run in hand any more."""

    def wake(self) -> None:
        """Look at once, and go on looking; the first call begins the loop."""
        if not self._is_running:
            self._is_running = True
            # Whoever's call it is that begins it, it works for all tenants.
            with everybody():
                self._tasks.start_soon(self._loop)
                self._tasks.start_soon(self._keep_leases)
        self._woken.set()

    async def _loop(self) -> None:
        while True:
            woken = self._woken = anyio.Event()
            try:
                await (self.look() if self._is_time() else self._claim())
            except Exception:  # noqa: BLE001 - whatever is wrong with one job, others go on
                _log.exception("jobs could not be looked after")
            with anyio.move_on_after(_LOOK_EVERY_S):
                await woken.wait()

    def _is_time(self) -> bool:
        """Whether to look for all there is to do; claims are looked for whenever a task ends."""
        now = anyio.current_time()
        is_time = now >= self._next_look
        if is_time:
            self._next_look = now + _LOOK_EVERY_S
        return is_time

    async def look(self) -> None:
        """Do once what there is to do: fire, take over, time out, claim."""
        at = self._now()
        async with self._metadata.read() as transaction:
            due = await transaction.jobs.due(at=at, limit=_DUE_MAX)
            has_expired = await transaction.run_tasks.expired(at=at)
            limited = await transaction.runs.with_timeout()
        for job in due:
            await self._fire(job, at)
        if has_expired:
            await self._take_over(at)
        for run in limited:
            if run.started_at and run.started_at + timedelta(seconds=run.timeout_s) <= at:
                async with self._metadata.begin() as transaction:
                    reason = f"It did not end within {run.timeout_s:g} s."
                    await job_progress.cancel(transaction, run, at=at, reason=reason)
        await self._claim()

    async def _fire(self, job: Job, at: datetime) -> None:
        """Begin the run of a fire time, once; times that were missed are made up for by one run."""
        schedule, due_at = job.settings.schedule, job.next_fire_at
        if schedule is None or due_at is None:
            return
        async with self._metadata.begin() as transaction:
            following = schedule.next_after(max(at, due_at))
            if not await transaction.jobs.fired(job, next_fire_at=following):
                return
            if await transaction.runs.find_due(job.id, due_at) is not None:
                return
            run = new_run(job, subject="scheduler", parameters={}, at=at, trigger="schedule")
            run = replace(run, due_at=due_at)
            await job_progress.add_run(transaction, run, job.settings)

    async def _take_over(self, at: datetime) -> None:
        """Decide about tasks whose server is gone: begun again where that is safe, else lost."""
        async with self._metadata.begin() as transaction:
            for task in await transaction.run_tasks.take_expired(
                owner=self._owner, at=at, lease_s=self._lease_s
            ):
                run = await transaction.runs.get(task.tenant, task.run_id)
                settings = await settings_of(transaction, run.id)
                is_safe = job_progress.survives_its_server(settings, task)
                if is_safe and not run.cancel_requested:
                    await transaction.run_tasks.hand_back(task, owner=self._owner)
                    continue
                lost = TaskResult(state=RunState.LOST, error=_LOST)
                await job_progress.finish(transaction, task, lost, owner=self._owner, at=at)

    async def _claim(self) -> None:
        """Take as many tasks as there are slots, and begin them."""
        async with self._metadata.read() as transaction:
            if not await transaction.run_tasks.next_ready(at=self._now()):
                return
        async with self._claiming, self._metadata.begin() as transaction:
            calls = await self._take(transaction, freed=0, known={})
        self._begin(calls)

    async def _take(
        self, transaction: "Transaction", *, freed: int, known: Mapping[str, Run]
    ) -> list[TaskCall]:
        """Claim tasks for the free slots, and for those that this transaction frees.

        What tasks need of their run stays as it was when they were first claimed.
        """
        count = self._slots - len(self._going) + freed
        if count <= 0 or self._is_stopping:
            return []
        claimed = await transaction.run_tasks.claim(
            owner=self._owner,
            at=self._now(),
            lease_s=self._lease_s,
            count=count,
            per_tenant=self._per_tenant,
        )
        runs = dict(known)
        for task in claimed:
            if task.run_id not in runs:
                runs[task.run_id] = await transaction.runs.get(task.tenant, task.run_id)
        return [await self._call(transaction, runs[task.run_id], task) for task in claimed]

    def _begin(self, calls: Sequence[TaskCall]) -> None:
        for call in calls:
            self._going[id(call)] = call
            self._tasks.start_soon(self._do, call)

    async def _call(self, transaction: "Transaction", run: Run, task: TaskRun) -> TaskCall:
        settings = await settings_of(transaction, task.run_id)
        before = _before(settings, task)
        return TaskCall(
            caller=self._caller_of(run.tenant, run.subject),
            run=run,
            settings=settings,
            task=task,
            newest=await transaction.run_tasks.of_keys(run.id, before) if before else {},
        )

    async def _do(self, call: TaskCall) -> None:
        """Do a task, and note what came of it; when the server stops, it is handed back or ends."""
        result: TaskResult | None = TaskResult(state=RunState.CANCELED, error=_STOPPED)
        if job_progress.survives_its_server(call.settings, call.task):
            result = None
        try:
            result = await self._result(call)
        except anyio.get_cancelled_exc_class():
            self._is_stopping = True
            raise
        except Exception as error:  # noqa: BLE001 - the outermost loop of a task: others go on
            why = reason_of(f"{call.run.id}, task {call.task.key},", error)
            result = TaskResult(state=RunState.FAILED, error=why)
        finally:
            with anyio.CancelScope(shield=True):
                await self._note(call, result)
            if all(other.run.id != call.run.id for other in self._going.values()):
                self.changed.set()
                self.changed = anyio.Event()

    async def _result(self, call: TaskCall) -> TaskResult | None:
        """What came of it; None for a task that goes on without a server."""
        kind, timeout_s = call.definition.kind, call.definition.timeout_s
        if kind is TaskKind.FOR_EACH:
            inputs = inputs_of(call)
            async with self._metadata.begin() as transaction:
                await job_progress.begin_loop(
                    transaction, call.task, inputs, owner=self._owner, at=self._now()
                )
            return None
        if kind is TaskKind.RUN_JOB:
            await self._begin_job(call)
            return None

        async def on_child(run_id: str) -> None:
            async with self._metadata.begin() as transaction:
                await transaction.run_tasks.note_child(call.task, owner=self._owner, child=run_id)

        with anyio.move_on_after(timeout_s or None):
            return await self._work.do(call, on_child)
        return TaskResult(state=RunState.TIMEDOUT, error=f"It did not end within {timeout_s:g} s.")

    async def _begin_job(self, call: TaskCall) -> None:
        """Begin the run of another job, and let the task wait for it, in one transaction."""
        work = call.work
        given = {str(k): str(v) for k, v in (work.get("job_parameters") or {}).items()}
        at = self._now()
        async with self._metadata.begin() as transaction:
            job = await transaction.jobs.get(call.run.tenant, str(work["job_name"]))
            await _check_depth(transaction, call.run)
            # As on Databricks, a job's parameters reach the jobs that it runs, and win there.
            own = call.run.parameters
            given |= {name: own[name] for name in job.settings.parameters if name in own}
            run = new_run(
                job,
                subject=call.run.subject,
                parameters=given,
                at=at,
                trigger="run_job_task",
                parent=call.run.id,
            )
            await job_progress.begin_child(
                transaction, call.task, run, job.settings, owner=self._owner
            )

    async def _note(self, call: TaskCall, result: TaskResult | None) -> None:
        """Write the end down, and begin what it lets begin.

        Ends that come while others are written down are written together: one transaction for
        all of them costs little more than for one.
        """
        self._ended.append((call, result))
        async with self._claiming:
            batch, self._ended = self._ended, []
            if batch:
                self._begin(await self._written(batch))

    async def _written(self, batch: list[_Ended]) -> list[TaskCall]:
        """Write ends down; what was claimed in the same transactions.

        Without the note a task counts as lost one day, so it is tried again, then alone.
        """
        calls: list[TaskCall] = []
        waiting = [batch, *([each] for each in batch * _NOTES_MAX)]
        left = {id(call) for call, _ in batch}
        for group in waiting:
            if not left.issuperset(id(call) for call, _ in group):
                continue
            try:
                calls += await self._noted(group)
            except Exception:  # noqa: BLE001 - the database may take it the next time
                _log.exception("the end of %s was not noted", [c.task.key for c, _ in group])
                continue
            left -= {id(call) for call, _ in group}
        for call, _ in batch:
            del self._going[id(call)]
        return calls

    async def _noted(self, group: list[_Ended]) -> list[TaskCall]:
        """End tasks, or hand them back; what was claimed in the same transaction."""
        async with self._metadata.begin() as transaction:
            await transaction.run_tasks.lock(*{call.run.id for call, _ in group})
            for call, result in group:
                if result is not None:
                    await job_progress.finish(
                        transaction, call.task, result, owner=self._owner, at=self._now()
                    )
                elif call.definition.kind not in {TaskKind.FOR_EACH, TaskKind.RUN_JOB}:
                    await transaction.run_tasks.hand_back(call.task, owner=self._owner)
            known = {call.run.id: call.run for call, _ in group}
            return await self._take(transaction, freed=len(group), known=known)

    async def _keep_leases(self) -> None:
        """Renew what this server does, and stop what is cancelled or no longer its own."""
        while True:
            await anyio.sleep(min(1.0, self._lease_s / 3))
            # As they are now: what is claimed while the leases are renewed is not asked about.
            held = list(self._going.values())
            if not held:
                continue
            try:
                async with self._metadata.begin() as transaction:
                    wanted = await transaction.run_tasks.renew(
                        owner=self._owner, at=self._now(), lease_s=self._lease_s
                    )
            except Exception:  # noqa: BLE001 - the database may take it the next time
                _log.exception("the leases of tasks were not renewed")
                continue
            for call in held:
                task = call.task
                if (task.run_id, task.key, task.attempt) not in wanted:
                    call.stopping.set()


def _before(settings: JobSettings, task: TaskRun) -> list[str]:
    """The tasks that may have left something for this one: all that it can refer to.

    None for work that refers to nothing; code may ask for values at any time.
    """
    definition = settings.task(task.key)
    is_code = definition.kind in {TaskKind.NOTEBOOK, TaskKind.PYTHON}
    if not is_code and not any(references({**definition.work, "task": None})):
        return []
    by_key = settings.by_key
    found: list[str] = []
    pending = [by_key[task.key.partition("[")[0]]]
    while pending:
        for each in pending.pop().depends_on:
            if each.key not in found:
                found.append(each.key)
                pending.append(by_key[each.key])
    return found


async def _check_depth(transaction: "Transaction", run: Run) -> None:
    """Refuse jobs that run each other in a circle."""
    depth, parent = 0, run.parent
    while parent is not None and depth < _DEPTH_MAX:
        above = await transaction.runs.find(parent)
        depth, parent = depth + 1, None if above is None else above.parent
    if depth >= _DEPTH_MAX:
        raise LimitExceeded(
            f"run_job_task goes more than {_DEPTH_MAX} jobs deep, or in a circle.",
            "Have the jobs run each other less deeply.",
        )
