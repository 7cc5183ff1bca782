from datetime import timedelta

from servicetsunami.domain.usage import UsageEvent
from servicetsunami.stores.database import Database
from servicetsunami.stores.usage import ToolTotals
from tests.stores.values import NOON


def event(
    tool: str, *, tenant: str = "acme", ok: bool = True, minute: int = 0, tokens: int = 0
) -> UsageEvent:
    return UsageEvent(
        tenant=tenant,
        subject="ann",
        tool=tool,
        ok=ok,
        rows=3_000_000_000,
        size_bytes=10,
        seconds=0.25,
        created_at=NOON + timedelta(minutes=minute),
        tokens=tokens,
    )


async def test_events_are_added_up_by_tool_from_a_time_on(database: Database) -> None:
    events = [
        event("query_dataset", tokens=7),
        event("query_dataset", ok=False, minute=1),
        event("ingest_dataset", minute=1),
        event("query_dataset", minute=-1),
        event("query_dataset", tenant="other"),
    ]
    async with database.begin() as transaction:
        await transaction.usage.add(events)
        await transaction.usage.add([])

    async with database.read() as transaction:
        assert await transaction.usage.totals("acme", since=NOON) == (
            ToolTotals(
                tool="ingest_dataset",
                calls=1,
                failures=0,
                rows=3_000_000_000,
                size_bytes=10,
                seconds=0.25,
                tokens=0,
            ),
            ToolTotals(
                tool="query_dataset",
                calls=2,
                failures=1,
                rows=6_000_000_000,
                size_bytes=20,
                seconds=0.5,
                tokens=7,
            ),
        )
        assert await transaction.usage.totals("nobody", since=NOON) == ()
