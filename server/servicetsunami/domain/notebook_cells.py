"""Reads notebooks: cells out of Databricks SOURCE and Jupyter texts, and texts out of cells.

The SOURCE format is that of `databricks workspace export`: the first line names it, a line of
`COMMAND ----------` separates cells, and cells of another language are comments behind `MAGIC`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from servicetsunami.domain.notebook import NotebookFormat
from servicetsunami.errors import InvalidInput

_COMMENT: Final = {"python": "#", "sql": "--"}
_HEADER: Final = re.compile(r"(#|--|//) Databricks notebook source\s*")
_SEPARATOR: Final = re.compile(r"(?:#|--) COMMAND -{10}[ \t]*")
_MAGIC: Final = re.compile(r"(?:#|--) MAGIC ?")
_TITLE: Final = re.compile(r"(?:#|--) DBTITLE \d+,(.*)")
_WORD: Final = re.compile(r"%%?(\w+)")
_RUN: Final = re.compile(r"%run\s+(?:\"([^\"]+)\"|'([^']+)'|(\S+))(.*)", re.DOTALL)
_GIVEN: Final = re.compile(r"\$(\w+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))")
_TITLE_KEY: Final = "application/vnd.databricks.v1+cell"


class CellKind(StrEnum):
    """What a cell holds, by its language magic."""

    PYTHON = "python"
    SQL = "sql"
    MARKDOWN = "md"
    RUN = "run"
    PIP = "pip"
    SHELL = "sh"
    OTHER = "other"
    """Scala, R or something else that only a cluster can run."""


_KINDS: Final = {kind.value: kind for kind in CellKind} | {
    "bash": CellKind.SHELL,
    "markdown": CellKind.MARKDOWN,
    "scala": CellKind.OTHER,
    "r": CellKind.OTHER,
    "fs": CellKind.OTHER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell; `source` is without the line that names its language.

    `is_parameters` is set for a Jupyter cell with the tag `parameters`.
    """

    kind: CellKind
    source: str
    title: str | None = None
    is_parameters: bool = False

    @property
    def runs(self) -> bool:
        """Whether there is something to execute."""
        return self.kind is not CellKind.MARKDOWN and bool(self.source.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedNotebook:
    """The cells of a text, and the language of those that name none."""

    format: NotebookFormat
    language: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCall:
    """What a `%run` cell asks for."""

    path: str
    parameters: Mapping[str, str]


def parse(content: str) -> ParsedNotebook:
    """Read a notebook of either format.

    Text that is neither is taken as one Python cell. Raises InvalidInput for broken Jupyter JSON
    and for notebooks whose own language is neither Python nor SQL.
    """
    text = content.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        return _parse_jupyter(text)
    return _parse_source(text)


def read_run(cell: Cell) -> RunCall:
    """Read a `%run` cell; raises InvalidInput without a path."""
    found = _RUN.fullmatch("%run " + cell.source.strip())
    if found is None:
        raise InvalidInput("A %run cell names no notebook.", "Write %run ./other_notebook.")
    path = next(group for group in found.groups()[:3] if group)
    given = {
        name: double or single or bare
        for name, double, single, bare in _GIVEN.findall(found.group(4))
    }
    return RunCall(path=path, parameters=given)


def to_source(notebook: ParsedNotebook) -> str:
    """Write cells as Databricks SOURCE."""
    mark = _COMMENT[notebook.language]
    parts = [_source_cell(cell, notebook.language, mark) for cell in notebook.cells]
    separator = f"\n\n{mark} COMMAND ----------\n\n"
    return f"{mark} Databricks notebook source\n{separator.join(parts)}\n"


def to_jupyter(notebook: ParsedNotebook) -> str:
    """Write cells as Jupyter JSON, nbformat 4.5, without outputs."""
    cells = [_jupyter_cell(cell, notebook.language, n) for n, cell in enumerate(notebook.cells)]
    content = {
        "cells": cells,
        "metadata": {"language_info": {"name": notebook.language}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _parse_source(text: str) -> ParsedNotebook:
    lines = text.replace("\r\n", "\n").split("\n")
    language = "python"
    header = _HEADER.fullmatch(lines[0])
    if header is not None:
        if header.group(1) == "//":
            raise InvalidInput(
                "Scala notebooks cannot run here.", "Use a Python or SQL notebook, or Databricks."
            )
        language = "sql" if header.group(1) == "--" else "python"
        lines = lines[1:]
    chunks: list[list[str]] = [[]]
    for line in lines:
        if header is not None and _SEPARATOR.fullmatch(line):
            chunks.append([])
        else:
            chunks[-1].append(line)
    cells = [_cell_of(chunk, language) for chunk in map(_trimmed, chunks) if chunk]
    return ParsedNotebook(format=NotebookFormat.SOURCE, language=language, cells=tuple(cells))


def _trimmed(lines: Sequence[str]) -> list[str]:
    """The lines without the blank ones around them."""
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    last = next((at for at in range(len(lines), 0, -1) if lines[at - 1].strip()), first)
    return list(lines[first:last])


def _cell_of(lines: list[str], language: str) -> Cell:
    title = None
    found = _TITLE.fullmatch(lines[0])
    if found is not None:
        title, lines = found.group(1).strip(), _trimmed(lines[1:])
    if lines and all(_MAGIC.match(line) for line in lines):
        text = "\n".join(_MAGIC.sub("", line, count=1) for line in lines)
        return _magic_cell(text, title, language)
    return Cell(kind=_KINDS[language], source="\n".join(lines), title=title)


def _magic_cell(text: str, title: str | None, language: str, **more: Any) -> Cell:  # noqa: ANN401
    """A cell whose first line may name its language; else it is of the notebook's own."""
    found = _WORD.match(text)
    kind = _KINDS.get(found.group(1).lower()) if found else None
    if found is None or kind is None:
        # Such as %time: IPython knows what it means.
        return Cell(kind=_KINDS[language], source=text, title=title, **more)
    return Cell(
        kind=kind, source=text[found.end() :].lstrip(" \t").lstrip("\n"), title=title, **more
    )


def _parse_jupyter(text: str) -> ParsedNotebook:
    try:
        content = json.loads(text)
        cells = content["cells"]
        metadata = content.get("metadata") or {}
        language = str((metadata.get("language_info") or {}).get("name", "python")).lower()
        if language not in _COMMENT:
            raise InvalidInput(
                f"Notebooks in {language} cannot run here.", "Use a Python or SQL notebook."
            )
        read = tuple(_from_jupyter(cell, language) for cell in cells)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"That is not a Jupyter notebook: {error!r}.",
            "Give nbformat 4 JSON with `cells`, or Databricks SOURCE text.",
        ) from error
    return ParsedNotebook(format=NotebookFormat.JUPYTER, language=language, cells=read)


def _from_jupyter(cell: Mapping[str, Any], language: str) -> Cell:
    source = cell.get("source") or ""
    text = source if isinstance(source, str) else "".join(source)
    metadata = cell.get("metadata") or {}
    title = (metadata.get(_TITLE_KEY) or {}).get("title") or None
    if cell["cell_type"] != "code":
        return Cell(kind=CellKind.MARKDOWN, source=text, title=title)
    is_parameters = "parameters" in (metadata.get("tags") or ())
    return _magic_cell(text, title, language, is_parameters=is_parameters)


def _source_cell(cell: Cell, language: str, mark: str) -> str:
    head = [f"{mark} DBTITLE 1,{cell.title}"] if cell.title else []
    if cell.kind is _KINDS[language] and not cell.source.startswith("%"):
        return "\n".join([*head, cell.source])
    lines = _with_magic(cell, language).split("\n")
    return "\n".join([*head, *(f"{mark} MAGIC {line}".rstrip() for line in lines)])


def _with_magic(cell: Cell, language: str) -> str:
    """The text with the line that names its language, where that is not the notebook's own."""
    if cell.kind is _KINDS[language]:
        return cell.source
    gap = " " if cell.kind in {CellKind.RUN, CellKind.PIP} else "\n"
    return f"%{cell.kind.value}{gap}{cell.source}"


def _jupyter_cell(cell: Cell, language: str, number: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {_TITLE_KEY: {"title": cell.title}} if cell.title else {}
    if cell.is_parameters:
        metadata["tags"] = ["parameters"]
    common = {"id": f"cell-{number}", "metadata": metadata}
    if cell.kind is CellKind.MARKDOWN:
        return common | {"cell_type": "markdown", "source": cell.source}
    return common | {
        "cell_type": "code",
        "source": _with_magic(cell, language),
        "outputs": [],
        "execution_count": None,
    }


def with_parameters(cells: Iterable[Cell], parameters: Mapping[str, str]) -> list[Cell]:
    """Set the parameters behind the cell tagged `parameters`, as papermill does.

    A notebook without such a cell gets them by `dbutils.widgets` only.
    """
    result: list[Cell] = []
    for cell in cells:
        result.append(cell)
        if cell.is_parameters and parameters:
            named = {k: v for k, v in parameters.items() if k.isidentifier()}
            lines = [f"{name} = {value!r}" for name, value in named.items()]
            injected = Cell(kind=CellKind.PYTHON, source="\n".join(lines), title="Parameters")
            result.append(injected)
    return result
