"""What crosses a wire about notebooks and runs."""

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import JsonValue

from servicetsunami.domain.notebook import Notebook
from servicetsunami.domain.run import CALL, CellRun, Run, RunState
from servicetsunami.services.answers import Answer, AnyObject, follow

_TEXT_CHARS_MAX: Final = 12_000
"""How much of all outputs together one answer shows."""


class SavedNotebook(Answer):
    """What became of a text that was saved."""

    name: str
    revision: int
    changed: bool
    format: Literal["source", "jupyter"]
    language: str
    cells: int
    size_bytes: int
    sync: str
    next: str

    @classmethod
    def of(cls, notebook: Notebook, *, changed: bool) -> "SavedNotebook":
        """Take over the record of a notebook."""
        return cls(
            name=str(notebook.name),
            revision=notebook.revision,
            changed=changed,
            format=notebook.format.value,
            language=notebook.language,
            cells=notebook.cell_count,
            size_bytes=notebook.size_bytes,
            sync=notebook.sync_state.value,
            next="Call run_notebook with this name.",
        )


class RunAnswer(Answer):
    """A run as it stands; `cells` are those that have ended, with their outputs.

    Where an output is cut, the cell's `uri` leads to the whole of it. `cost` is what a run on
    Databricks was expected to cost before it began.
    """

    run_id: str
    name: str
    revision: int | None = None
    state: str
    ran_on: Literal["local", "databricks"]
    reason: str
    isolation: str | None = None
    parameters: dict[str, str] | None = None
    cells_done: int
    cells_total: int
    exit_value: str | None = None
    error: str | None = None
    started_at: str | None = None
    seconds: float | None = None
    cost: AnyObject | None = None
    cells: list[AnyObject] | None = None
    next: str | None = None

    @classmethod
    def of(cls, run: Run, cells: Sequence[CellRun], *, is_short: bool = False) -> "RunAnswer":
        """Take over the record of a run; a short one is a line of a list."""
        return cls(
            run_id=run.id,
            name=run.name,
            revision=run.revision,
            state=run.state.value,
            ran_on="databricks" if run.ran_on == "databricks" else "local",
            reason=run.reason,
            isolation=run.isolation,
            parameters=dict(run.parameters) or None,
            cells_done=len(cells),
            cells_total=run.cells_total,
            exit_value=run.exit_value,
            error=run.error,
            started_at=run.started_at.isoformat() if run.started_at else None,
            seconds=_seconds(run),
            cost=expected_cost(run),
            cells=None if is_short else _cells(run, cells),
            next=_next(run),
        )


class CallAnswer(Answer):
    """A call that took too long to wait for; `answer` is what it would have answered."""

    run_id: str
    name: str
    tool: str
    state: str
    ran_on: Literal["local", "databricks"] = "local"
    reason: str
    parameters: dict[str, str]
    answer: AnyObject | None = None
    error: str | None = None
    started_at: str | None = None
    seconds: float | None = None
    next: str | None = None

    @classmethod
    def of(cls, run: Run, *, is_short: bool = False) -> "CallAnswer":
        """Take over the record of a run; a short one is a line of a list."""
        parameters = dict(run.parameters)
        has_answer = run.exit_value is not None and not is_short
        return cls(
            run_id=run.id,
            name=run.name,
            tool=parameters.pop("tool"),
            state=run.state.value,
            reason=run.reason,
            parameters=parameters,
            answer=json.loads(run.exit_value or "") if has_answer else None,
            error=run.error,
            started_at=run.started_at.isoformat() if run.started_at else None,
            seconds=_seconds(run),
            next=_next(run),
        )


class StoppedRun(Answer):
    """What became of a run that was to stop."""

    run_id: str
    name: str
    state: str
    error: str | None = None
    next: str | None = None

    @classmethod
    def of(cls, run: Run) -> "StoppedRun":
        """Take over the record of a run."""
        return cls(
            run_id=run.id, name=run.name, state=run.state.value, error=run.error, next=_next(run)
        )


class OneRun(Answer):
    """The run of a job, as get_run shows it."""

    run: AnyObject


class RunsAnswer(Answer):
    """One run, or a page of runs, the newest first.

    Each as `RunAnswer`, `JobRunAnswer` or `CallAnswer` has it.
    """

    run: AnyObject | None = None
    runs: list[AnyObject] | None = None
    truncated: bool | None = None
    cursor: str | None = None


def expected_cost(run: Run) -> dict[str, JsonValue] | None:
    """What a run on Databricks was expected to cost before it began."""
    found: Any = run.remote.get("cost")
    return found


def _seconds(run: Run) -> float | None:
    if run.started_at is None or run.ended_at is None:
        return None
    return round((run.ended_at - run.started_at).total_seconds(), 3)


def _cells(run: Run, cells: Sequence[CellRun]) -> list[dict[str, JsonValue]]:
    """The cells with as much of their outputs as fits; errors come before everything else."""
    left = _TEXT_CHARS_MAX
    answers: list[tuple[int, dict[str, JsonValue]]] = []
    for cell in sorted(cells, key=lambda each: each.state is RunState.SUCCESS):
        size = len(str(cell.outputs))
        is_shown = size <= left or cell.state is RunState.FAILED
        left -= size if is_shown else 0
        is_cut = not is_shown or any(_is_cut(output) for output in cell.outputs)
        facts: dict[str, Any] = {
            "cell": cell.index,
            "kind": cell.kind,
            "title": cell.title,
            "state": cell.state.value,
            "seconds": cell.seconds,
            "outputs": [dict(output) for output in cell.outputs] or None if is_shown else None,
            "uri": f"lake://runs/{run.id}/cells/{cell.index}" if is_cut else None,
        }
        known = {name: value for name, value in facts.items() if value is not None}
        answers.append((cell.index, known))
    return [known for _, known in sorted(answers, key=lambda each: each[0])]


def _is_cut(output: object) -> bool:
    if not isinstance(output, dict):
        return False
    rows = output.get("rows")
    is_short = isinstance(rows, list) and len(rows) < output.get("row_count", 0)
    return is_short or "chars" in output or output.get("type") in {"image", "note"}


def _next(run: Run) -> str | None:
    if not run.state.is_ended:
        return follow(run.id)
    if run.state is RunState.FAILED and run.trigger == CALL:
        return "Do what the error says, and call again."
    if run.state is RunState.FAILED:
        return "Correct the cell that failed, save the notebook and run it again."
    if run.state is RunState.LOST:
        return "Nobody knows how far it came. Check what it writes, then run it again."
    return None
