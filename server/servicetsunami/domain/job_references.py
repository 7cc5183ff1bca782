"""References in a job's texts: `{{job.parameters.x}}`, `{{tasks.a.values.k}}`, `{{input}}`.

The names are those of Databricks' dynamic value references.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from servicetsunami.errors import InvalidInput

_REFERENCE: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_JOB: Final = frozenset(
    {"id", "name", "run_id", "repair_count", "start_time.iso_date", "start_time.iso_datetime"}
    | {"start_time.timestamp_ms", "trigger.type"}
)
_TASK: Final = frozenset({"name", "run_id", "execution_count"})
_OF_TASK: Final = frozenset(
    {"result_state", "execution_count", "run_id", "outcome", "values", "output"}
)
_KNOWN: Final = "known are job.parameters.x, job.run_id, tasks.x.values.k and input"
_INPUT: Final = "input"
Lookup = Callable[[str], object]


def references(value: object) -> Iterator[str]:
    """All paths that are referred to anywhere in a JSON value."""
    if isinstance(value, str):
        yield from (found[1] for found in _REFERENCE.finditer(value))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolve(value: object, lookup: Lookup) -> object:
    """The same JSON value with every reference in its texts replaced; what is no text becomes JSON.

    Raises whatever `lookup` raises for a path that has no value.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: as_text(lookup(found[1])), value)
    if isinstance(value, Mapping):
        return {key: resolve(each, lookup) for key, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, lookup) for each in value]
    return value


def as_text(value: object) -> str:
    """A value as it stands in a text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def split(path: str) -> list[str]:
    """The parts of a path; `tasks.[my-task].values.k` may put brackets around odd names."""
    return [part.strip("[]`") for part in re.findall(r"\[[^\]]*\]|`[^`]*`|[^.]+", path)]


def check(
    path: str, *, parameters: Mapping[str, str], before: frozenset[str], has_input: bool
) -> None:
    """Raise InvalidInput for a reference that could never have a value."""
    head, *rest = split(path) or [""]
    if head == _INPUT:
        if not has_input:
            raise _unknown(path, "{{input}} has a value inside of a for_each_task only")
    elif head == "job" and rest[:1] == ["parameters"]:
        if ".".join(rest[1:]) not in parameters:
            declared = ", ".join(parameters) or "none"
            raise _unknown(path, f"the job declares these parameters: {declared}")
    elif head == "tasks" and len(rest) > 1:
        _check_task(path, rest, before)
    elif ".".join(rest) not in {"job": _JOB, "task": _TASK}.get(head, ()):
        raise _unknown(path, _KNOWN)


def _check_task(path: str, rest: list[str], before: frozenset[str]) -> None:
    if rest[0] not in before:
        known = ", ".join(sorted(before)) or "none"
        raise _unknown(path, f"the tasks that end before it are: {known}")
    if rest[1] not in _OF_TASK:
        raise _unknown(path, _KNOWN)


def _unknown(path: str, why: str) -> InvalidInput:
    return InvalidInput(f"{{{{{path}}}}} refers to nothing: {why}.", "Correct the reference.")
