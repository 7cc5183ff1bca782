"""Counts what callers use, in batches, so that counting costs a call nothing."""

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.usage import UsageEvent
from servicetsunami.errors import ServerError
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.visibility import everybody

_log = logging.getLogger(__name__)

_BATCH_EVENTS = 100
_PENDING_EVENTS_MAX = 10_000
"""When the database stays away, counts beyond this are dropped rather than memory used up."""


@dataclass(slots=True)
class Tally:
    """What one call has used so far."""

    rows: int = 0
    size_bytes: int = 0
    tokens: int = 0


class UsageMeter:
    """Collects usage events and writes them together."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._pending: list[UsageEvent] = []
        self._due_events = _BATCH_EVENTS

    @contextmanager
    def measure(self, caller: Caller, tool: str) -> Generator[Tally]:
        """Count the call that runs inside, whether it succeeds or fails."""
        tally, started, ok = Tally(), time.monotonic(), False
        try:
            yield tally
            ok = True
        finally:
            event = UsageEvent(
                tenant=caller.tenant,
                subject=caller.subject,
                tool=tool,
                ok=ok,
                rows=tally.rows,
                size_bytes=tally.size_bytes,
                seconds=time.monotonic() - started,
                created_at=datetime.now(UTC),
                tokens=tally.tokens,
            )
            if len(self._pending) < _PENDING_EVENTS_MAX:
                self._pending.append(event)

    async def flush_when_due(self) -> None:
        """Write the batch once it is full; called at the end of calls.

        Never fails: the call that it follows has succeeded, and its caller has to be told so.
        """
        if len(self._pending) < self._due_events:
            return
        try:
            await self.flush()
            self._due_events = _BATCH_EVENTS
        except ServerError as error:
            # Not at every call from now on: each try may wait for a busy database.
            self._due_events = len(self._pending) + _BATCH_EVENTS
            _log.warning("%d usage events could not be written: %s", len(self._pending), error)

    async def flush(self) -> None:
        """Write all that is pending; what could not be written stays pending."""
        batch, self._pending = self._pending, []
        if not batch:
            return
        try:
            with everybody():
                async with self._metadata.begin() as transaction:
                    await transaction.usage.add(batch)
        except BaseException:
            self._pending = [*batch, *self._pending][:_PENDING_EVENTS_MAX]
            raise
