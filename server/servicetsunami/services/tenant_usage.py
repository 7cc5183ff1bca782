"""Adds up what a tenant has and uses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.services import cost_answers
from servicetsunami.services.budgets import Budgets
from servicetsunami.services.costs import CostReports
from servicetsunami.services.quotas import Quotas, stored_by
from servicetsunami.services.unbilled import unbilled
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.usage_answers import (
    CostAnswer,
    DayUsage,
    Figure,
    KindUsage,
    OutboxUsage,
    ToolUsage,
    UsageAnswer,
)
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction
    from servicetsunami.stores.datasets import StateTotals
    from servicetsunami.stores.usage import ToolTotals

Period = Literal["day", "week", "month"]

_DAYS: Final = {"day": 1, "week": 7, "month": 30}
_STORAGE_NOTE: Final = "Data files of all versions of datasets, models and notebooks, as recorded."
_RUNS_NOTE: Final = "Each kernel of a notebook or Python task by itself."


class TenantUsage:
    """Answers what a tenant has and uses, from this machine's own records and the kept bill."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        usage: UsageMeter,
        reports: CostReports,
        budgets: Budgets,
        quotas: Quotas,
    ) -> None:
        self._metadata = metadata
        self._usage = usage
        self.reports = reports
        self.budgets = budgets
        self._quotas = quotas

    async def of(self, caller: Caller, period: Period) -> UsageAnswer:
        """Count everything up to now: calls that are not written yet are written first.

        Nothing is asked of Databricks: a bill that is old is read anew beside the call.
        """
        await self._usage.flush()
        now = datetime.now(UTC)
        since = now - timedelta(days=_DAYS[period])
        with self._usage.measure(caller, "tenant_usage"):
            cost = await self._cost(caller, since) if caller.has_databricks else None
            async with self._metadata.read() as transaction:
                assets = await _assets(transaction, caller.tenant)
                tools = await transaction.usage.totals(caller.tenant, since=since)
                days = await transaction.usage.days(caller.tenant, since=since)
                depth = await transaction.outbox.depth(caller.tenant)
                figures = await _figures(transaction, caller.tenant, tools, since=since, at=now)
                budget = await self.budgets.state_in(transaction, caller.tenant)
        return UsageAnswer(
            catalog=caller.catalog,
            period=period,
            since=since.isoformat(),
            as_of=now.isoformat(),
            assets=assets,
            storage_bytes=int(figures["storage_bytes"].value),
            figures=figures,
            tools=[_tool(each) for each in tools],
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
            cost=cost,
            budget=budget.as_told() if budget.budget.limits() else None,
            quotas=self._quotas.as_told() or None,
        )

    async def costs(self, caller: Caller) -> tuple[CostAnswer | None, dict[str, Any] | None]:
        """What Databricks billed in 30 days, and the month's budget; None for what there is none.

        The bill is read anew beside the call, as for `of`.
        """
        since = datetime.now(UTC) - timedelta(days=_DAYS["month"])
        cost = await self._cost(caller, since) if caller.has_databricks else None
        budget = await self.budgets.state(caller.tenant)
        return cost, budget.as_told() if budget.budget.limits() else None

    async def _cost(self, caller: Caller, since: datetime) -> CostAnswer:
        known, is_being_read = await self.reports.wanted(caller)
        async with self._metadata.read() as transaction:
            work = await unbilled(transaction, caller.tenant, known.report, since=since)
        return cost_answers.told(known, work, since=since, is_being_read=is_being_read)


async def _figures(
    transaction: "Transaction",
    tenant: str,
    tools: "Sequence[ToolTotals]",
    *,
    since: datetime,
    at: datetime,
) -> dict[str, Figure]:
    """What was counted on this machine, each number with how well it is known."""
    stored = await stored_by(transaction, tenant)
    here = await transaction.run_costs.seconds(tenant, ran_on="local", since=since, at=at)
    there = await transaction.run_costs.seconds(tenant, ran_on="databricks", since=since, at=at)
    values = {
        "calls": sum(each.calls for each in tools),
        "rows": sum(each.rows for each in tools),
        "bytes": sum(each.size_bytes for each in tools),
        "tokens": sum(each.tokens for each in tools),
        "run_seconds_local": round(here, 3),
        "run_seconds_databricks": round(there, 3),
        "storage_bytes": stored.size_bytes,
        "stored_rows": stored.rows,
    }
    notes = {"storage_bytes": _STORAGE_NOTE, "run_seconds_local": _RUNS_NOTE}
    return {
        name: Figure(value=value, is_exact=True, note=notes.get(name))
        for name, value in values.items()
    }


def _tool(totals: "ToolTotals") -> ToolUsage:
    return ToolUsage(
        tool=totals.tool,
        calls=totals.calls,
        errors=totals.failures,
        rows=totals.rows,
        seconds=round(totals.seconds, 3),
        tokens=totals.tokens or None,
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
