"""Lets a call hand back a run where its work outlasts the caller's patience."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, Generic, TypeVar
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from pydantic import BaseModel

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.run import CALL, Run, RunState
from servicetsunami.engines.kernels.outcome import Outcome
from servicetsunami.errors import TooManyCalls
from servicetsunami.services.progress import Report
from servicetsunami.services.run_records import ActiveRun, RunRecords, reason_of

AnswerT = TypeVar("AnswerT", bound=BaseModel)
Work = Callable[[Report], Awaitable[AnswerT]]

_TENANT_MAX: Final = 8
"""How much work of one tenant goes on at a server without anybody waiting for it."""
_STOPPED: Final = Outcome(state=RunState.CANCELED, error="The server was stopped.")
_CANCELED: Final = Outcome(state=RunState.CANCELED, error="It was asked to stop.")


@dataclass(slots=True)
class _Piece(Generic[AnswerT]):
    """Work that goes on; progress is told to the call, and to the run once there is one."""

    report: Report
    started_at: datetime
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    answer: AnswerT | None = None
    error: Exception | None = None
    active: ActiveRun | None = None

    async def tell(self, done: float, total: float | None, text: str) -> None:
        """Tell how far it is."""
        if self.active is None:
            await self.report(done, total, text)
        else:
            self.active.told(done, total, text)


class LongWork:
    """Does work in the background; `tasks` outlives every call."""

    def __init__(self, *, records: RunRecords, tasks: TaskGroup) -> None:
        self._records = records
        self._tasks = tasks
        self._going: Counter[str] = Counter()

    async def finish(
        self,
        caller: Caller,
        work: Work[AnswerT],
        *,
        tool: str,
        about: Mapping[str, str],
        report: Report,
        patience_s: float,
    ) -> AnswerT | Run:
        """What the work comes to, if it ends in time; else the run that it goes on as.

        `about` tells what the run does, its `name` first. Cancelling the call stops the work;
        once it is a run, `cancel_run` does. Raises what the work raises, and TooManyCalls where
        too much goes on already.
        """
        if self._going[caller.tenant] >= _TENANT_MAX:
            raise TooManyCalls(
                f"{_TENANT_MAX} long calls of this tenant go on already.",
                "Follow them with get_run, and call again when one has ended.",
            )
        piece = _Piece[AnswerT](report, datetime.now(UTC))
        self._tasks.start_soon(_do, piece, work)
        try:
            with anyio.move_on_after(patience_s):
                await piece.done.wait()
            if not piece.done.is_set():
                with anyio.CancelScope(shield=True):
                    return await self._hand_over(caller, piece, tool, about, patience_s)
        except BaseException:
            piece.scope.cancel()
            with anyio.CancelScope(shield=True):
                # What it leaves behind is to be gone when the call is.
                await piece.done.wait()
            raise
        if piece.error is not None:
            raise piece.error
        assert piece.answer is not None
        return piece.answer

    async def _hand_over(
        self,
        caller: Caller,
        piece: _Piece[AnswerT],
        tool: str,
        about: Mapping[str, str],
        patience_s: float,
    ) -> Run:
        """Write a run down, which the work is from now on."""
        run = Run(
            id=f"run-{uuid4().hex[:16]}",
            tenant=caller.tenant,
            subject=caller.subject,
            name=about["name"],
            notebook=None,
            revision=None,
            parameters={"tool": tool, **about},
            state=RunState.RUNNING,
            ran_on="local",
            reason=f"{tool} took longer than {patience_s:g} s, and went on as a run.",
            isolation=None,
            timeout_s=0,
            cells_total=0,
            created_at=piece.started_at,
            started_at=piece.started_at,
            trigger=CALL,
        )
        active = piece.active = await self._records.add(run)
        active.begin(piece.scope.cancel)
        self._going[caller.tenant] += 1
        self._tasks.start_soon(self._follow, active, piece)
        return run

    async def _follow(self, active: ActiveRun, piece: _Piece[AnswerT]) -> None:
        try:
            await self._records.carry(active, partial(_outcome, active, piece), if_stopped=_STOPPED)
        finally:
            self._going[active.run.tenant] -= 1


async def _do(piece: _Piece[AnswerT], work: Work[AnswerT]) -> None:
    """Do the work, and keep what came of it for whoever waits, or will."""
    try:
        with piece.scope:
            piece.answer = await work(piece.tell)
    except Exception as error:  # noqa: BLE001 - the call that waits raises it, or its run tells it
        piece.error = error
    finally:
        piece.done.set()


async def _outcome(active: ActiveRun, piece: _Piece[AnswerT]) -> Outcome:
    await piece.done.wait()
    if piece.error is not None:
        return Outcome(state=RunState.FAILED, error=reason_of(active.run.id, piece.error))
    if piece.answer is None:
        return _CANCELED if piece.scope.cancel_called else _STOPPED
    said = json.dumps(piece.answer.model_dump(mode="json"), ensure_ascii=False)
    return Outcome(state=RunState.SUCCESS, exit_value=said)
