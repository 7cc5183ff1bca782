"""Adds up what runs on Databricks and is not in the bill yet, as it was estimated."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from servicetsunami.domain.cost import CostReport, WorkTotals

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction


async def unbilled(
    transaction: "Transaction", tenant: str, report: CostReport | None, *, since: datetime
) -> WorkTotals:
    """Statements that began after what the bill covers, and runs whose numbers it does not have."""
    covered = None if report is None else report.covered_until
    statements = await transaction.remote_work.totals(tenant, since=max(since, covered or since))
    billed = {} if report is None else report.runs
    runs = [
        (dbus, cost)
        for number, dbus, cost in await transaction.run_costs.expected_there(tenant, since=since)
        if number not in billed
    ]
    return replace(
        statements,
        runs=len(runs),
        dbus=statements.dbus + sum(dbus for dbus, _ in runs),
        list_cost=statements.list_cost + sum(cost or 0.0 for _, cost in runs),
        unpriced=statements.unpriced + sum(cost is None for _, cost in runs),
    )
