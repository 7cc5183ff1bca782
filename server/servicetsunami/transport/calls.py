"""Knows which calls are in hand, so that a server that is to stop can let them end."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_SETTLE_S: Final = 0.3
"""From the end of a call until its answer has left, which nothing tells us of."""


class CallsInHand:
    """Counts the calls that run, and remembers whether new ones are still taken."""

    def __init__(self) -> None:
        self._count = 0
        self._idle_since = time.monotonic()
        self._stop_by: float | None = None

    @contextmanager
    def one(self) -> Generator[None]:
        """Count a call while it runs."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            self._idle_since = time.monotonic()

    @property
    def is_closed(self) -> bool:
        """Whether no new calls are taken."""
        return self._stop_by is not None

    def close(self, *, patience_s: float) -> None:
        """Take no new calls; those that run may go on for so long."""
        self._stop_by = time.monotonic() + patience_s

    def are_done(self) -> bool:
        """Whether all that ran has ended, or has had its time."""
        if self._stop_by is None:
            return False
        now = time.monotonic()
        is_idle = self._count == 0 and now >= self._idle_since + _SETTLE_S
        return is_idle or now >= self._stop_by
