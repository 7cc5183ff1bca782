"""Reads the fields of a definition; every error says where, which field, and what it may be."""

import difflib
from collections.abc import Mapping
from typing import Any

from servicetsunami.domain.job import RunIf
from servicetsunami.errors import InvalidInput


def only_known(given: Mapping[str, Any], fields: set[str], where: str) -> None:
    """Refuse fields that nobody reads."""
    for name in given:
        if name not in fields:
            raise InvalidInput(f"{where} has no field {name!r}.", nearest(name, fields))


def nearest(name: object, known: Any) -> str:  # noqa: ANN401 - any names
    """What to do about a name that is not known."""
    near = difflib.get_close_matches(str(name), sorted(map(str, known)), n=3, cutoff=0.4)
    return (
        f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(sorted(known)[:20])}."
    )


def mapping(given: object, where: str, field: str) -> Mapping[str, Any]:
    """An object; raises InvalidInput for anything else."""
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{where}: {field} is no object.", "Give an object of names and values.")
    return given


def needed(given: Mapping[str, Any], field: str, where: str) -> str:
    """A text that has to be there; numbers become one."""
    value = given.get(field)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or (not value and field not in {"left", "right"}):
        raise InvalidInput(f"{where} needs the text {field!r}.", "Add it.")
    return value


def whole(
    given: Mapping[str, Any], field: str, where: str, *, default: int, bounds: tuple[int, int]
) -> int:
    """A whole number within bounds, both included."""
    low, high = bounds
    value = given.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(
            f"{where}: {field} cannot be {value!r}.", f"Use a whole number from {low} to {high}."
        )
    return value


def one_of(value: object, kind: type[RunIf], where: str, field: str) -> RunIf:
    """A member of an enumeration by its value."""
    try:
        return kind(str(value))
    except ValueError as error:
        raise InvalidInput(
            f"{where}: {field} cannot be {value!r}.", f"Use one of {', '.join(kind)}."
        ) from error
