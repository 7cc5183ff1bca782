"""Column names that Delta, Databricks and people can use without quoting them."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_NAME_LENGTH_MAX = 255
_WARNINGS_MAX = 20
_NOT_A_WORD = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class SafeNames:
    """The names to use, in order, and a sentence for each change worth telling."""

    names: tuple[str, ...]
    warnings: tuple[str, ...]


def safe_names(raw: Sequence[str]) -> SafeNames:
    """Make names of letters, digits and `_` that stay unique when case is ignored.

    Case and letters beyond ASCII are kept. Empty names become `column_<position>`.
    """
    names: list[str] = []
    warnings: list[str] = []
    taken: set[str] = set()
    renamed: list[str] = []
    for position, source in enumerate(raw, start=1):
        plain = _cleaned(source) or f"column_{position}"
        name = _unique(plain, taken)
        taken.add(name.casefold())
        names.append(name)
        if name == source:
            continue
        if name != plain:
            warnings.append(
                f"Column {source[:60]!r} occurs more than once: number {position} is {name[:60]}."
            )
        elif not source.strip():
            warnings.append(f"Column {position} has no name in the file: it is called {name}.")
        else:
            renamed.append(f"{source[:60]!r} is {name[:60]}")
    return SafeNames(tuple(names), (*warnings[:_WARNINGS_MAX], *_renaming(renamed)))


def _renaming(renamed: Sequence[str]) -> tuple[str, ...]:
    if not renamed:
        return ()
    return (f"Renamed to letters, digits and _: {_shortened(renamed)}.",)


def _cleaned(source: str) -> str:
    text = unicodedata.normalize("NFKC", source).strip()
    name = _NOT_A_WORD.sub("_", text).strip("_") if _NOT_A_WORD.search(text) else text
    if name[:1].isdigit():
        name = f"_{name}"
    return name[: _NAME_LENGTH_MAX - 8]


def _unique(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate.casefold() in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def _shortened(items: Sequence[str], *, shown_max: int = 10) -> str:
    rest = len(items) - shown_max
    return ", ".join(items[:shown_max]) + (f" and {rest} more" if rest > 0 else "")
