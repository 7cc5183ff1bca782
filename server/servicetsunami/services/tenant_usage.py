"""Adds up what a tenant has and uses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.usage_answers import (
    DayUsage,
    KindUsage,
    OutboxUsage,
    ToolUsage,
    UsageAnswer,
)
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import tables_dir

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction
    from servicetsunami.stores.datasets import StateTotals

Period = Literal["day", "week", "month"]

_DAYS: Final = {"day": 1, "week": 7, "month": 30}


class TenantUsage:
    """Answers what a tenant has and uses, from this machine's own records."""

    def __init__(self, *, metadata: Metadata, usage: UsageMeter, data_dir: Path) -> None:
        self._metadata = metadata
        self._usage = usage
        self._data_dir = data_dir

    async def of(self, caller: Caller, period: Period) -> UsageAnswer:
        """Count everything up to now: calls that are not written yet are written first."""
        await self._usage.flush()
        now = datetime.now(UTC)
        since = now - timedelta(days=_DAYS[period])
        with self._usage.measure(caller, "tenant_usage"):
            async with self._metadata.read() as transaction:
                assets = await _assets(transaction, caller.tenant)
                tools = await transaction.usage.totals(caller.tenant, since=since)
                days = await transaction.usage.days(caller.tenant, since=since)
                depth = await transaction.outbox.depth(caller.tenant)
            folder = tables_dir(self._data_dir, caller.tenant)
            stored = await to_thread.run_sync(partial(_bytes_below, folder))
        return UsageAnswer(
            catalog=caller.catalog,
            period=period,
            since=since.isoformat(),
            as_of=now.isoformat(),
            is_exact=True,
            assets=assets,
            storage_bytes=stored,
            storage_note="All versions on this machine; the size of an asset is its newest one.",
            tools=[
                ToolUsage(
                    tool=each.tool,
                    calls=each.calls,
                    errors=each.failures,
                    rows=each.rows,
                    seconds=round(each.seconds, 3),
                    tokens=each.tokens or None,
                )
                for each in tools
            ],
            days=[
                DayUsage(day=each.day, calls=each.calls, errors=each.failures, rows=each.rows)
                for each in days
            ],
            outbox=OutboxUsage(
                waiting=depth.items,
                parked=depth.parked,
                oldest_at=depth.oldest_at.isoformat() if depth.oldest_at else None,
            ),
            databricks="connected" if caller.has_databricks else "not connected",
        )


async def _assets(transaction: "Transaction", tenant: str) -> list[KindUsage]:
    """What there is of each kind, and how much of it has reached Databricks."""
    return [
        _kind("dataset", await transaction.datasets.totals(tenant)),
        _kind("notebook", await transaction.notebooks.totals(tenant)),
        _kind("job", await transaction.jobs.totals(tenant)),
        _kind("index", await transaction.indexes.totals(tenant)),
        _kind("endpoint", await transaction.endpoints.totals(tenant)),
    ]


def _kind(kind: str, totals: "Sequence[StateTotals]") -> KindUsage:
    counts = dict.fromkeys(SyncState, 0) | {each.state: each.count for each in totals}
    sent = sum(counts.values()) - counts[SyncState.OFF]
    return KindUsage(
        kind=kind,
        count=sum(counts.values()),
        synced=counts[SyncState.SYNCED],
        waiting=counts[SyncState.WAITING],
        parked=counts[SyncState.PARKED],
        off=counts[SyncState.OFF],
        synced_percent=round(100 * counts[SyncState.SYNCED] / sent, 1) if sent else None,
        row_count=sum(each.row_count for each in totals) if kind == "dataset" else None,
        size_bytes=sum(each.size_bytes for each in totals),
    )


def _bytes_below(folder: Path) -> int:
    """The bytes of all files below a folder; one that goes meanwhile counts as gone."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
