"""Budgets, what Databricks has billed, and what runs there that it has not billed yet."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from servicetsunami.domain.budget import Budget
from servicetsunami.domain.cost import CostReport, Estimate, KnownCosts, WorkTotals
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.cost_schema import BUDGETS, COST_REPORTS, REMOTE_WORK
from servicetsunami.stores.scope import owned_by

_EARLIER_MAX = 100


class Budgets:
    """The budgets that an administrator has set for single tenants."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, tenant: str) -> Budget | None:
        """The tenant's own budget, or None."""
        statement = select(BUDGETS).where(owned_by(tenant, BUDGETS))
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _budget(row)

    async def list(self) -> dict[str, Budget]:
        """All of them by tenant: for an administrator, never for a caller."""
        rows = await self._connection.execute(select(BUDGETS).order_by(BUDGETS.c.tenant))
        return {row.tenant: _budget(row) for row in rows}

    async def set(self, tenant: str, budget: Budget, *, at: datetime) -> None:
        """Give a tenant a budget of its own, instead of what it had."""
        await self.clear(tenant)
        values = {"tenant": tenant, "set_at": at, **asdict(budget)}
        await self._connection.execute(insert(BUDGETS).values(values))

    async def clear(self, tenant: str) -> bool:
        """Take it away; False where there was none."""
        statement = delete(BUDGETS).where(owned_by(tenant, BUDGETS))
        return (await self._connection.execute(statement)).rowcount == 1


class Costs:
    """The bills, as they were last read; one server at a time reads a tenant's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, tenant: str) -> KnownCosts:
        """What is known of the tenant's bill."""
        statement = select(COST_REPORTS).where(owned_by(tenant, COST_REPORTS))
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return KnownCosts()
        return KnownCosts(
            report=CostReport.of(row.report) if row.report else None,
            error=row.error,
            tried_at=row.tried_at,
            asked_at=row.asked_at,
        )

    async def note_asked(self, tenant: str, *, at: datetime) -> None:
        """Remember that somebody wants to know."""
        await self._ensure(tenant)
        await self._change(tenant, asked_at=at)

    async def claim(
        self, tenant: str, *, at: datetime, for_s: float, tried_before: datetime | None = None
    ) -> bool:
        """Take it on oneself to read the bill; False while another does, or has since a moment."""
        await self._ensure(tenant)
        row = COST_REPORTS.c
        free = [or_(row.claimed_until.is_(None), row.claimed_until < at)]
        if tried_before is not None:
            free.append(or_(row.tried_at.is_(None), row.tried_at < tried_before))
        statement = (
            update(COST_REPORTS)
            .where(owned_by(tenant, COST_REPORTS), *free)
            .values(claimed_until=at + timedelta(seconds=for_s))
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def keep(self, tenant: str, report: CostReport, *, at: datetime) -> None:
        """Keep what was read, instead of what was known."""
        await self._change(
            tenant, report=report.as_json(), error=None, tried_at=at, claimed_until=None
        )

    async def fail(self, tenant: str, error: Mapping[str, str], *, at: datetime) -> None:
        """Note why it could not be read; what is known stays."""
        await self._change(tenant, error=dict(error), tried_at=at, claimed_until=None)

    async def _ensure(self, tenant: str) -> None:
        is_postgresql = self._connection.dialect.name == "postgresql"
        make = postgresql.insert if is_postgresql else sqlite.insert
        statement = make(COST_REPORTS).values(tenant=tenant)
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def _change(self, tenant: str, **values: object) -> None:
        statement = update(COST_REPORTS).where(owned_by(tenant, COST_REPORTS)).values(**values)
        await self._connection.execute(statement)


class RemoteWork:
    """Statements on Databricks with what they are estimated to cost, until the bill has them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, tenant: str, warehouse: str, expected: Estimate, *, at: datetime) -> int:
        """Note a statement before it begins, with all that it is expected to take; its number."""
        statement = (
            insert(REMOTE_WORK)
            .values(
                tenant=tenant,
                warehouse_id=warehouse,
                started_at=at,
                seconds=expected.seconds,
                dbus=expected.dbus,
                list_cost=expected.list_cost,
            )
            .returning(REMOTE_WORK.c.id)
        )
        return (await self._connection.execute(statement)).scalar_one()

    async def end(self, tenant: str, number: int, took: Estimate, *, at: datetime) -> None:
        """Note what it really took."""
        statement = (
            update(REMOTE_WORK)
            .where(owned_by(tenant, REMOTE_WORK), REMOTE_WORK.c.id == number)
            .values(ended_at=at, seconds=took.seconds, dbus=took.dbus, list_cost=took.list_cost)
        )
        await self._connection.execute(statement)

    async def earlier_seconds(self, tenant: str, warehouse: str) -> tuple[float, ...]:
        """How long the last statements took that have ended on a warehouse."""
        statement = (
            select(REMOTE_WORK.c.seconds)
            .where(
                owned_by(tenant, REMOTE_WORK),
                REMOTE_WORK.c.warehouse_id == warehouse,
                REMOTE_WORK.c.ended_at.is_not(None),
            )
            .order_by(REMOTE_WORK.c.started_at.desc())
            .limit(_EARLIER_MAX)
        )
        return tuple(await self._connection.scalars(statement))

    async def totals(self, tenant: str, *, since: datetime) -> WorkTotals:
        """Add up what began since then, whether it has ended or not."""
        columns = REMOTE_WORK.c
        statement = select(
            func.count(),
            func.coalesce(func.sum(columns.seconds), 0.0),
            func.coalesce(func.sum(columns.dbus), 0.0),
            func.coalesce(func.sum(columns.list_cost), 0.0),
            func.count(columns.list_cost),
        ).where(owned_by(tenant, REMOTE_WORK), columns.started_at >= since)
        count, seconds, dbus, cost, priced = (await self._connection.execute(statement)).one()
        return WorkTotals(
            statements=count, seconds=seconds, dbus=dbus, list_cost=cost, unpriced=count - priced
        )

    async def forget(self, tenant: str, *, before: datetime) -> None:
        """Remove what no budget and no estimate needs any more."""
        statement = delete(REMOTE_WORK).where(
            owned_by(tenant, REMOTE_WORK), REMOTE_WORK.c.started_at < before
        )
        await self._connection.execute(statement)


def _budget(row: Any) -> Budget:  # noqa: ANN401 - a row
    return Budget(list_cost=row.list_cost, dbus=row.dbus, run_seconds=row.run_seconds)
