"""Estimates what statements on Databricks cost, before they begin, and notes what they took."""

import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import anyio

from servicetsunami.domain.budget import Permit, Spent
from servicetsunami.domain.cost import Estimate, estimate
from servicetsunami.errors import ServerError
from servicetsunami.services.budgets import Budgets
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.gateway.workspace import Workspace

_log = logging.getLogger(__name__)

_SHORT: Final = 6
"""Digits behind the point: a short statement costs little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement that was noted before it began, with what it is expected to cost."""

    number: int
    expected: Estimate
    currency: str
    permit: Permit

    def as_json(self) -> dict[str, Any]:
        """What a kept result remembers."""
        return asdict(self)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read back what `as_json` gave."""
        kept: dict[str, Any] = {
            **found,
            "expected": Estimate(**found["expected"]),
            "permit": Permit(**found["permit"]),
        }
        return cls(**kept)

    def told(self, seconds: float | None = None) -> dict[str, Any]:
        """For an answer: what it is expected to cost, or for `seconds` that it took."""
        known = self.expected if seconds is None else self.expected.after(seconds)
        told: dict[str, Any] = {"is_exact": False, "seconds": round(known.seconds, 3)}
        if known.dbus is not None:
            told["dbus"] = round(known.dbus, _SHORT)
        if known.list_cost is not None:
            told |= {"list_cost": round(known.list_cost, _SHORT), "currency": self.currency}
        if seconds is not None and self.expected.dbus is not None:
            told["dbus_expected"] = round(self.expected.dbus, _SHORT)
        told["basis"] = f"Expected {self.expected.basis}"
        if self.permit.warning:
            told["warning"] = self.permit.warning
        return told


class Spending:
    """Notes what tenants have Databricks compute, so that budgets hold before the bill comes."""

    def __init__(self, *, metadata: Metadata, budgets: Budgets, currency: str) -> None:
        self._metadata = metadata
        self.budgets = budgets
        self._currency = currency

    async def begin(self, tenant: str, workspace: "Workspace") -> Statement:
        """Note a statement that is about to begin.

        Raises BudgetUsedUp when the budget is used up, or would be by it.
        """
        warehouse = await workspace.warehouses.choose()
        size = await workspace.warehouses.size(warehouse)
        async with self._metadata.begin() as transaction:
            report = (await transaction.costs.find(tenant)).report
            earlier = await transaction.remote_work.earlier_seconds(tenant, warehouse)
            rate = None if report is None else report.rates.get(warehouse)
            expected = estimate(earlier, rate, size)
            adding = Spent(list_cost=expected.list_cost, dbus=expected.dbus)
            permit = await self.budgets.admit_in(transaction, tenant, adding)
            number = await transaction.remote_work.begin(
                tenant, warehouse, expected, at=datetime.now(UTC)
            )
        return Statement(number=number, expected=expected, currency=self._currency, permit=permit)

    async def end(self, tenant: str, statement: Statement, *, seconds: float) -> None:
        """Note how long it took; never fails the statement, which has ended already."""
        took = statement.expected.after(max(seconds, 0.001))
        try:
            with anyio.CancelScope(shield=True):
                async with self._metadata.begin() as transaction:
                    await transaction.remote_work.end(
                        tenant, statement.number, took, at=datetime.now(UTC)
                    )
        except ServerError as error:
            _log.warning("what a statement took could not be noted: %s", error)

    @asynccontextmanager
    async def statement(self, tenant: str, workspace: "Workspace") -> AsyncGenerator[Statement]:
        """Have one statement run inside, begun and ended; raises BudgetUsedUp before it."""
        begun = await self.begin(tenant, workspace)
        started = time.monotonic()
        try:
            yield begun
        finally:
            await self.end(tenant, begun, seconds=time.monotonic() - started)
