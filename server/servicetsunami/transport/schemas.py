"""Shortens the JSON schemas of tools: every word of them is paid for in each conversation."""

from typing import Any

_NULL = {"type": "null"}
_NAMED = ("properties", "$defs")
"""Below these keys stand names chosen by us, not keywords of JSON schema."""


def published_input(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out generated titles, and say "optional" by not requiring rather than by null."""
    return _shortened(schema, drop=frozenset({"title"}))


def published_output(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out also what only a reader of our code needs; what is valid stays valid."""
    drop = frozenset({"title", "description", "additionalProperties", "default"})
    return _shortened(schema, drop=drop)


def _shortened(schema: dict[str, Any], *, drop: frozenset[str]) -> dict[str, Any]:
    schema = _without_null(schema)
    short: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED:
            short[key] = {name: _shortened(part, drop=drop) for name, part in value.items()}
        elif key not in drop:
            short[key] = _part(value, drop=drop)
    return short


def _part(value: Any, *, drop: frozenset[str]) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(value, dict):
        return _shortened(value, drop=drop)
    return [_part(each, drop=drop) for each in value] if isinstance(value, list) else value


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Turn "X or null, by default null" into X: what is left out needs no null."""
    if schema.get("default", _NULL) is not None or "anyOf" not in schema:
        return schema
    others = [each for each in schema["anyOf"] if each != _NULL]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**others[0], **rest} if len(others) == 1 else {**rest, "anyOf": others}
