"""Budgets: what they say, when they warn, and when they stop."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from servicetsunami.domain.budget import (
    HERE,
    THERE,
    Budget,
    Measure,
    Spent,
    judged,
    month_end,
    month_start,
)
from servicetsunami.errors import LimitExceeded

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
NOTHING = Spent()


def test_what_a_tenant_has_of_its_own_goes_before_what_is_set_for_all() -> None:
    own = Budget(list_cost=5.0, run_seconds=0.0)
    for_all = Budget(list_cost=9.0, dbus=7.0, run_seconds=3.0)

    assert own.over(for_all) == Budget(list_cost=5.0, dbus=7.0, run_seconds=0.0)
    assert own.over(for_all).limits() == {Measure.LIST_COST: 5.0, Measure.DBUS: 7.0}
    assert Budget().over(Budget()).limits() == {}


@pytest.mark.parametrize(
    ("used", "adding", "is_told"),
    [(0.0, 0.0, False), (79.0, 0.0, False), (80.0, 0.0, True), (70.0, 10.0, True), (50, 50, True)],
)
def test_from_eighty_percent_on_it_warns(used: float, adding: float, is_told: bool) -> None:
    said = judged(
        Budget(list_cost=100), Spent(list_cost=used, currency="USD"), Spent(list_cost=adding),
        THERE, at=AT,
    )  # fmt: skip

    assert (said is not None) == is_told
    if said is not None:
        assert said == f"{used:g} of 100 USD at list prices ({used:.0f} %) of this month's budget "\
            "is used."  # fmt: skip


def test_each_budget_that_is_nearly_used_up_is_named() -> None:
    said = judged(
        Budget(list_cost=10, dbus=10), Spent(list_cost=9, dbus=8.5), NOTHING, THERE, at=AT
    )

    assert said is not None
    assert "9 of 10 at list prices (90 %)" in said
    assert "8.5 of 10 DBU (85 %)" in said


@pytest.mark.parametrize("used", [100.0, 250.0])
def test_a_budget_that_is_used_up_stops_work_there_and_says_until_when(used: float) -> None:
    with pytest.raises(LimitExceeded) as raised:
        judged(Budget(dbus=100), Spent(dbus=used), NOTHING, THERE, at=AT)

    assert (
        raised.value.what == f"This month's budget is used up: {used:g} of 100 DBU ({used:.0f} %)."
    )
    assert "until 2026-12-01" in raised.value.next_step
    assert "run_on local" in raised.value.next_step


def test_what_would_pass_the_budget_is_stopped_before_it_begins() -> None:
    with pytest.raises(LimitExceeded) as raised:
        judged(Budget(dbus=100), Spent(dbus=60), Spent(dbus=40.5), THERE, at=AT)

    assert (
        "60 of 100 DBU (60 %) is used, and it is estimated to take 40.5 more" in raised.value.what
    )
    assert raised.value.next_step.startswith("Ask for less")


def test_a_budget_of_runs_stops_runs_and_nothing_else() -> None:
    budget, spent = Budget(run_seconds=60), Spent(run_seconds=61)

    assert judged(budget, spent, NOTHING, THERE, at=AT) is None
    with pytest.raises(LimitExceeded, match="queries and ingests go on"):
        judged(budget, spent, NOTHING, HERE, at=AT)


def test_what_nobody_knows_is_held_against_nobody() -> None:
    unknown = Spent(list_cost=None, dbus=None)

    assert judged(Budget(list_cost=1, dbus=1), unknown, unknown, THERE, at=AT) is None


def test_a_month_is_one_of_utc() -> None:
    east = timezone(timedelta(hours=3))
    early = datetime(2027, 1, 1, 2, tzinfo=east)

    assert month_start(early) == datetime(2026, 12, 1, tzinfo=UTC)
    assert month_end(early) == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_end(AT) == datetime(2026, 12, 1, tzinfo=UTC)
