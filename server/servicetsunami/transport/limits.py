"""How much one tenant, and one subject of it, may ask of a server at a time."""

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import TooManyCalls

_MINUTE_S: Final = 60.0
_BUCKETS_MAX: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    """What is left to somebody, as of a moment; it fills again evenly."""

    left: float
    at: float


class Limits:
    """Refuses at once what is too much, so that one tenant does not hold up the others.

    Calls of a minute are counted for the tenant and for the subject; a tenant has `at_once` calls
    in hand at most. Each server counts for itself.
    """

    def __init__(
        self,
        *,
        tenant_per_minute: int,
        subject_per_minute: int,
        at_once: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenant_per_minute = tenant_per_minute
        self._subject_per_minute = subject_per_minute
        self._at_once = at_once
        self._now = now
        self._buckets: dict[tuple[str, ...], _Bucket] = {}
        self._running: Counter[str] = Counter()

    @contextmanager
    def one(self, caller: Caller) -> Generator[None]:
        """Count a call while it runs; raises TooManyCalls, with the time after which to retry."""
        tenant = caller.tenant
        if self._running[tenant] >= self._at_once:
            raise TooManyCalls(
                f"This tenant has {self._at_once} calls running already.",
                "Wait for one of them, then call again.",
            )
        self._take((tenant,), self._tenant_per_minute, "tenant")
        self._take((tenant, caller.subject), self._subject_per_minute, "subject")
        self._running[tenant] += 1
        try:
            yield
        finally:
            self._running[tenant] -= 1
            if not self._running[tenant]:
                del self._running[tenant]

    def _take(self, whose: tuple[str, ...], per_minute: int, kind: str) -> None:
        now = self._now()
        bucket = self._buckets.get(whose) or self._new(whose, per_minute, now)
        filled = bucket.left + (now - bucket.at) * per_minute / _MINUTE_S
        bucket.left, bucket.at = min(filled, per_minute), now
        if bucket.left < 1:
            wait_s = (1 - bucket.left) * _MINUTE_S / per_minute
            raise TooManyCalls(
                f"This {kind} has made {per_minute} calls within a minute.",
                f"Call again after {wait_s:.1f} s, and ask for more in one call.",
                wait_s,
            )
        bucket.left -= 1

    def _new(self, whose: tuple[str, ...], per_minute: int, now: float) -> _Bucket:
        if len(self._buckets) >= _BUCKETS_MAX:
            # Whoever has not called for a minute has a full one anyway.
            old = now - _MINUTE_S
            self._buckets = {key: each for key, each in self._buckets.items() if each.at > old}
        bucket = self._buckets[whose] = _Bucket(left=per_minute, at=now)
        return bucket
