"""How much one tenant, one subject of it, and all together may ask of a server at a time."""

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import TooManyCalls

_MINUTE_S: Final = 60.0
_BUCKETS: Final = 10_000
_HOLD_S: Final = 0.02
_HOLD_MAX_S: Final = 3.0
_REFUSALS_PER_S: Final = 50.0
_BUSY_S: Final = 1.0
"""When to come again to what is busy: nobody knows how long the calls that run will take."""


@dataclass(slots=True)
class _Bucket:
    """What is left to somebody, as of a moment; it fills again evenly.

    `leaves_at` is when the next refusal may leave.
    """

    left: float
    at: float
    leaves_at: float = 0.0


class Limits:
    """Refuses at once what is too much, so that one tenant does not hold up the others.

    Calls of a minute are counted for the tenant and for the subject; a tenant has `at_once` calls
    in hand at most, and all tenants together `in_all`: more of them would only wait for each other.
    Each server counts for itself.
    """

    def __init__(
        self,
        *,
        tenant_per_minute: int,
        subject_per_minute: int,
        at_once: int,
        in_all: int = 2**31,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenant_per_minute = tenant_per_minute
        self._subject_per_minute = subject_per_minute
        self._at_once = at_once
        self._in_all = in_all
        self._now = now
        self._buckets: dict[tuple[str, ...], _Bucket] = {}
        self._look_through_at = _BUCKETS
        self._running: Counter[str] = Counter()
        self._coming: Counter[str] = Counter()

    def refusal(self, caller: Caller) -> TooManyCalls | None:
        """Why a call would not be let in now; None where it would."""
        return self._too_many(caller, self._running) or self._too_often(caller)

    def refusal_at_door(self, caller: Caller) -> TooManyCalls | None:
        """The same, with those that are on their way in counted like those that run."""
        return self._too_many(caller, self._coming) or self.refusal(caller)

    def refusal_of_all(self) -> TooManyCalls | None:
        """Why nobody's call would be let in now, whoever makes it; None where some would."""
        return self._too_many_in_all(self._coming) or self._too_many_in_all(self._running)

    def hold_s(self, caller: Caller) -> float:
        """How long to keep a refusal back, in seconds; each call of this is one refusal.

        Those of a tenant leave evenly. One that is alone leaves at once; whoever calls again as
        soon as it is refused, from many sessions, waits longer each time instead of costing the
        others.
        """
        own = self._filled((caller.tenant,), self._tenant_per_minute)
        leaves_at = min(max(own.at + _HOLD_S, own.leaves_at), own.at + _HOLD_MAX_S)
        own.leaves_at = leaves_at + 1 / _REFUSALS_PER_S
        return leaves_at - own.at

    @contextmanager
    def coming(self, caller: Caller) -> Generator[None]:
        """Count a call from the door until its answer has left."""
        self._coming[caller.tenant] += 1
        try:
            yield
        finally:
            _less(self._coming, caller.tenant)

    def _too_many(self, caller: Caller, counts: Counter[str]) -> TooManyCalls | None:
        if counts[caller.tenant] >= self._at_once:
            what = f"This tenant has {self._at_once} calls running already."
            return _refusal(what, _BUSY_S, ", when one of them has ended")
        return self._too_many_in_all(counts)

    def _too_many_in_all(self, counts: Counter[str]) -> TooManyCalls | None:
        if counts.total() < self._in_all:
            return None
        return _refusal(f"This server has {self._in_all} calls in hand already.", _BUSY_S)

    def _too_often(self, caller: Caller) -> TooManyCalls | None:
        for whose, per_minute, kind in self._counted(caller):
            left = self._filled(whose, per_minute).left
            if left < 1:
                wait_s = (1 - left) * _MINUTE_S / per_minute
                what = f"This {kind} has made {per_minute} calls within a minute."
                return _refusal(what, wait_s, ", and ask for more in one call")
        return None

    @contextmanager
    def one(self, caller: Caller) -> Generator[None]:
        """Count a call while it runs; raises TooManyCalls, with the time after which to retry."""
        refusal = self.refusal(caller)
        if refusal is not None:
            raise refusal
        for whose, per_minute, _ in self._counted(caller):
            self._filled(whose, per_minute).left -= 1
        tenant = caller.tenant
        self._running[tenant] += 1
        try:
            yield
        finally:
            _less(self._running, tenant)

    def _counted(self, caller: Caller) -> tuple[tuple[tuple[str, ...], int, str], ...]:
        """By whom a call is counted, and how many of a minute each has."""
        return (
            ((caller.tenant,), self._tenant_per_minute, "tenant"),
            ((caller.tenant, caller.subject), self._subject_per_minute, "subject"),
        )

    def _filled(self, whose: tuple[str, ...], per_minute: int) -> _Bucket:
        now = self._now()
        bucket = self._buckets.get(whose) or self._new(whose, per_minute, now)
        filled = bucket.left + (now - bucket.at) * per_minute / _MINUTE_S
        bucket.left, bucket.at = min(filled, per_minute), now
        return bucket

    def _new(self, whose: tuple[str, ...], per_minute: int, now: float) -> _Bucket:
        if len(self._buckets) >= self._look_through_at:
            # Whoever has not called for a minute has a full one anyway.
            old = now - _MINUTE_S
            self._buckets = {key: each for key, each in self._buckets.items() if each.at > old}
            self._look_through_at = max(_BUCKETS, 2 * len(self._buckets))
        bucket = self._buckets[whose] = _Bucket(left=per_minute, at=now)
        return bucket


def _refusal(what: str, wait_s: float, more: str = "") -> TooManyCalls:
    return TooManyCalls(what, f"Call again after {wait_s:.1f} s{more}.", wait_s)


def _less(counts: Counter[str], tenant: str) -> None:
    counts[tenant] -= 1
    if not counts[tenant]:
        del counts[tenant]
