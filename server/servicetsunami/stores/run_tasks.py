"""The tasks of jobs' runs: claimed by servers under a lease, ended once.

Every change of a task that runs names its owner, so that a late owner changes nothing. A task that
waits for others (a loop, a job) runs without an owner: those that it waits for end it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, and_, func, insert, or_, select, text, update

from servicetsunami.domain.job_flow import Seen
from servicetsunami.domain.run import ACTIVE_STATES, RunState, TaskRun
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import RUN_TASKS, RUNS
from servicetsunami.stores.scope import owned_by

_ACTIVE: Final = tuple(sorted(state.value for state in ACTIVE_STATES))
_READY: Final = (RunState.PENDING.value, RunState.WAITING_FOR_RETRY.value)
_WAITING: Final = (RunState.BLOCKED.value, *_READY)
_FREE: Final = {"owner": None, "lease_until": None}
_THERE: Final = "databricks"
"""The owner of what is done on Databricks."""
_CLAIM_LOCK: Final = 7_201_946
"""A number for PostgreSQL's advisory lock: claims follow each other, so that limits hold."""


class RunTasks:
    """The tasks of all tenants' runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _is_postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    async def lock(self, *run_ids: str) -> None:
        """Have the decisions about these runs follow each other until the transaction ends.

        What is locked is the run above all others: those that run each other decide about each
        other in both directions, and would wait for each other for ever. Whoever changes several
        tasks that run comes through here first, for the same reason. On SQLite all writers follow
        each other anyway.
        """
        if not self._is_postgresql:
            return
        above = select(RUNS.c.id, RUNS.c.parent).where(RUNS.c.id.in_(run_ids)).cte(recursive=True)
        parents = select(RUNS.c.id, RUNS.c.parent).join(above, RUNS.c.id == above.c.parent)
        above = above.union(parents)
        roots = select(above.c.id).where(above.c.parent.is_(None))
        statement = select(RUNS.c.id).where(RUNS.c.id.in_(roots)).order_by(RUNS.c.id)
        await self._connection.execute(statement.with_for_update())

    async def add(self, tasks: Sequence[TaskRun], *, first_position: int = 0) -> None:
        """Write down tasks, in their order."""
        values = [
            asdict(task)
            | {
                "state": task.state.value,
                "output": dict(task.output),
                "values": dict(task.values),
                "position": first_position + index,
                "is_newest": True,
            }
            for index, task in enumerate(tasks)
        ]
        if values:
            await self._connection.execute(insert(RUN_TASKS), values)

    async def again(self, task: TaskRun, *, state: RunState, not_before: datetime | None) -> None:
        """Begin another attempt of a task that has ended."""
        place = select(RUN_TASKS.c.position).where(_is(task))
        position = (await self._connection.execute(place)).scalar_one()
        await self._connection.execute(update(RUN_TASKS).where(_is(task)).values(is_newest=False))
        fresh = TaskRun(
            run_id=task.run_id,
            key=task.key,
            attempt=task.attempt + 1,
            tenant=task.tenant,
            state=state,
            parent=task.parent,
            input=task.input,
            not_before=not_before,
        )
        await self.add([fresh], first_position=position)

    async def claim(
        self, *, owner: str, at: datetime, lease_s: float, count: int, per_tenant: int
    ) -> tuple[TaskRun, ...]:
        """Take up to `count` tasks that are ready, of tenants that run fewer than their limit.

        In no promised order, which would have every claim sort all that is ready.
        """
        if self._is_postgresql:
            await self._connection.execute(
                text("SELECT pg_advisory_xact_lock(:number)"), {"number": _CLAIM_LOCK}
            )
        others = RUN_TASKS.alias("others")
        busy = (
            select(func.count())
            .select_from(others)
            .where(
                others.c.tenant == RUN_TASKS.c.tenant,
                others.c.state == RunState.RUNNING.value,
                others.c.lease_until.is_not(None),
            )
            .scalar_subquery()
        )
        statement = (
            select(RUN_TASKS, busy.label("busy"))
            .where(_is_due(at), busy < per_tenant)
            .limit(max(count, per_tenant))
        )
        taken: dict[str, int] = {}
        chosen: list[TaskRun] = []
        for row in await self._connection.execute(statement):
            of_tenant = taken.get(row.tenant, row.busy)
            if len(chosen) < count and of_tenant < per_tenant:
                taken[row.tenant] = of_tenant + 1
                chosen.append(_to_task(row))
        return tuple([task for task in chosen if await self._take(task, owner, at, lease_s)])

    async def _take(self, task: TaskRun, owner: str, at: datetime, lease_s: float) -> bool:
        statement = (
            update(RUN_TASKS)
            .where(_is(task), RUN_TASKS.c.state.in_(_READY))
            .values(
                state=RunState.RUNNING.value,
                owner=owner,
                lease_until=at + timedelta(seconds=lease_s),
                started_at=func.coalesce(RUN_TASKS.c.started_at, at),
            )
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def next_ready(self, *, at: datetime) -> bool:
        """Whether a task could be claimed now."""
        statement = select(RUN_TASKS.c.key).where(_is_due(at)).limit(1)
        return (await self._connection.execute(statement)).first() is not None

    async def renew(self, *, owner: str, at: datetime, lease_s: float) -> set[tuple[str, str, int]]:
        """Keep all tasks of a server; those that are its own, and that nobody wants cancelled."""
        own = and_(RUN_TASKS.c.owner == owner, RUN_TASKS.c.state == RunState.RUNNING.value)
        runs = await self._lock_runs_of(own)
        statement = (
            update(RUN_TASKS)
            .where(own, RUN_TASKS.c.run_id.in_(runs))
            .values(lease_until=at + timedelta(seconds=lease_s))
            .returning(RUN_TASKS.c.run_id, RUN_TASKS.c.key, RUN_TASKS.c.attempt)
        )
        mine = {
            (row.run_id, row.key, row.attempt) for row in await self._connection.execute(statement)
        }
        unwanted = select(RUNS.c.id).where(
            RUNS.c.id.in_({run_id for run_id, _, _ in mine}), RUNS.c.cancel_requested
        )
        cancelled = set(await self._connection.scalars(unwanted))
        return {task for task in mine if task[0] not in cancelled}

    async def take_expired(
        self, *, owner: str, at: datetime, lease_s: float
    ) -> tuple[TaskRun, ...]:
        """Take over the tasks whose server let the lease pass; each goes to one who asks."""
        late = _is_late(at)
        runs = await self._lock_runs_of(late)
        statement = (
            update(RUN_TASKS)
            .where(late, RUN_TASKS.c.run_id.in_(runs))
            .values(owner=owner, lease_until=at + timedelta(seconds=lease_s))
            .returning(RUN_TASKS)
        )
        return tuple(map(_to_task, await self._connection.execute(statement)))

    async def expired(self, *, at: datetime) -> bool:
        """Whether there are such tasks."""
        statement = select(RUN_TASKS.c.key).where(_is_late(at)).limit(1)
        return (await self._connection.execute(statement)).first() is not None

    async def _lock_runs_of(self, condition: Any) -> set[str]:  # noqa: ANN401 - a condition
        """Lock the runs of these tasks; their ids."""
        runs = set(await self._connection.scalars(select(RUN_TASKS.c.run_id).where(condition)))
        await self.lock(*runs)
        return runs

    async def _change(self, task: TaskRun, owner: str | None, values: dict[str, Any]) -> bool:
        """Change a task that runs; False when it is no longer that owner's."""
        is_owner = RUN_TASKS.c.owner.is_(None) if owner is None else RUN_TASKS.c.owner == owner
        statement = (
            update(RUN_TASKS)
            .where(_is(task), is_owner, RUN_TASKS.c.state == RunState.RUNNING.value)
            .values(values)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def note_child(self, task: TaskRun, *, owner: str, child: str) -> bool:
        """Remember the run that does the work."""
        return await self._change(task, owner, {"child": child})

    async def hand_back(self, task: TaskRun, *, owner: str) -> bool:
        """Have it claimed anew, in the same attempt."""
        return await self._change(task, owner, {"state": RunState.PENDING.value, **_FREE})

    async def leave(self, task: TaskRun, *, owner: str, child: str | None = None) -> bool:
        """Let it run without a server, until those that it waits for have ended."""
        return await self._change(task, owner, {"child": child, **_FREE})

    async def end(
        self,
        task: TaskRun,
        *,
        owner: str | None,
        state: RunState,
        at: datetime,
        facts: Mapping[str, object],
    ) -> bool:
        """End a task that runs; False when it is no longer that owner's."""
        values = {"state": state.value, "ended_at": at, **_FREE, **facts}
        return await self._change(task, owner, values)

    async def settle(self, task: TaskRun, state: RunState, *, at: datetime) -> None:
        """Move a task that waits: on to PENDING, or to an end without having run."""
        values: dict[str, Any] = {"state": state.value}
        if state.is_ended:
            values["ended_at"] = at
        statement = update(RUN_TASKS).where(_is(task), RUN_TASKS.c.state.in_(_WAITING))
        await self._connection.execute(statement.values(values))

    async def cancel_waiting(self, run_id: str, *, at: datetime) -> None:
        """End the tasks of a run that have not begun, and those that only wait for others."""
        statement = (
            update(RUN_TASKS)
            .where(
                RUN_TASKS.c.run_id == run_id,
                RUN_TASKS.c.is_newest,
                or_(
                    RUN_TASKS.c.state.in_(_WAITING),
                    and_(RUN_TASKS.c.state == RunState.RUNNING.value, RUN_TASKS.c.owner.is_(None)),
                ),
            )
            .values(state=RunState.CANCELED.value, ended_at=at)
        )
        await self._connection.execute(statement)

    async def of_keys(self, run_id: str, keys: Collection[str]) -> dict[str, TaskRun]:
        """The newest attempts of some tasks of a run."""
        statement = select(RUN_TASKS).where(
            RUN_TASKS.c.run_id == run_id, RUN_TASKS.c.is_newest, RUN_TASKS.c.key.in_(keys)
        )
        return {row.key: _to_task(row) for row in await self._connection.execute(statement)}

    async def seen(self, run_id: str) -> dict[str, Seen]:
        """How the tasks of a run stand, without the iterations of loops."""
        statement = select(RUN_TASKS.c.key, RUN_TASKS.c.state, RUN_TASKS.c.outcome).where(
            RUN_TASKS.c.run_id == run_id, RUN_TASKS.c.is_newest, RUN_TASKS.c.parent.is_(None)
        )
        return {
            row.key: Seen(RunState(row.state), row.outcome)
            for row in await self._connection.execute(statement.order_by(RUN_TASKS.c.position))
        }

    async def is_open(self, run_id: str) -> bool:
        """Whether a task of a run has not ended."""
        statement = (
            select(RUN_TASKS.c.key)
            .where(
                RUN_TASKS.c.run_id == run_id, RUN_TASKS.c.is_newest, RUN_TASKS.c.state.in_(_ACTIVE)
            )
            .limit(1)
        )
        return (await self._connection.execute(statement)).first() is not None

    async def iterations(self, run_id: str, parent: str) -> tuple[TaskRun, ...]:
        """The iterations of a loop, in their order."""
        statement = (
            select(RUN_TASKS)
            .where(
                RUN_TASKS.c.run_id == run_id, RUN_TASKS.c.parent == parent, RUN_TASKS.c.is_newest
            )
            .order_by(RUN_TASKS.c.position)
        )
        return tuple(map(_to_task, await self._connection.execute(statement)))

    async def waiting_for(self, child: str) -> TaskRun | None:
        """The task that waits for that run to end, or None."""
        statement = select(RUN_TASKS).where(
            RUN_TASKS.c.child == child,
            RUN_TASKS.c.state == RunState.RUNNING.value,
            RUN_TASKS.c.owner.is_(None),
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_task(row)

    async def children(self, run_id: str) -> tuple[str, ...]:
        """The runs that tasks of a run wait for, or have begun."""
        statement = select(RUN_TASKS.c.child).where(
            RUN_TASKS.c.run_id == run_id, RUN_TASKS.c.child.is_not(None)
        )
        return tuple(str(child) for child in await self._connection.scalars(statement))

    async def mirror(self, tasks: Sequence[TaskRun]) -> None:
        """Write down how tasks of one run stand on Databricks; nobody here ever claims them."""
        for position, task in enumerate(tasks):
            facts = {
                "state": task.state.value,
                "outcome": task.outcome,
                "error": task.error,
                "output": dict(task.output),
                "started_at": task.started_at,
                "ended_at": task.ended_at,
            }
            known = update(RUN_TASKS).where(_is(task)).values(facts)
            if (await self._connection.execute(known)).rowcount:
                continue
            earlier = update(RUN_TASKS).where(
                RUN_TASKS.c.run_id == task.run_id, RUN_TASKS.c.key == task.key
            )
            await self._connection.execute(earlier.values(is_newest=False))
            # Databricks tells of the newest attempt only: this one was not the last.
            cut = earlier.where(RUN_TASKS.c.state.in_(_ACTIVE))
            ended = {"state": RunState.FAILED.value, "ended_at": task.started_at}
            await self._connection.execute(cut.values(ended))
            await self.add([replace(task, owner=_THERE)], first_position=position)

    async def history(self, tenant: str, run_id: str) -> tuple[TaskRun, ...]:
        """All attempts of all tasks of a run, in the order of the definition."""
        statement = (
            select(RUN_TASKS)
            .where(owned_by(tenant, RUN_TASKS), RUN_TASKS.c.run_id == run_id)
            .order_by(RUN_TASKS.c.position, RUN_TASKS.c.key, RUN_TASKS.c.attempt)
        )
        return tuple(map(_to_task, await self._connection.execute(statement)))


def _is(task: TaskRun) -> Any:  # noqa: ANN401 - a condition
    return and_(
        RUN_TASKS.c.run_id == task.run_id,
        RUN_TASKS.c.key == task.key,
        RUN_TASKS.c.attempt == task.attempt,
    )


def _is_late(at: datetime) -> Any:  # noqa: ANN401 - a condition
    return and_(RUN_TASKS.c.state == RunState.RUNNING.value, RUN_TASKS.c.lease_until < at)


def _is_due(at: datetime) -> Any:  # noqa: ANN401 - a condition
    return and_(
        RUN_TASKS.c.state.in_(_READY),
        RUN_TASKS.c.owner.is_(None),
        or_(RUN_TASKS.c.not_before.is_(None), RUN_TASKS.c.not_before <= at),
    )


def _to_task(row: Row[Any]) -> TaskRun:
    return TaskRun(
        run_id=row.run_id,
        key=row.key,
        attempt=row.attempt,
        tenant=row.tenant,
        state=RunState(row.state),
        parent=row.parent,
        input=row.input,
        outcome=row.outcome,
        error=row.error,
        output=row.output,
        values=row._mapping["values"],
        child=row.child,
        not_before=row.not_before,
        owner=row.owner,
        lease_until=row.lease_until,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
