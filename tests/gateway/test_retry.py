"""What may be sent again, and when; and how a workspace that is away is left alone."""

from datetime import UTC, datetime

import pytest

from servicetsunami.errors import RemoteDenied, RemoteUnavailable
from servicetsunami.gateway.breaker import Breaker, BreakerState
from servicetsunami.gateway.retry import Failure, Replay, may_repeat, retry_after_s, wait_s

AWAY = RemoteUnavailable("away", "wait")


@pytest.mark.parametrize(
    ("failure", "replay", "repeats"),
    [
        (Failure(AWAY, status=503), Replay.SAFE, True),
        (Failure(AWAY, status=503), Replay.UNSAFE, False),
        (Failure(AWAY, status=429), Replay.UNSAFE, True),
        (Failure(AWAY), Replay.UNSAFE, False),
        (Failure(AWAY, was_sent=False), Replay.UNSAFE, True),
        (Failure(RemoteDenied("no", "ask"), status=403), Replay.SAFE, False),
    ],
)
def test_only_what_surely_did_no_harm_is_sent_again(
    failure: Failure, replay: Replay, repeats: bool
) -> None:
    assert may_repeat(failure, replay) is repeats


def test_the_wait_is_as_asked_or_grows_with_full_jitter() -> None:
    assert wait_s(Failure(AWAY, retry_after_s=7), 1) == 7
    assert wait_s(Failure(AWAY, retry_after_s=9999), 1) == 60
    waits = [wait_s(Failure(AWAY), tries, rng=lambda: 1.0) for tries in range(1, 9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert wait_s(Failure(AWAY), 5, rng=lambda: 0.0) == 0


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)

    assert retry_after_s("12") == 12
    assert retry_after_s(" 1.5 ") == 1.5
    assert retry_after_s("Sat, 31 Jan 2026 12:00:30 GMT", now=lambda: noon) == 30
    assert retry_after_s("Sat, 31 Jan 2026 12:00:30 -0000", now=lambda: noon) == 30
    assert retry_after_s("Sat, 31 Jan 2026 11:00:00 GMT", now=lambda: noon) == 0
    assert retry_after_s("Sat, 31 Jan 2026 11:00:00 GMT") == 0
    assert [retry_after_s(text) for text in (None, "", "soon")] == [None, None, None]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures_max=3, open_s=5, open_max_s=12, clock=clock)


def test_the_breaker_opens_after_failures_in_a_row_only(breaker: Breaker) -> None:
    for _ in range(2):
        breaker.failed("no answer")
    breaker.succeeded()
    for _ in range(2):
        breaker.failed("no answer")
    assert breaker.state is BreakerState.CLOSED
    breaker.enter()

    breaker.failed("no answer")

    assert breaker.state is BreakerState.OPEN
    with pytest.raises(RemoteUnavailable, match="no answer") as caught:
        breaker.enter()
    assert caught.value.code == "BREAKER_OPEN"


def test_half_open_it_lets_one_through_and_stays_open_longer_each_time(
    breaker: Breaker, clock: Clock
) -> None:
    for _ in range(3):
        breaker.failed("no answer")
    for length in (5, 10, 12, 12):
        assert breaker.retry_in_s == length
        clock.now += length
        assert breaker.state is BreakerState.HALF_OPEN
        breaker.enter()
        with pytest.raises(RemoteUnavailable):
            breaker.enter()
        breaker.failed("still no answer")

    clock.now += 12
    breaker.enter()
    breaker.gave_up()
    breaker.enter()
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.last_error is None
    assert breaker.retry_in_s == 0
