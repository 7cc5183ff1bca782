"""Which calls may be sent again, after what, and how long to wait before.

This is the only layer that retries. The rules, with their sources, are those of Databricks' own
clients, but for two: an answer that was lost is only repeated where repeating is harmless, and the
waiting ends with the caller's deadline.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from servicetsunami.errors import RemoteError, RemoteUnavailable

TRIES_MAX: Final = 5
_RETRY_AFTER_MAX_S: Final = 60.0
_BASE_S: Final = 0.5
_CAP_S: Final = 20.0
_REFUSED_BEFORE: Final = frozenset({429})
_MAYBE_AFTER: Final = frozenset({500, 502, 503, 504})


class Replay(StrEnum):
    """What happens when the same call arrives twice."""

    SAFE = "safe"
    """The same as once: reads, deletes, overwrites, and whatever carries its own key."""
    UNSAFE = "unsafe"
    """Perhaps something else: only repeated when it surely did not run."""


class Failure(Exception):
    """One try that failed: what to tell, and whether trying again can help.

    `was_sent` is False when the request cannot have run. `retry_after_s` is the server's wish.
    """

    def __init__(
        self,
        error: RemoteError,
        *,
        status: int | None = None,
        was_sent: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status
        self.was_sent = was_sent
        self.retry_after_s = retry_after_s

    @property
    def is_unavailable(self) -> bool:
        """Whether it says that the workspace is away, rather than something of this call."""
        return isinstance(self.error, RemoteUnavailable)


def may_repeat(failure: Failure, replay: Replay) -> bool:
    """Tell whether a failed try may be followed by another one."""
    if not failure.is_unavailable:
        return False
    if replay is Replay.SAFE or not failure.was_sent:
        return True
    return failure.status in _REFUSED_BEFORE


def wait_s(failure: Failure, tries: int, *, rng: Callable[[], float] = random.random) -> float:
    """Seconds to wait before the next try: as asked, else by full jitter on a growing bound."""
    if failure.retry_after_s is not None:
        return min(failure.retry_after_s, _RETRY_AFTER_MAX_S)
    return rng() * min(_CAP_S, _BASE_S * 2 ** (tries - 1))


def retry_after_s(value: str | None, *, now: Callable[[], datetime] | None = None) -> float | None:
    """Read the header Retry-After: seconds or an HTTP date; None for none or nonsense."""
    if not value:
        return None
    text = value.strip()
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    current = now() if now is not None else datetime.now(UTC)
    return max(0.0, (at - current).total_seconds())
