"""Reads filters of a search: SQL as it is, or an object in the grammar of Databricks' filters_json.

`{"n >=": 3}`, `{"tag": ["a", "b"]}`, `{"tag NOT": "a"}`, `{"text LIKE": "word"}` and
`{"a OR b": [1, 2]}`; several keys have to hold together. Values become parameters, never text of a
statement.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from servicetsunami.errors import InvalidInput

_KEY: Final = re.compile(r"(?P<column>\w+)(?:\s+(?P<operator><=|>=|<|>|NOT|LIKE))?")
_KNOWN: Final = (
    'Use {"column": value}, a list of values, or a key such as "column >=", "column NOT", '
    '"column LIKE" or "a OR b"; or give SQL such as "n > 3 AND tag = \'x\'".'
)


def condition(
    filters: str | Mapping[str, JsonValue],
) -> tuple[str, dict[str, JsonValue]]:
    """The condition of a WHERE, and its parameters; raises InvalidInput."""
    if isinstance(filters, str):
        return f"({filters})", {}
    parameters: dict[str, JsonValue] = {}
    parts = [_part(key, value, parameters) for key, value in filters.items()]
    return " AND ".join(parts), parameters


def _part(key: str, value: JsonValue, parameters: dict[str, JsonValue]) -> str:
    columns = re.split(r"\s+OR\s+", key.strip())
    if len(columns) > 1:
        if not isinstance(value, list) or len(value) != len(columns):
            raise InvalidInput(f"The filter {key!r} needs a list of {len(columns)} values.", _KNOWN)
        each = [_one(c, v, parameters) for c, v in zip(columns, value, strict=True)]
        return f"({' OR '.join(each)})"
    return _one(columns[0], value, parameters)


def _one(key: str, value: JsonValue, parameters: dict[str, JsonValue]) -> str:
    found = _KEY.fullmatch(key)
    if found is None:
        raise InvalidInput(f"The filter {key[:80]!r} cannot be understood.", _KNOWN)
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
            f"The filter {key[:80]!r} has a value that cannot be compared: {value!r}.", _KNOWN
        )
    name = f"f{len(parameters)}"
    parameters[name] = value
    return f":{name}"
