"""Budgets of a month: what may be used, what was, and what follows from it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from servicetsunami.errors import BudgetUsedUp

WARN_SHARE: Final = 0.8
"""From this share of a budget on, answers carry a warning."""


class Measure(StrEnum):
    """What a budget is counted in."""

    LIST_COST = "list_cost"
    DBUS = "dbus"
    RUN_SECONDS = "run_seconds"


THERE: Final = frozenset({Measure.LIST_COST, Measure.DBUS})
"""What work on Databricks uses up. Seconds of runs are used up by this machine."""
HERE: Final = frozenset({Measure.RUN_SECONDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a tenant may use in a calendar month of UTC.

    `list_cost` is in the currency of the prices. None stands for what is set for all, 0 for no
    limit.
    """

    list_cost: float | None = None
    dbus: float | None = None
    run_seconds: float | None = None

    def over(self, others: "Budget") -> "Budget":
        """Its own limits, and those of `others` where it says nothing."""
        chosen = {}
        for each in fields(self):
            own = getattr(self, each.name)
            chosen[each.name] = getattr(others, each.name) if own is None else own
        return Budget(**chosen)

    def limits(self) -> dict[Measure, float]:
        """What is limited, and to how much."""
        found = {measure: getattr(self, measure.value) for measure in Measure}
        return {measure: limit for measure, limit in found.items() if limit}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was used in a month. None where it cannot be known: then nothing is held against it."""

    list_cost: float | None = 0.0
    dbus: float | None = 0.0
    run_seconds: float = 0.0
    currency: str = ""

    def of(self, measure: Measure) -> float:
        """How much, in this measure."""
        return getattr(self, measure.value) or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of one budget is used; `adding` is what work that is to begin would use."""

    measure: Measure
    used: float
    limit: float
    adding: float
    unit: str

    @property
    def is_over(self) -> bool:
        """Whether nothing more may begin."""
        return self.used >= self.limit or self.used + self.adding > self.limit

    @property
    def is_near(self) -> bool:
        """Whether its user should know by now."""
        return self.used + self.adding >= WARN_SHARE * self.limit

    def __str__(self) -> str:
        percent = 100 * self.used / self.limit
        return f"{self.used:.4g} of {self.limit:.4g} {self.unit} ({percent:.0f} %)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to begin what costs on Databricks: the verbs of the gateway that do so ask for one.

    Budgets gives it for a tenant, once. `payer` None stands for the operator, and `warning` is
    what to tell a tenant whose budget is nearly used up.
    """

    payer: str | None
    warning: str | None = None


THE_OPERATORS: Final = Permit(payer=None)
"""For reading the bill alone: without it no budget would ever learn what was spent."""


def shares(budget: Budget, spent: Spent, adding: Spent) -> Iterator[Share]:
    """How much of each limit is used, or would be."""
    units = {
        Measure.LIST_COST: f"{spent.currency} at list prices".strip(),
        Measure.DBUS: "DBU",
        Measure.RUN_SECONDS: "seconds of runs",
    }
    for measure, limit in budget.limits().items():
        yield Share(
            measure=measure,
            used=spent.of(measure),
            limit=limit,
            adding=adding.of(measure),
            unit=units[measure],
        )


def judged(
    budget: Budget, spent: Spent, adding: Spent, concerned: frozenset[Measure], *, at: datetime
) -> str | None:
    """What to tell whoever begins work that uses up what is `concerned`; None when all is well.

    Raises BudgetUsedUp when a budget is used up, or would be by this work.
    """
    warnings = []
    for share in shares(budget, spent, adding):
        if share.measure not in concerned:
            continue
        if share.is_over:
            raise _refusal(share, at)
        if share.is_near:
            warnings.append(f"{share} of this month's budget is used.")
    return " ".join(warnings) or None


def _refusal(share: Share, at: datetime) -> BudgetUsedUp:
    until = month_end(at).strftime("%Y-%m-%d")
    what = f"This month's budget is used up: {share}."
    if share.used < share.limit:
        what = (
            f"This would pass this month's budget: {share} is used, and it is estimated to take "
            f"{share.adding:.4g} more."
        )
    if share.measure in HERE:
        return BudgetUsedUp(
            what,
            f"No run begins here until {until}, unless an administrator raises the budget; queries "
            "and ingests go on.",
        )
    if share.used < share.limit:
        return BudgetUsedUp(
            what,
            f"Ask for less, or on this machine with run_on local: until {until} there is no more, "
            "unless an administrator raises the budget.",
        )
    return BudgetUsedUp(
        what,
        f"Nothing begins on Databricks until {until}, unless an administrator raises the budget. "
        "Work on this machine goes on: use run_on local.",
    )


def month_start(at: datetime) -> datetime:
    """The first instant of the month, in UTC."""
    at = at.astimezone(UTC)
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_end(at: datetime) -> datetime:
    """The first instant of the next month, in UTC."""
    start = month_start(at)
    if start.month == 12:
        return start.replace(year=start.year + 1, month=1)
    return start.replace(month=start.month + 1)
