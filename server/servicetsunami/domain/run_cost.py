"""What a run on Databricks is expected to cost, from what earlier runs of it were billed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from servicetsunami.domain.cost import CostReport, RunCost
from servicetsunami.domain.run import Run

_SETTLED: Final = timedelta(hours=12)
"""As late as the bill of a run may be: one that ended later may not be billed in full."""
_MEAN_OF: Final = 10
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run on Databricks that has succeeded; `number` is its id there."""

    number: str
    job_id: str | None
    notebook: str | None
    seconds: float
    ended_at: datetime

    def is_like(self, run: Run) -> bool:
        """Whether it is of the same job, or of the same saved notebook."""
        if run.job_id is not None or self.job_id is not None:
            return self.job_id == run.job_id
        return run.notebook is not None and self.notebook == str(run.notebook)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEstimate:
    """What a run is expected to cost; None where nobody can tell. `basis` says why, either way."""

    dbus: float | None
    list_cost: float | None
    basis: str
    as_of: datetime | None

    def told(self, currency: str) -> dict[str, Any]:
        """For an answer, and for the record of the run."""
        return {
            "is_exact": False,
            "dbus": None if self.dbus is None else round(self.dbus, _DIGITS),
            "list_cost": None if self.list_cost is None else round(self.list_cost, _DIGITS),
            "currency": currency,
            "basis": self.basis,
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
        }


def estimate_run(run: Run, past: Sequence[PastRun], report: CostReport | None) -> RunEstimate:
    """What a run will cost: as its earlier runs were billed, or by how long they took.

    `past` are the runs of its tenant, the newest first.
    """
    if report is None:
        return _unknown("no bill of Databricks was read yet", None)
    alike = [each for each in past if each.is_like(run)][:_MEAN_OF]
    if not alike:
        return _unknown("no earlier run of it has succeeded on Databricks", report)
    billed = [report.runs[each.number] for each in alike if _is_billed(each, report)]
    if billed:
        return RunEstimate(
            dbus=sum(each.dbus for each in billed) / len(billed),
            list_cost=_mean_price(billed),
            basis=f"The mean of {_runs(len(billed))} of it, as billed.",
            as_of=report.as_of,
        )
    seconds = sum(each.seconds for each in alike) / len(alike)
    return _by_time(
        seconds, len(alike), [each for each in past if _is_billed(each, report)], report
    )


def _by_time(
    seconds: float, count: int, others: Sequence[PastRun], report: CostReport
) -> RunEstimate:
    """By the time that earlier runs took, at what a second of others was billed."""
    total_s = sum(each.seconds for each in others)
    if not total_s:
        return _unknown("no earlier run of it, and no other run, is in the bill", report)
    costs = [report.runs[each.number] for each in others]
    price = _mean_price(costs)
    share = seconds / total_s
    return RunEstimate(
        dbus=sum(each.dbus for each in costs) * share,
        list_cost=None if price is None else price * len(costs) * share,
        basis=(
            f"{seconds:.3g} s, the mean of {_runs(count)} of it that the bill does not have; DBU "
            f"per second as billed for {len(others)} other runs."
        ),
        as_of=report.as_of,
    )


def _is_billed(past: PastRun, report: CostReport) -> bool:
    return past.number in report.runs and past.ended_at <= report.as_of - _SETTLED


def _mean_price(costs: Sequence[RunCost]) -> float | None:
    prices = [each.list_cost for each in costs if each.list_cost is not None]
    return sum(prices) / len(prices) if len(prices) == len(costs) else None


def _runs(count: int) -> str:
    return f"{count} earlier run" + ("" if count == 1 else "s")


def _unknown(why: str, report: CostReport | None) -> RunEstimate:
    return RunEstimate(
        dbus=None,
        list_cost=None,
        basis=f"What it will cost is not known: {why}.",
        as_of=None if report is None else report.as_of,
    )
