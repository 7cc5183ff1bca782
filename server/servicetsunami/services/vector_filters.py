"""Reads filters of a search: SQL as it is, or an object in the grammar of Databricks' filters_json.

`{"n >=": 3}`, `{"tag": ["a", "b"]}`, `{"tag NOT": "a"}`, `{"text LIKE": "word"}` and
`{"a OR b": [1, 2]}`; several keys have to hold together. Values become parameters, never text of a
statement. SQL is one condition that closes what it opens, so that it cannot go on where it ends.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from servicetsunami.errors import InvalidInput

_KEY: Final = re.compile(r"(?P<column>\w{1,255})(?:\s+(?P<operator><=|>=|<|>|NOT|LIKE))?")
_KNOWN: Final = (
    'Use {"column": value}, a list of values, or a key such as "column >=", "column NOT", '
    '"column LIKE" or "a OR b"; or give SQL such as "n > 3 AND tag = \'x\'".'
)
_SQL_CHARS_MAX: Final = 20_000
_SHOWN_CHARS: Final = 80
_OPEN: Final = {")": "(", "]": "[", "}": "{"}
_PIECE: Final = re.compile(
    r"""
    (?<!\w)[rR](?:'[^']*'|"[^"]*")         # a string without escapes
    | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*"  # one with
    | `[^`]*`
    | (?P<end>--|/\*|;|['"`])               # what is left of quotes has no partner
    | (?P<bracket>[()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)


def condition(
    filters: str | Mapping[str, JsonValue],
) -> tuple[str, dict[str, JsonValue]]:
    """The condition of a WHERE, and its parameters; raises InvalidInput."""
    if isinstance(filters, str):
        _check(filters)
        return f"({filters})", {}
    parameters: dict[str, JsonValue] = {}
    parts = [_part(key, value, parameters) for key, value in filters.items()]
    return " AND ".join(parts), parameters


def _check(sql: str) -> None:
    """Raise InvalidInput unless all quotes and brackets are closed, each by its own."""
    if len(sql) > _SQL_CHARS_MAX:
        raise InvalidInput(
            f"The filter has {len(sql)} characters.", f"Use at most {_SQL_CHARS_MAX}."
        )
    opened: list[str] = []
    for found in _PIECE.finditer(sql):
        sign = found["end"] or found["bracket"]
        if found["bracket"] in _OPEN.values():
            opened.append(sign)
        elif found["end"] or (sign and (not opened or opened.pop() != _OPEN[sign])):
            raise InvalidInput(
                f"The filter cannot be understood from {sql[found.start() :][:_SHOWN_CHARS]!r} on.",
                "Give one condition, without comments, whose quotes and brackets are closed.",
            )
    if opened:
        raise InvalidInput(f"The filter does not close {opened[-1]!r}.", _KNOWN)


def _part(key: str, value: JsonValue, parameters: dict[str, JsonValue]) -> str:
    columns = re.split(r"\s+OR\s+", key.strip())
    if len(columns) > 1:
        if not isinstance(value, list) or len(value) != len(columns):
            raise InvalidInput(
                f"The filter {key[:_SHOWN_CHARS]!r} needs a list of {len(columns)} values.", _KNOWN
            )
        each = [_one(c, v, parameters) for c, v in zip(columns, value, strict=True)]
        return f"({' OR '.join(each)})"
    return _one(columns[0], value, parameters)


def _one(key: str, value: JsonValue, parameters: dict[str, JsonValue]) -> str:
    found = _KEY.fullmatch(key)
    if found is None:
        raise InvalidInput(f"The filter {key[:_SHOWN_CHARS]!r} cannot be understood.", _KNOWN)
    column, operator = f"`{found['column']}`", found["operator"] or "="
    if isinstance(value, list) and operator in {"=", "NOT"}:
        if not value:
            return "FALSE" if operator == "=" else "TRUE"
        listed = ", ".join(_parameter(each, key, parameters) for each in value)
        return f"{column} {'NOT ' if operator == 'NOT' else ''}IN ({listed})"
    name = _parameter(value, key, parameters)
    if operator == "LIKE":
        return f"contains(lower({column}), lower({name}))"
    return f"{column} {'<>' if operator == 'NOT' else operator} {name}"


def _parameter(value: JsonValue, key: str, parameters: dict[str, JsonValue]) -> str:
    if value is None or isinstance(value, (list, dict)):
        raise InvalidInput(
            f"The filter {key[:_SHOWN_CHARS]!r} has a value that cannot be compared: "
            f"{str(value)[:_SHOWN_CHARS]}.",
            _KNOWN,
        )
    name = f"f{len(parameters)}"
    parameters[name] = value
    return f":{name}"
