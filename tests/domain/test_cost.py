"""Estimates of statements: by what they took before, and what the warehouse takes."""

import pytest

from servicetsunami.domain.cost import Rate, estimate


def test_the_bill_tells_what_a_second_costs_and_the_past_how_many_there_will_be() -> None:
    known = estimate([2.0, 4.0], Rate(dbus_per_s=0.01, list_per_dbu=0.7), "Small")

    assert (known.seconds, known.dbus) == (3.0, pytest.approx(0.03))
    assert known.list_cost == pytest.approx(0.021)
    assert "the mean of your last 2 statements" in known.basis
    assert "as it was billed" in known.basis


def test_without_a_bill_the_size_of_the_warehouse_tells_dbus_and_nothing_tells_the_price() -> None:
    known = estimate([], None, "Small")

    assert known.dbus == pytest.approx(10 * 12 / 3600)
    assert known.list_cost is None
    assert "a guess" in known.basis
    assert "12 DBU an hour for a warehouse of size Small" in known.basis


def test_a_price_alone_goes_with_the_size() -> None:
    known = estimate([36.0], Rate(dbus_per_s=None, list_per_dbu=0.5), "2X-Small")

    assert known.dbus == pytest.approx(0.04)
    assert known.list_cost == pytest.approx(0.02)


def test_what_is_not_known_is_not_guessed() -> None:
    known = estimate([], None, "Gigantic")

    assert (known.dbus, known.list_cost) == (None, None)
    assert "is not known" in known.basis
    assert known.after(3.0).dbus is None


def test_an_estimate_is_brought_to_the_seconds_that_it_took() -> None:
    took = estimate([10.0], Rate(dbus_per_s=0.1, list_per_dbu=2.0), "").after(5.0)

    assert (took.seconds, took.dbus, took.list_cost) == (5.0, 0.5, 1.0)
