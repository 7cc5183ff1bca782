"""Databricks type text, and its counterparts in Arrow and DuckDB."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

_SIMPLE = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "timestamp_ntz": "TIMESTAMP",
    "string": "VARCHAR",
    "binary": "BLOB",
}
_ALIASES = {
    "bool": "boolean",
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "long": "bigint",
    "real": "float",
    "number": "double",
    "numeric": "decimal",
    "dec": "decimal",
    "text": "string",
    "varchar": "string",
    "str": "string",
    "datetime": "timestamp",
}
_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_DECIMAL = re.compile(r"decimal(?:\((\d{1,2})(?:,(\d{1,2}))?\))?")


def is_integer(kind: str) -> bool:
    """Tell whether the type text is one of the whole-number types."""
    return kind in _INTEGERS


def is_nested(kind: str) -> bool:
    """Tell whether the type text is an array, a map or a struct."""
    return kind.startswith(("array<", "map<", "struct<"))


def normal_type(text: str) -> str:
    """Give the one spelling of a type that a person wrote; raises InvalidInput if it is none."""
    words = re.sub(r"\s*([<>(),:])\s*", r"\1", text.strip())
    kind, rest = _parse(words)
    if rest:
        raise _unknown(text)
    return kind


def _unknown(text: str) -> InvalidInput:
    known = ", ".join((*_SIMPLE, "decimal(p,s)", "array<…>", "map<…,…>", "struct<name:…>"))
    return InvalidInput(f"{text!r} is not a column type.", f"Use one of {known}.")


def _parse(text: str) -> tuple[str, str]:
    """Read one type from the start of the text, and give the rest."""
    for kind, reader in (
        ("array<", _parse_array),
        ("map<", _parse_map),
        ("struct<", _parse_struct),
    ):
        if text.lower().startswith(kind):
            return reader(text[len(kind) :])
    head = re.match(r"\w+(\([\d,]*\))?", text)
    if head is None:
        raise _unknown(text)
    return _scalar(head.group()), text[head.end() :]


def _scalar(text: str) -> str:
    word, _, arguments = text.lower().partition("(")
    word = _ALIASES.get(word, word)
    if word in _SIMPLE and (not arguments or word == "string"):
        return word
    found = _DECIMAL.fullmatch(f"{word}({arguments}" if arguments else word)
    if found is None:
        raise _unknown(text)
    precision, scale = int(found.group(1) or 10), int(found.group(2) or 0)
    if not 1 <= precision <= 38 or scale > precision:
        raise _unknown(text)
    return f"decimal({precision},{scale})"


def _expect(text: str, sign: str) -> str:
    if not text.startswith(sign):
        raise _unknown(text)
    return text[1:]


def _parse_array(text: str) -> tuple[str, str]:
    element, rest = _parse(text)
    return f"array<{element}>", _expect(rest, ">")


def _parse_map(text: str) -> tuple[str, str]:
    key, rest = _parse(text)
    value, rest = _parse(_expect(rest, ","))
    return f"map<{key},{value}>", _expect(rest, ">")


def _parse_struct(text: str) -> tuple[str, str]:
    fields: list[str] = []
    while True:
        name = re.match(r"`?(\w+)`?", text)
        if name is None:
            raise _unknown(text)
        kind, text = _parse(_expect(text[name.end() :], ":"))
        fields.append(f"{name.group(1)}:{kind}")
        if not text.startswith(","):
            return f"struct<{','.join(fields)}>", _expect(text, ">")
        text = text[1:]


def struct_fields(kind: str) -> list[tuple[str, str]]:
    """Give the names and types of a struct's fields, from normal type text."""
    rest, fields = "," + kind[len("struct<") :], []
    while rest.startswith(","):
        name, _, rest = rest[1:].partition(":")
        inner, rest = _parse(rest)
        fields.append((name, inner))
    return fields


def element_types(kind: str) -> list[str]:
    """Give the type of an array's elements, or those of a map's keys and values."""
    first, rest = _parse(kind.partition("<")[2])
    return [first, _parse(rest[1:])[0]] if rest.startswith(",") else [first]


def duckdb_type(kind: str) -> str:
    """Translate normal type text of a scalar to DuckDB's."""
    return _SIMPLE.get(kind, kind.upper())


def type_text(kind: pa.DataType) -> str:
    """Give the Databricks type text of an Arrow type that a Delta table can hold."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_list(kind):
        return f"array<{type_text(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{type_text(kind.key_type)},{type_text(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name}:{type_text(field.type)}' for field in kind)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp_ntz"
    names = {
        pa.bool_(): "boolean",
        pa.int8(): "tinyint",
        pa.int16(): "smallint",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.date32(): "date",
        pa.string(): "string",
        pa.binary(): "binary",
    }
    return names[kind]


def arrow_type(kind: str) -> pa.DataType:
    """Translate normal type text to the Arrow type that our streams use for it."""
    import pyarrow as pa  # noqa: PLC0415

    if kind.startswith("struct<"):
        return pa.struct([(name, arrow_type(inner)) for name, inner in struct_fields(kind)])
    if kind.startswith("array<"):
        return pa.list_(arrow_type(element_types(kind)[0]))
    if kind.startswith("map<"):
        return pa.map_(*map(arrow_type, element_types(kind)))
    word, _, arguments = kind.partition("(")
    if word == "decimal":
        precision, scale = arguments.rstrip(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return _arrow_scalar(word)


def _arrow_scalar(word: str) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    return {
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "timestamp_ntz": pa.timestamp("us"),
        "string": pa.string(),
        "binary": pa.binary(),
    }[word]
