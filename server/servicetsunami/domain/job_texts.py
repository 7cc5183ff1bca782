"""The texts that tasks run: SQL statements and Python, given in the job or saved as notebooks."""

from collections.abc import Mapping
from typing import Any

from servicetsunami.domain.job import Task, TaskKind
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.notebook_cells import CellKind, parse

_BREAK = "\n\n# COMMAND ----------\n\n"


def text_name(work: Mapping[str, Any]) -> str | None:
    """The saved notebook whose text a SQL or Python task runs; None where the job has the text."""
    if "python_file" in work:
        return str(NotebookName.parse(str(work["python_file"])))
    if "file" in work:
        file = work["file"]
        return str(NotebookName.parse(str(file.get("path") if isinstance(file, Mapping) else file)))
    return None


def statements_of(work: Mapping[str, Any], saved: str | None) -> list[str]:
    """The SQL statements of a task, one after the other; `saved` is the text of its notebook."""
    if saved is None:
        return [str(work["statement"])]
    return [cell.source for cell in parse(saved).cells if cell.kind is CellKind.SQL]


def python_of(work: Mapping[str, Any], saved: str | None) -> str:
    """The Python of a task, in cells as a notebook has them."""
    if saved is None:
        return str(work["code"])
    cells = [cell for cell in parse(saved).cells if cell.kind is CellKind.PYTHON]
    return _BREAK.join(cell.source for cell in cells)


def as_notebook(python: str, argv: list[str]) -> str:
    """A notebook that runs a Python text with these arguments."""
    first = f"# Databricks notebook source\nimport sys\nsys.argv = {argv!r}"
    return f"{first}{_BREAK}{python}\n"


def has_text(task: Task) -> bool:
    """Whether a task runs a text of its own, rather than a notebook or a job."""
    return task.kind in {TaskKind.SQL, TaskKind.PYTHON}
