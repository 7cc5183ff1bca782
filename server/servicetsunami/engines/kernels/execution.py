"""Runs the cells of a notebook, one after another, in one kernel: to the end, a limit or a stop."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import anyio
from anyio import to_thread

from servicetsunami.domain.notebook_cells import Cell, CellKind
from servicetsunami.domain.run import CellRun, RunState
from servicetsunami.engines.kernels.bridge import Answerer
from servicetsunami.engines.kernels.kernel import Kernel, KernelDied
from servicetsunami.engines.kernels.naming import DESK
from servicetsunami.engines.kernels.outcome import Outcome
from servicetsunami.engines.kernels.outputs import CellOutputs

_WATCH_EVERY_S: Final = 0.25
_GRACE_S: Final = 1.0
"""Between asking code to stop and killing it."""
_OTHER: Final = "This cell is in a language that only a cluster can run: use run_on databricks."

OnCell: TypeAlias = Callable[[CellRun], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Execution:
    """One run in a kernel that nobody else uses; `folder` gets the outputs in full.

    `on_cell` learns of each cell that has ended. `cancel` may be called at any time.
    """

    kernel: Kernel
    cells: Sequence[Cell]
    parameters: Mapping[str, str]
    folder: Path
    timeout_s: float
    answer: Answerer
    on_cell: OnCell
    _stop: anyio.Event = field(default_factory=anyio.Event)
    _idle: anyio.Event = field(default_factory=anyio.Event)
    _verdict: Outcome | None = None

    def cancel(self) -> None:
        """Stop it: first by an interrupt, then by killing the kernel."""
        self._stop.set()

    async def run(self) -> Outcome:
        """Run all cells; always returns, within the time-out and a second of grace."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.kernel.serve_bridge, self.answer)
            tasks.start_soon(self._guard)
            outcome = await self._run_cells()
            tasks.cancel_scope.cancel()
        return self._verdict or outcome

    async def _run_cells(self) -> Outcome:
        outcome = await self._give_parameters()
        for index, cell in enumerate(self.cells):
            if outcome is not None or self._verdict is not None:
                await self.on_cell(_cell_run(index, cell, RunState.SKIPPED))
            elif not cell.runs:
                await self.on_cell(_cell_run(index, cell, RunState.SUCCESS))
            else:
                outcome = await self._run_cell(index, cell)
        self._idle.set()
        return outcome or Outcome(state=RunState.SUCCESS)

    async def _give_parameters(self) -> Outcome | None:
        try:
            await self.kernel.execute(f"{DESK}.give({dict(self.parameters)!r})", lambda *_: True)
        except KernelDied:
            return Outcome(state=RunState.FAILED, error="The kernel died before the first cell.")
        return None

    async def _run_cell(self, index: int, cell: Cell) -> Outcome | None:
        """Run one cell; what it means for the run, or None to go on."""
        outputs, started = CellOutputs(self.folder, index), time.monotonic()
        outcome: Outcome | None = None
        if cell.kind is CellKind.OTHER:
            outputs.fail("LanguageNotAvailable", _OTHER, _OTHER)
        else:
            try:
                await self.kernel.execute(_code(cell), outputs.add)
            except KernelDied:
                why = outputs.too_much or f"The kernel died in cell {index}."
                outcome = self._verdict or Outcome(state=RunState.FAILED, error=why)
        shown = outputs.end()
        if outcome is None and outputs.exit_value is not None:
            outcome = Outcome(state=RunState.SUCCESS, exit_value=outputs.exit_value)
        elif outcome is None and outputs.error is not None:
            outcome = Outcome(state=RunState.FAILED, error=f"Cell {index}: {outputs.error}")
        ended = self._verdict or outcome
        state = RunState.SUCCESS if ended is None else ended.state
        seconds = round(time.monotonic() - started, 3)
        await self.on_cell(_cell_run(index, cell, state, outputs=tuple(shown), seconds=seconds))
        return outcome

    async def _guard(self) -> None:
        """End the run when it is asked to stop, takes too long, or uses too much."""
        ends_at = time.monotonic() + self.timeout_s
        while True:
            left_s = ends_at - time.monotonic()
            with anyio.move_on_after(max(0.0, min(_WATCH_EVERY_S, left_s))):
                await self._stop.wait()
                await self._end(Outcome(state=RunState.CANCELED, error="It was cancelled."))
                return
            if left_s <= 0:
                why = f"It did not end within {self.timeout_s:g} s."
                await self._end(Outcome(state=RunState.TIMEDOUT, error=why))
                return
            problem = await to_thread.run_sync(self.kernel.excess)
            if problem is not None:
                self._verdict = Outcome(state=RunState.FAILED, error=problem)
                self.kernel.kill()
                return

    async def _end(self, verdict: Outcome) -> None:
        self._verdict = verdict
        with anyio.CancelScope(shield=True):
            self.kernel.interrupt()
            with anyio.move_on_after(_GRACE_S):
                await self._idle.wait()
            self.kernel.kill()


def _code(cell: Cell) -> str:
    """What the kernel is told for a cell of each kind."""
    if cell.kind is CellKind.SQL:
        return f"{DESK}.sql({cell.source!r})"
    if cell.kind is CellKind.PIP:
        return f"{DESK}.pip({cell.source!r})"
    if cell.kind is CellKind.SHELL:
        return f"%%sh\n{cell.source}"
    return cell.source


def _cell_run(
    index: int,
    cell: Cell,
    state: RunState,
    *,
    outputs: tuple[Mapping[str, object], ...] = (),
    seconds: float | None = None,
) -> CellRun:
    return CellRun(
        index=index,
        kind=cell.kind.value,
        title=cell.title,
        state=state,
        outputs=outputs,
        seconds=seconds,
    )
