"""Puts into words what Databricks has billed, and what it has not billed yet."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from servicetsunami.domain.cost import Bill, CostLine, CostReport, KnownCosts, WorkTotals
from servicetsunami.services.usage_answers import CostAnswer, ProductCost

_DIGITS: Final = 6
_BEING_READ: Final = "Ask again in a few minutes: it is read beside all calls."
_READ_BY_HAND: Final = (
    "It is not read by itself here: have an administrator run servicetsunami budget show --refresh."
)
_UNPRICED: Final = "Some of it has no list price in this currency, and is in DBU alone."
_ALL_WORKSPACES: Final = (
    "The number of this workspace is not known: usage of other workspaces of the account under the "
    "same tag `tenant` would be in it."
)
_NOT_COUNTED: Final = (
    "Endpoints for vector search are shared by all tenants and not split; SQL tasks of jobs count "
    "as others' work on a shared warehouse."
)


def told(
    known: KnownCosts, work: WorkTotals, *, since: datetime, is_being_read: bool
) -> CostAnswer:
    """The bill of a period, or why there is none."""
    error = known.error or {}
    later = {
        "statements": work.statements,
        "runs": work.runs,
        "seconds": round(work.seconds, 3),
        "dbus": round(work.dbus, _DIGITS),
        "list_cost": None if work.unpriced else round(work.list_cost, _DIGITS),
        "is_exact": False,
    }
    if known.report is None:
        return CostAnswer(
            state="not available" if error else "not read yet",
            as_of=known.tried_at.isoformat() if known.tried_at else None,
            is_being_read=is_being_read or None,
            estimated_since=later,
            why=error.get("why"),
            next=error.get("next") or (_BEING_READ if is_being_read else _READ_BY_HAND),
        )
    report = known.report
    lines = [line for line in report.lines if line.day >= since.date()]
    bill = Bill.of(lines)
    return CostAnswer(
        state="known",
        as_of=report.as_of.isoformat(),
        covered_until=report.covered_until.isoformat() if report.covered_until else None,
        is_being_read=is_being_read or None,
        dbus=round(bill.dbus, _DIGITS),
        list_cost=round(bill.list_cost, _DIGITS),
        currency=report.currency,
        is_exact=_is_exact(report, bill),
        products=_products(lines),
        estimated_since=later,
        why=_why(report, has_unpriced=bill.has_unpriced, error=error.get("why")),
        next=error.get("next"),
    )


def _products(lines: Sequence[CostLine]) -> list[ProductCost]:
    """Added up by product; exact parts and shares stay apart."""
    found = []
    for product, is_exact in sorted({(line.product, line.is_exact) for line in lines}):
        own = [line for line in lines if (line.product, line.is_exact) == (product, is_exact)]
        bill = Bill.of(own)
        found.append(
            ProductCost(
                product=product,
                dbus=round(bill.dbus, _DIGITS),
                list_cost=None if bill.has_unpriced else round(bill.list_cost, _DIGITS),
                is_exact=is_exact,
            )
        )
    return found


def _is_exact(report: CostReport, bill: Bill) -> bool:
    is_whole = report.shared_error is None and not bill.has_unpriced
    return bill.is_exact and is_whole and report.workspace_id is not None


def _why(report: CostReport, *, has_unpriced: bool, error: str | None) -> str:
    """What the figures leave out."""
    parts = [_NOT_COUNTED]
    if report.workspace_id is None:
        parts.insert(0, _ALL_WORKSPACES)
    if report.shared_error:
        parts.insert(0, f"The share of shared warehouses is missing: {report.shared_error}")
    if has_unpriced:
        parts.insert(0, _UNPRICED)
    if error:
        parts.insert(0, f"There is no newer bill: {error}")
    return " ".join(parts)
