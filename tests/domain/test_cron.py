"""Schedules fire when Quartz itself would fire them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from servicetsunami.domain.cron import Cron
from servicetsunami.errors import InvalidInput

VECTORS = json.loads((Path(__file__).parent / "quartz_vectors.json").read_text())
CONTRADICTIONS = {"0/25 0,59 1 30W 2 ?", "*/15 30 1 30W 2 ?"}
"""The working day next to February 30: Quartz finds one in some leap years, we find none."""


def fires(expression: str, start: str, zone: str = "UTC", count: int = 5) -> list[str] | str:
    try:
        cron = Cron.parse(expression)
    except InvalidInput:
        return "ERROR"
    times = cron.upcoming(datetime.fromisoformat(start), ZoneInfo(zone), count)
    return [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in times]


def test_all_but_the_documented_contradictions_are_as_quartz_says() -> None:
    different = {
        expression
        for zone, start, expression, expected in VECTORS
        if fires(expression, start, zone) != expected
    }
    assert len(VECTORS) > 700
    assert different == CONTRADICTIONS


def test_a_time_that_summer_time_leaves_out_is_skipped() -> None:
    assert fires("0 30 2 * * ?", "2026-03-28T12:00:00Z", "Europe/Berlin", 1) == [
        "2026-03-30T00:30:00Z"
    ]


def test_of_a_time_that_comes_twice_the_later_one_fires_once() -> None:
    assert fires("0 30 2 * * ?", "2026-10-24T12:00:00Z", "Europe/Berlin", 2) == [
        "2026-10-25T01:30:00Z",
        "2026-10-26T01:30:00Z",
    ]


def test_an_expression_that_is_over_never_fires_again() -> None:
    assert Cron.parse("0 0 12 * * ? 2020").after(datetime.now(UTC), ZoneInfo("UTC")) is None


def test_fire_times_are_always_later_than_the_moment_asked_about() -> None:
    moment, cron = datetime(2026, 10, 24, tzinfo=UTC), Cron.parse("0 */7 * * * ?")
    for _ in range(500):
        following = cron.after(moment, ZoneInfo("Europe/Berlin"))
        assert following is not None
        assert timedelta(0) < following - moment <= timedelta(hours=1, minutes=7)
        moment = following


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 6 * * ?", ("5 fields", "seconds first")),
        ("", ("0 fields",)),
        ("0 0 6 * * *", ("has to be ?",)),
        ("0 0 25 * * ?", ("hour", "0 to 23")),
        ("0 0 0 ? * XYZ", ("day of week", "SUN")),
        ("? 0 0 * * ?", ("second", "two days only")),
        ("0 0 0 L-31 * ?", ("L- takes",)),
        ("0 0 0 32W * ?", ("W takes",)),
        ("0 0/70 * * * ?", ("a step is at most",)),
        ("0 0 *-3 * * ?", ("hour",)),
        ("0 0 0 1 1 ? 2030-2020", ("first year",)),
    ],
)
def test_a_wrong_expression_says_which_field_and_what_it_takes(
    expression: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        Cron.parse(expression)
    assert all(word in str(caught.value) for word in words), str(caught.value)
