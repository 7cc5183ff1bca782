"""Estimates what runs on Databricks cost before they are written down, and asks the budget."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.budget import Permit, Spent
from servicetsunami.domain.run import Run
from servicetsunami.domain.run_cost import estimate_run
from servicetsunami.services.budgets import Budgets

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_PAST_MAX: Final = 1_000


class RunSpending:
    """Gives runs leave to begin there. `currency` is that of the prices."""

    def __init__(self, *, budgets: Budgets, currency: str) -> None:
        self._budgets = budgets
        self._currency = currency

    async def admit(self, transaction: "Transaction", run: Run) -> Run:
        """The run, with what it is expected to cost; in the transaction that writes it down.

        Raises BudgetUsedUp when the budget is used up, or would be by it.
        """
        report = (await transaction.costs.find(run.tenant)).report
        past = await transaction.run_costs.past_there(run.tenant, limit=_PAST_MAX)
        expected = estimate_run(run, past, report)
        adding = Spent(list_cost=expected.list_cost, dbus=expected.dbus)
        warning = (await self._budgets.admit_in(transaction, run.tenant, adding)).warning
        return replace(
            run,
            reason=run.reason if warning is None else f"{run.reason} {warning}",
            remote={**run.remote, "cost": expected.told(self._currency)},
        )

    async def admit_repair(self, tenant: str) -> None:
        """Let a run be repaired, whose cost nobody can tell; raises BudgetUsedUp."""
        await self._budgets.admit_there(tenant)

    def granted(self, run: Run) -> Permit:
        """The leave that a run had before it was written down."""
        return self._budgets.granted(run)
