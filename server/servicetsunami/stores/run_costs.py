"""What runs take: time on this machine, and what they cost on Databricks, as the records tell."""

from datetime import datetime

from sqlalchemy import case, func, literal, or_, select

from servicetsunami.domain.run import ACTIVE_STATES, RunState
from servicetsunami.domain.run_cost import PastRun
from servicetsunami.stores.column_types import UtcDateTime
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import RUNS
from servicetsunami.stores.scope import owned_by

_DAY_S = 86_400.0
_SUCCEEDED = (RunState.SUCCESS.value, RunState.SUCCESS_WITH_FAILURES.value)
_ACTIVE = tuple(sorted(state.value for state in ACTIVE_STATES))


class RunCosts:
    """The runs of all tenants, seen one tenant at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def seconds(self, tenant: str, *, ran_on: str, since: datetime, at: datetime) -> float:
        """How long runs took since then, those that go on included, each kernel by itself.

        Of the runs of jobs on this machine only their notebooks and Python count: the rest waits.
        """
        started, first = RUNS.c.started_at, literal(since, UtcDateTime)
        begun = case((started < since, first), else_=started)
        ended = func.coalesce(RUNS.c.ended_at, literal(at, UtcDateTime))
        if self._connection.dialect.name == "postgresql":
            took = func.extract("epoch", ended) - func.extract("epoch", begun)
        else:
            took = (func.julianday(ended) - func.julianday(begun)) * _DAY_S
        statement = select(func.coalesce(func.sum(took), 0)).where(
            owned_by(tenant, RUNS),
            RUNS.c.ran_on == ran_on,
            started.is_not(None),
            ended > since,
        )
        if ran_on == "local":
            statement = statement.where(RUNS.c.job_id.is_(None))
        return max(0.0, float((await self._connection.execute(statement)).scalar_one()))

    async def numbers_there(self, tenant: str, *, since: datetime, limit: int) -> tuple[str, ...]:
        """The numbers on Databricks of the newest runs that were begun there since then."""
        statement = (
            select(RUNS.c.remote)
            .where(
                owned_by(tenant, RUNS), RUNS.c.ran_on == "databricks", RUNS.c.created_at >= since
            )
            .order_by(RUNS.c.created_at.desc())
            .limit(limit)
        )
        found = await self._connection.scalars(statement)
        return tuple(str(each["run_id"]) for each in found if "run_id" in each)

    async def past_there(self, tenant: str, *, limit: int) -> tuple[PastRun, ...]:
        """The newest runs on Databricks that have succeeded."""
        number = RUNS.c.remote["run_id"].as_string()
        statement = (
            select(number, RUNS.c.job_id, RUNS.c.notebook, RUNS.c.started_at, RUNS.c.ended_at)
            .where(
                owned_by(tenant, RUNS),
                RUNS.c.ran_on == "databricks",
                RUNS.c.state.in_(_SUCCEEDED),
                RUNS.c.started_at.is_not(None),
                RUNS.c.ended_at.is_not(None),
                number.is_not(None),
            )
            .order_by(RUNS.c.created_at.desc())
            .limit(limit)
        )
        return tuple(
            PastRun(
                number=number,
                job_id=job_id,
                notebook=notebook,
                seconds=(ended_at - started_at).total_seconds(),
                ended_at=ended_at,
            )
            for number, job_id, notebook, started_at, ended_at in await self._connection.execute(
                statement
            )
        )

    async def expected_there(
        self, tenant: str, *, since: datetime
    ) -> tuple[tuple[str | None, float, float | None], ...]:
        """Number, DBU and list cost, as estimated, of runs since then that began or will begin.

        The number is None until Databricks has given it, the list cost where no price is known.
        """
        number = RUNS.c.remote["run_id"].as_string()
        dbus = RUNS.c.remote[("cost", "dbus")].as_float()
        list_cost = RUNS.c.remote[("cost", "list_cost")].as_float()
        statement = select(number, dbus, list_cost).where(
            owned_by(tenant, RUNS),
            RUNS.c.ran_on == "databricks",
            RUNS.c.created_at >= since,
            dbus.is_not(None),
            or_(number.is_not(None), RUNS.c.state.in_(_ACTIVE)),
        )
        found = await self._connection.execute(statement)
        return tuple((row[0], row[1], row[2]) for row in found)
