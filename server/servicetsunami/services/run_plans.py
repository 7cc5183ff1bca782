"""Works out what a run has to do: which text, which cells, and whose text comes in by `%run`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.notebook_cells import (
    Cell,
    CellKind,
    ParsedNotebook,
    parse,
    read_run,
    with_parameters,
)
from servicetsunami.errors import InvalidInput, LimitExceeded
from servicetsunami.services.notebooks import Notebooks
from servicetsunami.services.routing import RunOn

_INCLUDES_MAX: Final = 5
_CELLS_MAX: Final = 1_000
_PARAMETERS_MAX: Final = 100
_PARAMETER_CHARS_MAX: Final = 10_000
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is to be run: a saved notebook by `name`, or `content`; one of the two."""

    name: str | None
    content: str | None
    parameters: Mapping[str, str]
    run_on: RunOn = "auto"
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do. `notebook` is None for a text that was never saved."""

    name: str
    notebook: NotebookName | None
    revision: int | None
    content: str
    parsed: ParsedNotebook
    cells: Sequence[Cell]
    parameters: Mapping[str, str]


class RunPlans:
    """Reads notebooks, and puts those that they include in their place."""

    def __init__(self, notebooks: Notebooks) -> None:
        self._notebooks = notebooks

    async def make(self, caller: Caller, request: RunRequest) -> Plan:
        """Find the text and all that it includes.

        Raises NotFound, InvalidInput for a text that cannot run, LimitExceeded for one too long.
        """
        parameters = _checked(request.parameters)
        if (request.name is None) == (request.content is None):
            raise InvalidInput(
                "A run needs to know what to run.", "Give either `name` or `content`."
            )
        name, revision = None, None
        content = request.content
        if content is None:
            name = NotebookName.parse(request.name or "")
            notebook, text = await self._notebooks.load(caller, name)
            content, revision = text.content, notebook.revision
        parsed = parse(content)
        given = with_parameters(parsed.cells, parameters)
        cells = await self._included(caller, given, name or NotebookName("unsaved"), depth=0)
        if not any(cell.runs for cell in cells):
            raise InvalidInput("The notebook has no cell to run.", "Add a Python or SQL cell.")
        if len(cells) > _CELLS_MAX:
            raise LimitExceeded(
                f"The run has {len(cells)} cells; {_CELLS_MAX} may be.", "Split the notebook."
            )
        return Plan(
            name=str(name or "unsaved"),
            notebook=name,
            revision=revision,
            content=content,
            parsed=parsed,
            cells=cells,
            parameters=parameters,
        )

    async def _included(
        self, caller: Caller, cells: Sequence[Cell], name: NotebookName, *, depth: int
    ) -> list[Cell]:
        """The cells, with those of other notebooks in the place of each `%run`."""
        result: list[Cell] = []
        for cell in cells:
            if cell.kind is not CellKind.RUN:
                result.append(cell)
                continue
            if depth == _INCLUDES_MAX:
                raise InvalidInput(
                    f"%run goes more than {_INCLUDES_MAX} notebooks deep, or in a circle.",
                    "Include fewer notebooks.",
                )
            called = read_run(cell)
            other = name.beside(called.path)
            _, text = await self._notebooks.load(caller, other)
            if called.parameters:
                declared = [
                    f"dbutils.widgets.text({name!r}, {value!r})"
                    for name, value in called.parameters.items()
                ]
                code = "\n".join(declared)
                result.append(Cell(kind=CellKind.PYTHON, source=code, title=f"%run {other}"))
            inner = await self._included(caller, parse(text.content).cells, other, depth=depth + 1)
            result += [replace(each, title=each.title or f"%run {other}") for each in inner]
        return result


def _checked(parameters: Mapping[str, str]) -> dict[str, str]:
    if len(parameters) > _PARAMETERS_MAX:
        raise LimitExceeded(f"More than {_PARAMETERS_MAX} parameters.", "Put them into a dataset.")
    for name, value in parameters.items():
        if not _KEY.fullmatch(name):
            raise InvalidInput(
                f"{name!r} cannot name a parameter.", "Use letters, digits, _, - and dots."
            )
        if len(value) > _PARAMETER_CHARS_MAX:
            raise LimitExceeded(
                f"The parameter {name} is longer than {_PARAMETER_CHARS_MAX} characters, which "
                "Databricks would not take.",
                "Put the value into a dataset.",
            )
    return dict(parameters)
