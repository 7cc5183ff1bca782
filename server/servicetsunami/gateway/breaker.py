"""Leaves a workspace alone that does not answer, and tries it again now and then."""

import time
from collections.abc import Callable
from enum import StrEnum

from servicetsunami.errors import RemoteUnavailable


class BreakerState(StrEnum):
    """Closed lets everything through, open nothing, half-open one trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One for each workspace: opens after `failures_max` failures in a row.

    Only what says that the workspace is away counts as a failure; whatever it answers, even by a
    refusal, closes the breaker. It stays open for `open_s`, twice as long each time, up to
    `open_max_s`. `clock` counts seconds.
    """

    def __init__(
        self,
        *,
        failures_max: int,
        open_s: float,
        open_max_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._open_max_s = open_max_s
        self._clock = clock
        self._failures = 0
        self._openings = 0
        self._retry_at = 0.0
        self._is_open = False
        self._trial = False
        self.last_error: str | None = None

    @property
    def state(self) -> BreakerState:
        """How it stands now."""
        if not self._is_open:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self.retry_in_s == 0 else BreakerState.OPEN

    @property
    def retry_in_s(self) -> float:
        """Seconds until the next trial; 0 when one may go now."""
        return max(0.0, self._retry_at - self._clock()) if self._is_open else 0.0

    def enter(self) -> None:
        """Ask to send something; raises RemoteUnavailable at once while it is open."""
        if not self._is_open:
            return
        if self.retry_in_s > 0 or self._trial:
            raise RemoteUnavailable(
                f"Databricks has not been answering: {self.last_error}",
                f"It is tried again in {max(1, round(self.retry_in_s))} s; local work goes on.",
                "BREAKER_OPEN",
            )
        self._trial = True

    def try_now(self) -> None:
        """Somebody knows better than the waiting time: the next call is the trial."""
        self._retry_at = self._clock()

    def succeeded(self) -> None:
        """The workspace has answered, whatever it said."""
        self._failures = self._openings = 0
        self._is_open = self._trial = False
        self.last_error = None

    def failed(self, error: str) -> None:
        """The workspace did not answer, or answered that it is away."""
        self.last_error = error
        self._failures += 1
        if self._trial or self._failures >= self._failures_max:
            length_s = min(self._open_s * 2**self._openings, self._open_max_s)
            self._retry_at = self._clock() + length_s
            self._openings = min(self._openings + 1, 16)
            self._is_open, self._trial = True, False

    def gave_up(self) -> None:
        """The caller went away before there was an answer: the trial is free for another."""
        self._trial = False
