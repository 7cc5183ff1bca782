"""Runs and what came of their cells: what outlives the server that did them.

A run that is going on is leased by a server. Changes of such a run name its owner: when the lease
has passed and the run was given up as lost, the late owner changes nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    Row,
    Select,
    bindparam,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.run import ACTIVE_STATES, CellRun, Run, RunState
from servicetsunami.errors import NotFound
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import RUN_CELLS, RUNS
from servicetsunami.stores.scope import owned_by, remembered
from servicetsunami.stores.tenants import Tenants

_BRIEF = cast(
    "Select[Any]", select(*[column for column in RUNS.c if column is not RUNS.c.definition])
)
_ACTIVE = tuple(sorted(state.value for state in ACTIVE_STATES))
_PLACE = tuple_(RUNS.c.created_at, RUNS.c.id)
# Asked with each look at runs: a list for IN would be written into the SQL anew each time.
_LAPSED = (
    select(RUNS.c.id)
    .where(or_(*(RUNS.c.state == each for each in _ACTIVE)), RUNS.c.lease_until < bindparam("at"))
    .limit(1)
)


class Runs:
    """The runs of all tenants, seen one tenant at a time."""

    def __init__(self, connection: Connection, tenants: Tenants) -> None:
        self._connection = connection
        self._tenants = tenants

    async def add(self, run: Run) -> None:
        """Remember a run that is about to begin."""
        await self._tenants.ensure(run.tenant, at=run.created_at)
        values = asdict(run) | {
            "state": run.state.value,
            "notebook": None if run.notebook is None else str(run.notebook),
            "parameters": dict(run.parameters),
            "remote": dict(run.remote),
            "definition": None if run.definition is None else dict(run.definition),
        }
        await self._connection.execute(insert(RUNS).values(values))

    async def get(self, tenant: str, run_id: str) -> Run:
        """One run, without its definition; raises NotFound, also for a foreign id."""
        statement = _BRIEF.where(owned_by(tenant, RUNS), RUNS.c.id == run_id)
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            raise _unknown(run_id)
        return _to_run(row)

    async def active_of_all(self) -> dict[str, int]:
        """How many runs of all tenants have not ended, by state."""
        statement = (
            select(RUNS.c.state, func.count().label("count"))
            .where(RUNS.c.state.in_(_ACTIVE))
            .group_by(RUNS.c.state)
        )
        found = await self._connection.execute(statement)
        return dict.fromkeys(_ACTIVE, 0) | {row.state: row.count for row in found}

    async def list(
        self,
        tenant: str,
        *,
        name: str | None = None,
        job_id: str | None = None,
        states: Collection[RunState] = (),
        since: datetime | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int,
    ) -> tuple[Run, ...]:
        """Runs, the newest first; `before` is the place of the last one of an earlier page."""
        statement = _of_tenant(tenant)
        if job_id is not None:
            statement = statement.where(RUNS.c.job_id == job_id)
        if name is not None:
            statement = statement.where(RUNS.c.name == name)
        if states:
            statement = statement.where(RUNS.c.state.in_([state.value for state in states]))
        if since is not None:
            statement = statement.where(RUNS.c.created_at >= since)
        if before is not None:
            statement = statement.where(tuple_(*before) > _PLACE)
        found = await self._connection.execute(statement, {"limit": limit})
        return tuple(_to_run(row) for row in found)

    async def cells(self, tenant: str, run_id: str) -> tuple[CellRun, ...]:
        """What came of its cells so far, in their order."""
        statement = (
            select(RUN_CELLS)
            .where(owned_by(tenant, RUN_CELLS), RUN_CELLS.c.run_id == run_id)
            .order_by(RUN_CELLS.c.position)
        )
        return tuple(_to_cell(row) for row in await self._connection.execute(statement))

    async def change(self, run_id: str, owner: str, **values: Any) -> bool:  # noqa: ANN401 - of columns
        """Note how a run goes on; False when it is no longer the owner's."""
        statement = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.owner == owner, RUNS.c.state.in_(_ACTIVE))
            .values(**values)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def renew(self, run_id: str, owner: str, *, at: datetime, lease_s: float) -> bool | None:
        """Keep the lease; whether somebody asked to cancel, or None when it is lost."""
        statement = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.owner == owner, RUNS.c.state.in_(_ACTIVE))
            .values(lease_until=at + timedelta(seconds=lease_s))
            .returning(RUNS.c.cancel_requested)
        )
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def adopt(
        self, tenant: str, *, is_job: bool, owner: str, at: datetime, lease_s: float
    ) -> tuple[Run, ...]:
        """Take over the runs on Databricks, of jobs or of notebooks, that nobody follows now.

        Their server let the lease pass. Each goes to one who asks.
        """
        statement = (
            update(RUNS)
            .where(
                owned_by(tenant, RUNS),
                RUNS.c.state.in_(_ACTIVE),
                RUNS.c.lease_until < at,
                RUNS.c.ran_on == "databricks",
                RUNS.c.job_id.is_not(None) if is_job else RUNS.c.job_id.is_(None),
            )
            .values(owner=owner, lease_until=at + timedelta(seconds=lease_s))
            .returning(RUNS)
        )
        return tuple(map(_to_run, await self._connection.execute(statement)))

    async def find(self, run_id: str) -> Run | None:
        """A run of whichever tenant, for the server's own loops; without its definition."""
        statement = _BRIEF.where(RUNS.c.id == run_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_run(row)

    async def definition(self, run_id: str) -> Mapping[str, Any]:
        """The definition that the run of a job was begun with."""
        statement = select(RUNS.c.definition).where(RUNS.c.id == run_id)
        return (await self._connection.execute(statement)).scalar_one()

    async def state(self, tenant: str, run_id: str) -> RunState:
        """How a run stands; raises NotFound."""
        statement = select(RUNS.c.state).where(owned_by(tenant, RUNS), RUNS.c.id == run_id)
        found = (await self._connection.execute(statement)).scalar_one_or_none()
        if found is None:
            raise _unknown(run_id)
        return RunState(found)

    async def find_due(self, job_id: str, due_at: datetime) -> Run | None:
        """The run that a fire time of a schedule has begun, or None."""
        statement = select(RUNS).where(RUNS.c.job_id == job_id, RUNS.c.due_at == due_at)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_run(row)

    async def count_going(self, job_id: str) -> int:
        """How many runs of a job go on here now; those in the queue do not count."""
        statement = (
            select(func.count())
            .select_from(RUNS)
            .where(
                RUNS.c.job_id == job_id,
                RUNS.c.state == RunState.RUNNING.value,
                RUNS.c.ran_on == "local",
            )
        )
        return (await self._connection.execute(statement)).scalar_one()

    async def next_queued(self, job_id: str) -> Run | None:
        """The run of a job that has been in the queue for the longest time."""
        statement = (
            _BRIEF.where(RUNS.c.job_id == job_id, RUNS.c.state == RunState.QUEUED.value)
            .order_by(RUNS.c.created_at, RUNS.c.id)
            .limit(1)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_run(row)

    async def with_timeout(self) -> tuple[Run, ...]:
        """The runs of jobs that go on here, may not go on for ever, and are not stopped yet."""
        statement = _BRIEF.where(
            RUNS.c.job_id.is_not(None),
            RUNS.c.state == RunState.RUNNING.value,
            RUNS.c.ran_on == "local",
            RUNS.c.timeout_s > 0,
            RUNS.c.cancel_requested.is_(False),
        )
        return tuple(map(_to_run, await self._connection.execute(statement)))

    async def move(self, run_id: str, state: RunState, **values: Any) -> bool:  # noqa: ANN401 - of columns
        """Move the run of a job on; False when it has ended already."""
        statement = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.state.in_(_ACTIVE))
            .values(state=state.value, **values)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def there(self, tenant: str, job_id: str, *, limit: int) -> tuple[Run, ...]:
        """The newest runs of a job that were begun on Databricks."""
        statement = (
            _BRIEF.where(
                owned_by(tenant, RUNS), RUNS.c.job_id == job_id, RUNS.c.ran_on == "databricks"
            )
            .order_by(RUNS.c.created_at.desc())
            .limit(limit)
        )
        return tuple(map(_to_run, await self._connection.execute(statement)))

    async def reopen(self, run_id: str, **values: Any) -> bool:  # noqa: ANN401 - of columns
        """Have an ended run of a job go on, for a repair; False when it has not ended."""
        statement = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.state.not_in(_ACTIVE))
            .values(
                state=RunState.RUNNING.value,
                repairs=RUNS.c.repairs + 1,
                cancel_requested=False,
                error=None,
                ended_at=None,
                **values,
            )
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def add_cell(self, run_id: str, cell: CellRun) -> None:
        """Note what came of a cell."""
        values = {
            "run_id": run_id,
            "position": cell.index,
            "kind": cell.kind,
            "title": cell.title,
            "state": cell.state.value,
            "outputs": [dict(output) for output in cell.outputs],
            "seconds": cell.seconds,
        }
        await self._connection.execute(insert(RUN_CELLS).values(values))

    async def going_or_ended_since(
        self, tenant: str, run_ids: Collection[str], since: datetime
    ) -> set[str]:
        """Which of these runs have not ended, or have since then."""
        statement = select(RUNS.c.id).where(
            owned_by(tenant, RUNS),
            RUNS.c.id.in_(run_ids),
            or_(RUNS.c.ended_at.is_(None), RUNS.c.ended_at >= since),
        )
        return set(await self._connection.scalars(statement))

    async def request_cancel(self, tenant: str, run_id: str) -> bool:
        """Ask whoever does the run to stop; False when it has ended already."""
        statement = (
            update(RUNS)
            .where(owned_by(tenant, RUNS), RUNS.c.id == run_id, RUNS.c.state.in_(_ACTIVE))
            .values(cancel_requested=True)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def have_lapsed(self, *, at: datetime) -> bool:
        """Whether there are runs whose server let the lease pass."""
        return (await self._connection.execute(_LAPSED, {"at": at})).first() is not None

    async def give_up(self, *, at: datetime, reason: str) -> int:
        """Mark the runs as lost whose server let the lease pass; how many.

        Runs on Databricks go on there without us: they are not lost, but followed again.
        """
        statement = (
            update(RUNS)
            .where(RUNS.c.state.in_(_ACTIVE), RUNS.c.lease_until < at, RUNS.c.ran_on == "local")
            .values(state=RunState.LOST.value, error=reason, ended_at=at)
        )
        return (await self._connection.execute(statement)).rowcount


@remembered
def _of_tenant(tenant: str) -> Select[Any]:
    newest_first = RUNS.c.created_at.desc(), RUNS.c.id.desc()
    return _BRIEF.where(owned_by(tenant, RUNS)).order_by(*newest_first).limit(bindparam("limit"))


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"No run has the id {run_id!r}.", "Call get_run without an id for a list.")


def _to_run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        tenant=row.tenant,
        subject=row.subject,
        name=row.name,
        notebook=None if row.notebook is None else NotebookName(row.notebook),
        revision=row.revision,
        parent=row.parent,
        parameters=row.parameters,
        state=RunState(row.state),
        ran_on=row.ran_on,
        reason=row.reason,
        isolation=row.isolation,
        timeout_s=row.timeout_s,
        cells_total=row.cells_total,
        exit_value=row.exit_value,
        error=row.error,
        remote=row.remote,
        cancel_requested=row.cancel_requested,
        owner=row.owner,
        lease_until=row.lease_until,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        job_id=row.job_id,
        definition=row._mapping.get("definition"),
        trigger=row.trigger,
        due_at=row.due_at,
        repairs=row.repairs,
    )


def _to_cell(row: Row[Any]) -> CellRun:
    return CellRun(
        index=row.position,
        kind=row.kind,
        title=row.title,
        state=RunState(row.state),
        outputs=tuple(row.outputs),
        seconds=row.seconds,
    )
