"""Runs notebooks on Databricks: a copy is submitted, followed, read and removed.

The run goes on there whatever happens here. Its place and its id stand in the record, and it is
submitted under a token of its own: whoever takes it over goes on with the same run.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.abc import TaskGroup

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.notebook import NotebookFormat
from servicetsunami.domain.notebook_cells import ParsedNotebook, to_source
from servicetsunami.domain.run import CellRun, Run, RunState
from servicetsunami.engines.kernels.inside.display import TABLE
from servicetsunami.engines.kernels.outcome import Outcome
from servicetsunami.engines.kernels.outputs import CellOutputs
from servicetsunami.errors import ServerError
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.notebook_sync import RUN_PREFIX
from servicetsunami.services.remote_following import TIMEOUT_GRACE_S, until_ended
from servicetsunami.services.run_plans import Plan
from servicetsunami.services.run_records import ActiveRun, RunRecords
from servicetsunami.services.run_spending import RunSpending

if TYPE_CHECKING:
    from servicetsunami.gateway.runs import RemoteCell, RemoteRun
    from servicetsunami.gateway.workspace import Workspace

_log = logging.getLogger(__name__)

_ADOPT_EVERY_S: Final = 15.0
THERE: Final = "databricks"


class RemoteRuns:
    """Has Databricks run plans; `tasks` outlives every call."""

    def __init__(
        self,
        *,
        records: RunRecords,
        connection: Connection,
        spending: RunSpending,
        tasks: TaskGroup,
        outputs_dir: Path,
    ) -> None:
        self._records = records
        self._connection = connection
        self._spending = spending
        self._tasks = tasks
        self._outputs_dir = outputs_dir

    async def start(
        self, caller: Caller, plan: Plan, *, reason: str, timeout_s: float
    ) -> ActiveRun:
        """Write the run down, then begin it in the background.

        Raises a RemoteError, or BudgetUsedUp when the budget for Databricks is used up, or would be
        by it.
        """
        workspace = await self._connection.workspace()
        folder = await workspace.notebooks.folder(caller.tenant)
        inside = f"/{plan.notebook.rpartition('/')[0]}" if plan.notebook else ""
        remote = {
            "folder": folder + inside.rstrip("/"),
            "source": to_source(_whole(plan)),
            "language": plan.parsed.language,
            "cells": [[cell.kind.value, cell.title] for cell in plan.cells],
        }
        active = await self._records.remember(
            caller,
            plan,
            ran_on=THERE,
            reason=reason,
            timeout_s=timeout_s,
            remote=remote,
            admit=self._spending.admit,
        )
        self._tasks.start_soon(self._supervise, active)
        return active

    async def adopt(self, caller: Caller) -> None:
        """Go on with the runs of a server that is gone."""
        if not caller.has_databricks:
            return
        for run in await self._records.adopt(caller.tenant, is_job=False):
            self._tasks.start_soon(self._supervise, self._records.attach(run))

    async def keep_adopting(self, caller: Caller) -> None:
        """Look for such runs now and then, for as long as a client is served."""
        while True:
            try:
                await self.adopt(caller)
            except ServerError as error:
                _log.warning("runs on Databricks could not be taken over: %s", error)
            await anyio.sleep(_ADOPT_EVERY_S)

    async def _supervise(self, active: ActiveRun) -> None:
        """Follow a run to its end, and note it; when the server stops, leave it to the next."""
        await self._records.carry(active, partial(self._follow, active), if_stopped=None)

    async def _follow(self, active: ActiveRun) -> Outcome:
        workspace = await self._connection.workspace()
        run_id = await self._submitted(workspace, active)
        stop = anyio.Event()
        active.begin(stop.set)
        ended = await until_ended(
            self._records,
            active,
            stop,
            look=partial(workspace.runs.look, run_id),
            cancel=partial(workspace.runs.cancel, run_id),
            limit_s=active.run.timeout_s + TIMEOUT_GRACE_S,
        )
        if ended is None:
            return Outcome(
                state=RunState.LOST,
                error="Databricks did not tell in time how the run ended.",
            )
        outcome = await self._outcome(workspace, active, ended)
        await self._remove_copy(workspace, active.run)
        return outcome

    async def _submitted(self, workspace: "Workspace", active: ActiveRun) -> int:
        """Put the copy there and start its run, unless an earlier server has."""
        run = active.run
        known = run.remote.get("run_id")
        if known is not None:
            return int(str(known))
        await workspace.notebooks.put(
            _path(run), str(run.remote["source"]), "source", str(run.remote["language"])
        )
        run_id = await workspace.runs.submit(
            name=f"{run.name} ({run.id})",
            path=_path(run),
            parameters=run.parameters,
            token=run.id,
            timeout_s=run.timeout_s,
            permit=self._spending.granted(run),
        )
        active.run = replace(run, remote={**run.remote, "run_id": run_id})
        await self._records.change(active, remote=dict(active.run.remote))
        return run_id

    async def _outcome(
        self, workspace: "Workspace", active: ActiveRun, ended: "RemoteRun"
    ) -> Outcome:
        if active.run.state is RunState.PENDING:
            await self._records.began(active)
        output = await workspace.runs.output(ended.task_run_id)
        cells = await workspace.runs.cells(ended.task_run_id)
        state = ended.state
        failed = await self._note_cells(active, cells, output.error, output.trace, state)
        if state is RunState.SUCCESS:
            return Outcome(state=state, exit_value=output.exit_value)
        said = output.error or ended.message or f"It ended as {state.value}."
        where = f"Cell {failed}: " if failed is not None and output.error else ""
        if state is RunState.CANCELED:
            said, where = "It was cancelled.", ""
        elif state is RunState.TIMEDOUT:
            said, where = f"It did not end within {active.run.timeout_s:g} s.", ""
        return Outcome(state=state, error=where + said)

    async def _note_cells(
        self,
        active: ActiveRun,
        cells: "list[RemoteCell]",
        error: str | None,
        trace: str | None,
        state: RunState,
    ) -> int | None:
        """Note what came of each cell; the number of the one that failed."""
        folder = self._outputs_dir / active.run.tenant / "runs" / active.run.id
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        failed: int | None = None
        for index, (kind, title) in enumerate(active.run.remote.get("cells") or []):  # ty: ignore
            cell = cells[index] if index < len(cells) else None
            outputs = CellOutputs(folder, index)
            ended = _cell_state(cell, state, has_failed=failed is not None)
            if cell is not None:
                _add(outputs, cell.results)
            if cell is not None and cell.is_error:
                failed = index
                name, _, value = (error or cell.error).partition(": ")
                outputs.fail(name, value, trace or error or cell.error)
                ended = state if state is not RunState.SUCCESS else RunState.FAILED
            note = CellRun(
                index=index,
                kind=str(kind),
                title=title,
                state=ended,
                outputs=tuple(outputs.end()),
            )
            await self._records.note_cell(active, note)
        return failed

    async def _remove_copy(self, workspace: "Workspace", run: Run) -> None:
        """Take the copy away again; one that stays is only untidy."""
        try:
            await workspace.notebooks.delete(_path(run))
        except ServerError as error:
            _log.info("the copy of run %s stays on Databricks: %s", run.id, error)


def _path(run: Run) -> str:
    return f"{run.remote['folder']}/{RUN_PREFIX}{run.id}"


def _whole(plan: Plan) -> ParsedNotebook:
    """The notebook with all that it includes, in the format that takes every cell."""
    return ParsedNotebook(
        format=NotebookFormat.SOURCE, language=plan.parsed.language, cells=tuple(plan.cells)
    )


def _cell_state(cell: "RemoteCell | None", state: RunState, *, has_failed: bool) -> RunState:
    if cell is None:
        return state
    if cell.is_finished:
        return RunState.SUCCESS
    return RunState.SKIPPED if has_failed or state is RunState.SUCCESS else state


def _add(outputs: CellOutputs, results: "list[Mapping[str, Any]] | Any") -> None:  # noqa: ANN401
    """Take the parts of a command's results, each of the kinds that exports have."""
    for part in results:
        kind, data = part.get("type"), part.get("data")
        if kind == "ansi":
            outputs.add("stream", {"name": part.get("name") or "stdout", "text": data})
        elif kind == "table":
            names = [column.get("name") for column in part.get("schema") or ()]
            content = {"columns": names, "rows": data or [], "row_count": len(data or [])}
            outputs.add("display_data", {"data": {TABLE: content}})
        elif kind == "mimeBundle":
            outputs.add("display_data", {"data": data})
        elif kind in {"html", "htmlSandbox"}:
            outputs.add("display_data", {"data": {"text/html": data}})
        elif kind == "image":
            outputs.add("display_data", {"data": {"image/png": data}})
