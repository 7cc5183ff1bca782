"""Holds tenants to their budgets: warns when one is nearly used up, and stops what is over."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from servicetsunami.domain.budget import (
    HERE,
    THERE,
    Budget,
    Measure,
    Permit,
    Share,
    Spent,
    judged,
    month_end,
    month_start,
    shares,
)
from servicetsunami.domain.cost import Bill, CostReport
from servicetsunami.domain.run import Run
from servicetsunami.domain.tenant import tenant_name
from servicetsunami.errors import InvalidInput
from servicetsunami.services.unbilled import unbilled
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_NOTHING = Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """What a tenant may use this month, what it has used, and how exactly that is known."""

    budget: Budget
    spent: Spent
    since: datetime
    until: datetime
    basis: str

    def as_told(self) -> dict[str, Any]:
        """For an answer: each limit with what is used of it, and warnings."""
        told: dict[str, Any] = {
            "month": f"{self.since:%Y-%m}",
            "until": self.until.isoformat(),
            "basis": self.basis,
            "limits": {
                share.measure.value: self._told(share)
                for share in shares(self.budget, self.spent, _NOTHING)
            },
        }
        warning = [
            f"{share} of this month's budget is used."
            for share in shares(self.budget, self.spent, _NOTHING)
            if share.is_near
        ]
        return {**told, **({"warning": " ".join(warning)} if warning else {})}

    def _told(self, share: Share) -> dict[str, Any]:
        """One limit with what is used of it, which may be null: not known."""
        if getattr(self.spent, share.measure.value) is None:
            used = {"used": None, "percent": None, "state": "not known"}
        else:
            state = "used up" if share.is_over else "nearly used up" if share.is_near else "ok"
            percent = round(100 * share.used / share.limit, 1)
            used = {"used": round(share.used, 6), "percent": percent, "state": state}
        return {**used, "limit": share.limit, "unit": share.unit}


class Budgets:
    """Owns what tenants may use in a month; `default` is for those without a budget of their own.

    What is used on Databricks is what was billed, and what began later as it is estimated. That
    is as exact as the estimates are, for the half day that the bill is late.
    """

    def __init__(
        self,
        *,
        metadata: Metadata,
        default: Budget,
        currency: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metadata = metadata
        self._default = default
        self._currency = currency
        self._now = now

    async def set(self, tenant: str, given: Budget) -> Budget:
        """Give a tenant a budget of its own; what it says nothing about stays as it was.

        What a budget holds in the outbox is tried at once.

        Raises InvalidInput for a limit that is none.
        """
        if any(limit is not None and not 0 <= limit < float("inf") for limit in _values(given)):
            raise InvalidInput("A limit is a number from 0 on.", "0 stands for no limit.")
        if all(limit is None for limit in _values(given)):
            raise InvalidInput("No limit was given.", "Give at least one of them.")
        name = tenant_name(tenant)
        async with self._metadata.begin() as transaction:
            budget = given.over(await transaction.budgets.find(name) or Budget())
            await transaction.budgets.set(name, budget, at=self._now())
            await transaction.outbox.let_go(name)
        return budget

    async def clear(self, tenant: str) -> bool:
        """Have a tenant held to what is set for all; False where it already was."""
        name = tenant_name(tenant)
        async with self._metadata.begin() as transaction:
            await transaction.outbox.let_go(name)
            return await transaction.budgets.clear(name)

    async def all(self) -> dict[str, Budget]:
        """The budgets of single tenants: for an administrator."""
        async with self._metadata.read() as transaction:
            return await transaction.budgets.list()

    async def state(self, tenant: str) -> BudgetState:
        """How a tenant stands; never refused."""
        async with self._metadata.read() as transaction:
            return await self.state_in(transaction, tenant)

    async def state_in(self, transaction: "Transaction", tenant: str) -> BudgetState:
        """How a tenant stands, as this transaction sees it."""
        at = self._now()
        since = month_start(at)
        own = await transaction.budgets.find(tenant) or Budget()
        report = (await transaction.costs.find(tenant)).report
        seconds = await transaction.run_costs.seconds(tenant, ran_on="local", since=since, at=at)
        work = await unbilled(transaction, tenant, report, since=since)
        bill = Bill.of(
            [line for line in report.lines if line.day >= since.date()] if report else []
        )
        spent = Spent(
            list_cost=None if report is None and work.unpriced else bill.list_cost + work.list_cost,
            dbus=bill.dbus + work.dbus,
            run_seconds=seconds,
            currency=self._currency,
        )
        return BudgetState(
            budget=own.over(self._default),
            spent=spent,
            since=since,
            until=month_end(at),
            basis=_basis(report),
        )

    async def admit_there(self, tenant: str) -> Permit:
        """Let work begin on Databricks whose cost nobody can tell.

        Raises BudgetUsedUp.
        """
        return Permit(payer=tenant, warning=await self._admit(tenant, THERE))

    async def admit_run(self, tenant: str) -> str | None:
        """Let a run begin on this machine; a warning, or None. Raises BudgetUsedUp."""
        return await self._admit(tenant, HERE)

    async def _admit(self, tenant: str, concerned: frozenset[Measure]) -> str | None:
        async with self._metadata.read() as transaction:
            own = await transaction.budgets.find(tenant) or Budget()
            if not own.over(self._default).limits().keys() & concerned:
                return None
            state = await self.state_in(transaction, tenant)
        return judged(state.budget, state.spent, _NOTHING, concerned, at=self._now())

    async def admit_in(self, transaction: "Transaction", tenant: str, adding: Spent) -> Permit:
        """Let work begin on Databricks that is expected to take so much.

        The transaction is to note that work: others of the tenant wait for it to end, so that two
        cannot use the same rest. Raises BudgetUsedUp.
        """
        own = await transaction.budgets.find(tenant) or Budget()
        if not own.over(self._default).limits().keys() & THERE:
            return Permit(payer=tenant)
        await transaction.tenants.lock(tenant)
        state = await self.state_in(transaction, tenant)
        warning = judged(state.budget, state.spent, adding, THERE, at=self._now())
        return Permit(payer=tenant, warning=warning)

    def granted(self, run: Run) -> Permit:
        """The leave that a run on Databricks had before it was written down.

        It holds for whoever begins it there, also after a restart.
        """
        return Permit(payer=run.tenant)


def _values(budget: Budget) -> list[float | None]:
    return list(asdict(budget).values())


def _basis(report: CostReport | None) -> str:
    if report is None:
        return (
            "No bill is known: statements on Databricks count in DBU, as estimated by this "
            "machine. Runs there and list costs are not known, and a budget in list cost stops "
            "nothing."
        )
    covered = report.covered_until
    until = covered.isoformat(timespec="minutes") if covered else "nothing yet"
    return (
        f"Billed until {until}, as read {report.as_of.isoformat(timespec='minutes')}; statements "
        "since then, and runs there that are not billed, as estimated; what has no estimate counts "
        "once it is billed."
    )
