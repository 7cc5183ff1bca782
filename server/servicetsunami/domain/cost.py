"""What work on Databricks costs: as it was billed, and as it is estimated before it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Final, Self

TENANT_TAG: Final = "tenant"
"""The tag of jobs and endpoints that the bill repeats."""
QUERY_TAG: Final = "servicetsunami_tenant"
"""The tag of statements, which the query history repeats."""
DBU: Final = "DBU"
DBUS_PER_HOUR: Final[Mapping[str, float]] = {
    "2X-Small": 4,
    "X-Small": 6,
    "Small": 12,
    "Medium": 24,
    "Large": 40,
    "X-Large": 80,
    "2X-Large": 144,
    "3X-Large": 272,
    "4X-Large": 528,
}
"""What one cluster of a SQL warehouse of this size is billed for each hour."""
_FIRST_GUESS_S: Final = 10.0
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """What one kind of work cost on one day; `is_exact` unless it is a share of something shared.

    `list_cost` is None where no list price was known for all of it.
    """

    day: date
    product: str
    dbus: float
    list_cost: float | None
    is_exact: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read back what `CostReport.as_json` gave."""
        kept: dict[str, Any] = {**found, "day": date.fromisoformat(found["day"])}
        return cls(**kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a second of a statement costs on a warehouse, idle time included.

    `dbus_per_s` is None where only the price is known.
    """

    dbus_per_s: float | None
    list_per_dbu: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What one run was billed; `list_cost` is None where no list price was known for all of it."""

    dbus: float
    list_cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """What Databricks has billed for a tenant since a day, as of a moment.

    `covered_until` is the end of the newest usage that was seen: what ran later is not in it yet.
    `runs` are those that were asked about, by their numbers there; they are in the lines as well.
    `workspace_id` is whose usage it is; None for that of all workspaces of the account, where the
    number of ours could not be learned. `shared_error` says why shares of shared warehouses are
    missing.
    """

    since: date
    as_of: datetime
    covered_until: datetime | None
    currency: str
    lines: Sequence[CostLine] = ()
    rates: Mapping[str, Rate] = field(default_factory=dict)
    runs: Mapping[str, RunCost] = field(default_factory=dict)
    workspace_id: str | None = None
    shared_error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What a table keeps of it."""
        return {
            **asdict(self),
            "since": self.since.isoformat(),
            "as_of": self.as_of.isoformat(),
            "covered_until": self.covered_until.isoformat() if self.covered_until else None,
            "lines": [{**asdict(line), "day": line.day.isoformat()} for line in self.lines],
            "rates": {key: asdict(rate) for key, rate in self.rates.items()},
            "runs": {number: asdict(cost) for number, cost in self.runs.items()},
        }

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read back what `as_json` gave."""
        covered = found["covered_until"]
        lines = [CostLine.of(line) for line in found["lines"]]
        return cls(
            since=date.fromisoformat(found["since"]),
            as_of=datetime.fromisoformat(found["as_of"]),
            covered_until=datetime.fromisoformat(covered) if covered else None,
            currency=found["currency"],
            lines=lines,
            rates={key: Rate(**rate) for key, rate in found["rates"].items()},
            runs={key: RunCost(**cost) for key, cost in found.get("runs", {}).items()},
            workspace_id=found.get("workspace_id"),
            shared_error=found["shared_error"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Lines added up. `list_cost` is of those that have one."""

    dbus: float
    list_cost: float
    is_exact: bool
    has_unpriced: bool

    @classmethod
    def of(cls, lines: Sequence[CostLine]) -> Self:
        """Add up."""
        return cls(
            dbus=sum(line.dbus for line in lines),
            list_cost=sum(line.list_cost or 0.0 for line in lines),
            is_exact=all(line.is_exact for line in lines),
            has_unpriced=any(line.list_cost is None for line in lines),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a statement is expected to cost, and how that is known. None where it is not."""

    seconds: float
    dbus: float | None
    list_cost: float | None
    basis: str

    def after(self, seconds: float) -> "Estimate":
        """The same for as long as it really took."""
        share = seconds / self.seconds
        return Estimate(
            seconds=seconds,
            dbus=None if self.dbus is None else self.dbus * share,
            list_cost=None if self.list_cost is None else self.list_cost * share,
            basis=self.basis,
        )


def estimate(earlier_s: Sequence[float], rate: Rate | None, size: str) -> Estimate:
    """What the next statement of a tenant will cost on a warehouse.

    `earlier_s` are the seconds that its last ones took there, `rate` what the bill tells of the
    warehouse, `size` its size, such as `Small`.
    """
    seconds = sum(earlier_s) / len(earlier_s) if earlier_s else _FIRST_GUESS_S
    seconds = max(seconds, 0.001)
    took = (
        f"the mean of your last {len(earlier_s)} statements on this warehouse"
        if earlier_s
        else "a guess, as none of your statements ran on this warehouse before"
    )
    per_s, how = _per_second(rate, size)
    price = None if rate is None else rate.list_per_dbu
    dbus = None if per_s is None else per_s * seconds
    return Estimate(
        seconds=seconds,
        dbus=dbus,
        list_cost=None if dbus is None or price is None else dbus * price,
        basis=f"{seconds:.3g} s, {took}; {how}.",
    )


def _per_second(rate: Rate | None, size: str) -> tuple[float | None, str]:
    if rate is not None and rate.dbus_per_s is not None:
        return rate.dbus_per_s, "DBU per second of statements as it was billed, idle time included"
    if size in DBUS_PER_HOUR:
        per_hour = DBUS_PER_HOUR[size]
        return per_hour / _HOUR_S, f"{per_hour:g} DBU an hour for a warehouse of size {size}"
    return None, "what the warehouse takes is not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCosts:
    """What is known of a tenant's bill: the report, and why there is no newer one."""

    report: CostReport | None = None
    error: Mapping[str, str] | None = None
    tried_at: datetime | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTotals:
    """Statements and runs on Databricks, added up; costs are estimates, of those that have one.

    `unpriced` counts those without a list cost. Seconds are of statements.
    """

    statements: int
    runs: int = 0
    seconds: float
    dbus: float
    list_cost: float
    unpriced: int = 0
