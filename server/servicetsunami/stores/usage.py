"""Usage events: what every call cost, kept as it happened and added up when asked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Integer, cast, func, insert, select

from servicetsunami.domain.usage import UsageEvent
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import USAGE_EVENTS
from servicetsunami.stores.scope import owned_by


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTotals:
    """The calls of one tool, added up."""

    tool: str
    calls: int
    failures: int
    rows: int
    size_bytes: int
    seconds: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """The calls of one day in UTC, such as 2026-01-31, added up."""

    day: str
    calls: int
    failures: int
    rows: int


class Usage:
    """The usage events of all tenants, seen one tenant at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, events: Sequence[UsageEvent]) -> None:
        """Keep a batch of events; an empty one costs nothing."""
        if events:
            await self._connection.execute(insert(USAGE_EVENTS), [asdict(each) for each in events])

    async def totals(self, tenant: str, *, since: datetime) -> tuple[ToolTotals, ...]:
        """Add up the events from `since` on, by tool, in the order of the tools' names."""
        columns = USAGE_EVENTS.c
        succeeded = func.sum(cast(columns.ok, Integer))
        statement = (
            select(
                columns.tool,
                func.count().label("calls"),
                (func.count() - succeeded).label("failures"),
                cast(func.sum(columns.rows), columns.rows.type).label("rows"),
                cast(func.sum(columns.size_bytes), columns.rows.type).label("size_bytes"),
                func.sum(columns.seconds).label("seconds"),
                cast(func.sum(columns.tokens), columns.tokens.type).label("tokens"),
            )
            .where(owned_by(tenant, USAGE_EVENTS), columns.created_at >= since)
            .group_by(columns.tool)
        )
        found = [
            ToolTotals(**row) for row in (await self._connection.execute(statement)).mappings()
        ]
        return tuple(sorted(found, key=lambda each: each.tool))

    async def days(self, tenant: str, *, since: datetime) -> tuple[DayTotals, ...]:
        """Add up the events from `since` on, by day, oldest first; empty days are left out."""
        columns = USAGE_EVENTS.c
        moment = columns.created_at
        if self._connection.dialect.name == "postgresql":
            # As the others have it: in UTC, whatever zone the session is in.
            moment = func.timezone("UTC", moment)
        day = func.date(moment).label("day")
        succeeded = func.sum(cast(columns.ok, Integer))
        statement = (
            select(
                day,
                func.count().label("calls"),
                (func.count() - succeeded).label("failures"),
                cast(func.sum(columns.rows), columns.rows.type).label("rows"),
            )
            .where(owned_by(tenant, USAGE_EVENTS), columns.created_at >= since)
            .group_by(day)
            .order_by(day)
        )
        return tuple(
            DayTotals(day=str(row.day), calls=row.calls, failures=row.failures, rows=row.rows)
            for row in await self._connection.execute(statement)
        )
