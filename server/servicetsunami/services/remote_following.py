"""Follows a run on Databricks to its end, through outages, and stops it when it has to."""

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import anyio

from servicetsunami.domain.run import RunState
from servicetsunami.errors import RemoteConflict, RemoteUnauthenticated, RemoteUnavailable
from servicetsunami.services.run_records import ActiveRun, RunRecords

_log = logging.getLogger(__name__)

_POLL_FIRST_S: Final = 0.5
_POLL_MAX_S: Final = 10.0
TIMEOUT_GRACE_S: Final = 600.0
"""For a cluster to start, and for an outage in the middle, before a run is given up."""
PASSING: Final = (RemoteUnavailable, RemoteUnauthenticated, RemoteConflict)
"""What says nothing about the run: it goes on there meanwhile."""


class Standing(Protocol):
    """A run as the workspace sees it."""

    @property
    def state(self) -> RunState:
        """How it stands."""
        ...


Seen = TypeVar("Seen", bound=Standing)


async def until_ended(
    records: RunRecords,
    active: ActiveRun,
    stop: anyio.Event,
    *,
    look: Callable[[], Awaitable[Seen]],
    cancel: Callable[[], Awaitable[None]],
    limit_s: float,
) -> Seen | None:
    """Look until it has ended; None when it is given up. An outage only delays it.

    Once `stop` is set it is cancelled there, and followed on: it may end well before it hears.
    """
    ends_at = anyio.current_time() + limit_s
    pause_s, is_asked = _POLL_FIRST_S, False
    while anyio.current_time() < ends_at:
        try:
            if stop.is_set() and not is_asked:
                await cancel()
                is_asked, pause_s = True, _POLL_FIRST_S
            seen = await look()
            if seen.state.is_ended:
                return seen
            if seen.state is RunState.RUNNING and active.run.state is RunState.PENDING:
                await records.began(active)
        except PASSING as error:
            _log.info("run %s could not be looked at: %s", active.run.id, error)
        with anyio.move_on_after(pause_s * (0.5 + random.random() / 2)):  # noqa: S311 - jitter
            if is_asked:
                await anyio.sleep(pause_s)
            await stop.wait()
        pause_s = min(pause_s * 1.5, _POLL_MAX_S)
    return None
