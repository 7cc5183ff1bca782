"""Moves runs of jobs on, inside the transaction in which something of them has changed.

Nothing waits in memory: whichever server ends a task decides, in the same transaction, what comes
next, so that a killed server leaves no run that nobody goes on with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from servicetsunami.domain import job_flow
from servicetsunami.domain.job import JobSettings, TaskKind
from servicetsunami.domain.job_settings import read_settings
from servicetsunami.domain.run import Run, RunState, TaskRun

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_RETRIED: Final = frozenset({RunState.FAILED, RunState.TIMEDOUT})
_PARSED_MAX: Final = 64
_PARSED: Final = dict[str, JobSettings]()
_TOO_MANY: Final = "The job has as many runs as max_concurrent_runs allows, and no queue."


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What came of a task."""

    state: RunState
    error: str | None = None
    outcome: str | None = None
    output: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)


async def settings_of(transaction: "Transaction", run_id: str) -> JobSettings:
    """What the run of a job was begun with, whatever has become of the job since.

    It never changes, and is asked for at the end of each task: the last ones are kept.
    """
    known = _PARSED.get(run_id)
    if known is None:
        known = read_settings(await transaction.runs.definition(run_id))
        while len(_PARSED) >= _PARSED_MAX:
            _PARSED.pop(next(iter(_PARSED)))
        _PARSED[run_id] = known
    return known


async def add_run(transaction: "Transaction", run: Run, settings: JobSettings) -> Run:
    """Write a new run down: it begins, waits in the job's queue, or is skipped."""
    at = run.created_at
    going = await transaction.runs.count_going(run.job_id or "")
    if going < settings.max_concurrent_runs:
        run = replace(run, state=RunState.RUNNING, started_at=at)
    elif settings.is_queued:
        run = replace(run, state=RunState.QUEUED)
    else:
        run = replace(run, state=RunState.SKIPPED, error=_TOO_MANY, ended_at=at)
    await transaction.runs.add(run)
    if run.state is RunState.RUNNING:
        await _begin(transaction, run, settings, at=at)
    return run


async def _begin(
    transaction: "Transaction", run: Run, settings: JobSettings, *, at: datetime
) -> None:
    tasks = [
        TaskRun(run_id=run.id, key=task.key, attempt=0, tenant=run.tenant, state=RunState.BLOCKED)
        for task in settings.tasks
    ]
    await transaction.run_tasks.add(tasks)
    await _unblock(transaction, run.id, settings, [task.key for task in settings.tasks], at=at)
    await _close_if_done(transaction, run, settings, at=at)


async def finish(
    transaction: "Transaction",
    task: TaskRun,
    result: TaskResult,
    *,
    owner: str | None,
    at: datetime,
) -> bool:
    """End a task, and decide what follows; False, with nothing done, when it is another's now."""
    await transaction.run_tasks.lock(task.run_id)
    is_ended = await transaction.run_tasks.end(
        task,
        owner=owner,
        state=result.state,
        at=at,
        facts={
            "error": result.error,
            "outcome": result.outcome,
            "output": dict(result.output),
            "values": dict(result.values),
        },
    )
    if not is_ended:
        return False
    run = await transaction.runs.get(task.tenant, task.run_id)
    settings = await settings_of(transaction, run.id)
    definition = settings.task(task.key)
    is_timeout = result.state is RunState.TIMEDOUT
    may_retry = result.state in _RETRIED and definition.may_retry(
        task.attempt, is_timeout=is_timeout
    )
    if may_retry and not run.cancel_requested:
        not_before = at + timedelta(seconds=definition.retry_interval_s)
        await transaction.run_tasks.again(
            task, state=RunState.WAITING_FOR_RETRY, not_before=not_before
        )
        return True
    await _go_on(transaction, run, settings, task, at=at)
    return True


async def _go_on(
    transaction: "Transaction", run: Run, settings: JobSettings, ended: TaskRun, *, at: datetime
) -> None:
    """Decide what follows from the end of a task."""
    if ended.parent is not None:
        await _loop_on(transaction, run, settings, ended.parent, at=at)
        return
    keys = [task.key for task in settings.dependents(ended.key)]
    if not await _unblock(transaction, run.id, settings, keys, at=at):
        await _close_if_done(transaction, run, settings, at=at)


async def _unblock(
    transaction: "Transaction",
    run_id: str,
    settings: JobSettings,
    keys: Sequence[str],
    *,
    at: datetime,
) -> bool:
    """Move the blocked ones of these tasks, and all that follows from tasks that never run.

    Returns whether one of them is to run now, so that the run cannot be at its end.
    """
    tasks = {key: settings.task(key) for key in keys}
    known = {each.key for task in tasks.values() for each in task.depends_on} | set(keys)
    newest = await transaction.run_tasks.of_keys(run_id, known)
    left = [key for key in keys if newest[key].state is RunState.BLOCKED]
    behind: list[str] = []
    is_going = False
    for key in left:
        seen = {name: job_flow.Seen(task.state, task.outcome) for name, task in newest.items()}
        state = job_flow.next_state(tasks[key], seen)
        if state is None:
            continue
        await transaction.run_tasks.settle(newest[key], state, at=at)
        newest[key] = replace(newest[key], state=state)
        is_going = is_going or not state.is_ended
        if state.is_ended:
            behind += [task.key for task in settings.dependents(key)]
    if behind:
        more = list(dict.fromkeys(behind))
        is_going = await _unblock(transaction, run_id, settings, more, at=at) or is_going
    return is_going


async def _close_if_done(
    transaction: "Transaction", known: Run, settings: JobSettings, *, at: datetime
) -> None:
    """End a run of which nothing is left to do, and tell the task that waits for it."""
    if await transaction.run_tasks.is_open(known.id):
        return
    # Anew: a wish to cancel may have been written down in this very transaction.
    run = await transaction.runs.get(known.tenant, known.id)
    state, reason = job_flow.run_state(settings, await transaction.run_tasks.seen(run.id))
    if run.cancel_requested and state is not RunState.SUCCESS:
        state, reason = RunState.CANCELED, "It was cancelled."
        if run.error is not None:
            state, reason = RunState.TIMEDOUT, run.error
    if not await transaction.runs.move(run.id, state, error=reason, ended_at=at):
        return
    waiting = await transaction.run_tasks.waiting_for(run.id)
    if waiting is not None:
        good = {RunState.SUCCESS, RunState.SUCCESS_WITH_FAILURES}
        result = TaskResult(
            state=RunState.SUCCESS if state in good else state,
            error=reason,
            output={"run_id": run.id, "result_state": state.value},
        )
        await finish(transaction, waiting, result, owner=None, at=at)
    queued = await transaction.runs.next_queued(run.job_id or "")
    if queued is not None:
        await transaction.runs.move(queued.id, RunState.RUNNING, started_at=at)
        await _begin(transaction, queued, await settings_of(transaction, queued.id), at=at)


async def begin_child(
    transaction: "Transaction", task: TaskRun, run: Run, settings: JobSettings, *, owner: str
) -> bool:
    """Begin the run of another job, which ends the task when it ends; False when it is too late."""
    await transaction.run_tasks.lock(task.run_id)
    if not await transaction.run_tasks.leave(task, owner=owner, child=run.id):
        return False
    begun = await add_run(transaction, run, settings)
    if begun.state is RunState.SKIPPED:
        skipped = TaskResult(state=RunState.FAILED, error=begun.error)
        await finish(transaction, task, skipped, owner=None, at=run.created_at)
    return True


async def begin_loop(
    transaction: "Transaction", task: TaskRun, inputs: Sequence[object], *, owner: str, at: datetime
) -> bool:
    """Have a for-each task run once for each input; it goes on without a server of its own."""
    await transaction.run_tasks.lock(task.run_id)
    if not await transaction.run_tasks.leave(task, owner=owner):
        return False
    run = await transaction.runs.get(task.tenant, task.run_id)
    settings = await settings_of(transaction, run.id)
    earlier = await transaction.run_tasks.iterations(task.run_id, task.key)
    if not earlier:
        fresh = [
            TaskRun(
                run_id=task.run_id,
                key=f"{task.key}[{index}]",
                attempt=0,
                tenant=task.tenant,
                state=RunState.BLOCKED,
                parent=task.key,
                input=value,
            )
            for index, value in enumerate(inputs)
        ]
        await transaction.run_tasks.add(fresh, first_position=len(settings.tasks))
    for each in earlier:
        if each.state is not RunState.SUCCESS:
            await transaction.run_tasks.again(each, state=RunState.BLOCKED, not_before=None)
    await _loop_on(transaction, run, settings, task.key, at=at)
    return True


async def _loop_on(
    transaction: "Transaction", run: Run, settings: JobSettings, key: str, *, at: datetime
) -> None:
    """Let as many iterations go as may at once; when all have ended, end the loop."""
    iterations = await transaction.run_tasks.iterations(run.id, key)
    waiting = [each for each in iterations if each.state is RunState.BLOCKED]
    going = sum(not each.state.is_ended for each in iterations) - len(waiting)
    concurrency = int(str(settings.task(key).work.get("concurrency", 1)))
    for each in waiting[: max(0, concurrency - going)]:
        await transaction.run_tasks.settle(each, RunState.PENDING, at=at)
    if waiting or going:
        return
    loop = (await transaction.run_tasks.of_keys(run.id, [key]))[key]
    states = [each.state for each in iterations]
    state = job_flow.loop_state(states)
    bad = sum(each is not RunState.SUCCESS for each in states)
    result = TaskResult(
        state=state,
        error=f"{bad} of {len(states)} iterations did not succeed." if bad else None,
        output={"iterations": len(states), "succeeded": len(states) - bad},
    )
    if loop.state.is_ended:
        await _go_on(transaction, run, settings, loop, at=at)
    else:
        await finish(transaction, loop, result, owner=None, at=at)


async def cancel(
    transaction: "Transaction", run: Run, *, at: datetime, reason: str | None = None
) -> list[str]:
    """Stop a run: what waits ends now, what runs when its server hears of it.

    With a `reason` it has timed out. Returns all runs that have to stop with it.
    """
    await transaction.run_tasks.lock(run.id)
    if not await transaction.runs.request_cancel(run.tenant, run.id):
        return []
    if reason is not None:
        await transaction.runs.move(run.id, RunState.RUNNING, error=reason)
    stopped = [run.id]
    for child_id in await transaction.run_tasks.children(run.id):
        child = await transaction.runs.get(run.tenant, child_id)
        if child.state.is_ended:
            continue
        if child.job_id is None:
            await transaction.runs.request_cancel(run.tenant, child_id)
            stopped.append(child_id)
        else:
            stopped += await cancel(transaction, child, at=at)
    await transaction.run_tasks.cancel_waiting(run.id, at=at)
    if run.state is RunState.QUEUED:
        await transaction.runs.move(
            run.id, RunState.CANCELED, error="It was cancelled in the queue.", ended_at=at
        )
    else:
        await _close_if_done(transaction, run, await settings_of(transaction, run.id), at=at)
    return stopped


async def repair(transaction: "Transaction", run: Run, *, at: datetime) -> list[str]:
    """Run again what did not end well, and all behind it; the tasks that are run again."""
    await transaction.run_tasks.lock(run.id)
    settings = await settings_of(transaction, run.id)
    again = job_flow.to_repair(settings, await transaction.run_tasks.seen(run.id))
    if not again or not await transaction.runs.reopen(run.id):
        return []
    newest = await transaction.run_tasks.of_keys(run.id, again)
    for key in again:
        await transaction.run_tasks.again(newest[key], state=RunState.BLOCKED, not_before=None)
    await _unblock(transaction, run.id, settings, again, at=at)
    await _close_if_done(transaction, run, settings, at=at)
    return again


def survives_its_server(settings: JobSettings, task: TaskRun) -> bool:
    """Whether a task may be begun again whose server is gone: nothing of it is done twice.

    SQL is kept from being applied twice by its key, and the others change nothing themselves.
    """
    definition = settings.task(task.key)
    safe = {TaskKind.SQL, TaskKind.CONDITION, TaskKind.FOR_EACH, TaskKind.RUN_JOB}
    return definition.is_idempotent or definition.kind in safe
