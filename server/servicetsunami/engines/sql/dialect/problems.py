"""The refusals and analysis errors of the dialect, in Databricks' words."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from servicetsunami.errors import InvalidInput, SqlRefused

_SHOWN_CHARS: Final = 300


def refused(construct: str, alternative: str) -> SqlRefused:
    """Refuse a construct by its name, with what to write instead."""
    return SqlRefused(f"{_short(construct)} is not supported in local SQL.", alternative)


def mismatch(what: str) -> InvalidInput:
    """Say that the types do not fit; Databricks would refuse the statement as well."""
    return InvalidInput(
        f"[DATATYPE_MISMATCH] {_short(what)}.", "Cast the argument to the type it needs."
    )


def wrong_arguments(function: str, given: int, wanted: str) -> InvalidInput:
    """Say how many arguments the function takes."""
    return InvalidInput(
        f"[WRONG_NUM_ARGS] {function} takes {wanted} arguments, {given} are given.",
        "Correct the call.",
    )


def unknown_column(name: str, known: Iterable[str]) -> InvalidInput:
    """Name the columns that do exist, the nearest first."""
    names = list(dict.fromkeys(known))
    lower = {found.lower(): found for found in names}
    near = [lower[hit] for hit in get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)]
    ordered = [*near, *(found for found in names if found not in near)]
    shown = ", ".join(ordered[:40]) + (", …" if len(ordered) > 40 else "")
    hint = f"The columns here are: {shown}." if ordered else "There are no columns here."
    return InvalidInput(f"[UNRESOLVED_COLUMN] There is no column {_short(name)!r}.", hint)


def ambiguous_column(name: str) -> InvalidInput:
    """Say that more than one table has the column."""
    return InvalidInput(
        f"[AMBIGUOUS_REFERENCE] The column {_short(name)!r} is in more than one table here.",
        "Write the table's name or alias before it.",
    )


def unknown_function(name: str, known: Iterable[str]) -> SqlRefused:
    """Name the nearest functions that are known."""
    near = get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    return SqlRefused(
        f"The function {_short(name)!r} is not supported in local SQL.",
        f"{hint}The reference page sql.md lists every function that is.",
    )


def _short(text: str) -> str:
    """What somebody wrote, short enough to be said back."""
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
