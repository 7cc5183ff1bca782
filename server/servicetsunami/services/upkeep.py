"""Brings indexes up to date: with the datasets that they follow, and with vectors for all rows.

For a while in a call, and to the end beside the calls. What a killed server leaves undone, the next
search goes on with.
"""

import logging
import time
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import Conflict, NotFound, ServerError
from servicetsunami.services.following import Following, Standing
from servicetsunami.services.indexing import Indexing, Opened
from servicetsunami.services.progress import Report, silent

_log = logging.getLogger(__name__)

_STEP_S = 10.0
"""As long as a step in the background takes: what it has done is kept then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """An index as it is now, and what is still to be done for it.

    `pending` rows have no vector yet: they are found by words only.
    """

    opened: Opened
    standing: Standing | None = None
    pending: int = 0
    trouble: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.pending and (self.standing is None or self.standing.is_current)

    @property
    def follows(self) -> dict[str, JsonValue] | None:
        """How it stands to the dataset that it follows, for a caller."""
        if self.trouble is not None:
            return {"error": self.trouble}
        return self.standing.shown() if self.standing is not None else None


class Upkeep:
    """Does what is left to do for indexes, one turn at a time for each."""

    def __init__(self, *, indexing: Indexing, following: Following, tasks: TaskGroup) -> None:
        self._indexing = indexing
        self._following = following
        self._tasks = tasks
        self._turns: dict[str, anyio.Lock] = {}
        self._whole: dict[str, int] = {}
        """The version of each index that was last seen with nothing left to do."""

    async def bring_up(
        self, caller: Caller, opened: Opened, *, seconds: float, report: Report = silent
    ) -> State:
        """Do what there is time for; the rest is gone on with in the background.

        Never fails for want of a dataset or a model: then the state says what is the trouble. Does
        not wait while another call of this server is at it.
        """
        turn = self._turns.setdefault(opened.index.id, anyio.Lock())
        if turn.locked():
            return await self._seen(caller, opened)
        async with turn:
            state = await self._work(caller, opened, time.monotonic() + seconds, report)
        if not state.is_done and state.trouble is None:
            self._tasks.start_soon(self._to_the_end, caller, state.opened)
        return state

    async def _work(self, caller: Caller, opened: Opened, until: float, report: Report) -> State:
        standing = None
        try:
            if opened.index.follows is not None:
                opened, standing = await self._following.catch_up(
                    caller, opened, until=until, report=report
                )
            opened, pending = await self._filled(caller, opened, until, report)
        except ServerError as error:
            return State(opened=opened, standing=standing, trouble=str(error))
        return State(opened=opened, standing=standing, pending=pending)

    async def _filled(
        self, caller: Caller, opened: Opened, until: float, report: Report
    ) -> tuple[Opened, int]:
        dataset, pending = opened.dataset, 1
        if dataset is not None and self._whole.get(dataset.id) == dataset.version:
            return opened, 0
        while pending:
            try:
                opened, pending = await self._indexing.fill(caller, opened, until=until)
            except Conflict:
                # It was changed meanwhile: what is pending is looked for in the newest version.
                opened = await self._indexing.reopened(caller, opened.index.name)
            if time.monotonic() >= until:
                break
            if pending:
                await report(0, None, f"{pending:,} passages are left to embed")
        if not pending and opened.dataset is not None:
            self._whole[opened.dataset.id] = opened.dataset.version
        return opened, pending

    async def _seen(self, caller: Caller, opened: Opened) -> State:
        """Where an index stands while somebody else works on it."""
        standing = None
        try:
            opened, pending = await self._indexing.fill(caller, opened, until=0)
            if opened.index.follows is not None:
                standing = await self._following.standing(caller, opened)
        except ServerError as error:
            return State(opened=opened, trouble=str(error))
        return State(opened=opened, standing=standing, pending=pending)

    async def _to_the_end(self, caller: Caller, opened: Opened) -> None:
        turn = self._turns.setdefault(opened.index.id, anyio.Lock())
        is_done = turn.locked()
        while not is_done:
            async with turn:
                try:
                    opened = await self._indexing.reopened(caller, opened.index.name)
                except NotFound:
                    return
                until = time.monotonic() + _STEP_S
                state = await self._work(caller, opened, until, silent)
            if state.trouble is not None:
                _log.warning("%s is not up to date: %s", opened.index.name, state.trouble)
            is_done = state.is_done or state.trouble is not None
