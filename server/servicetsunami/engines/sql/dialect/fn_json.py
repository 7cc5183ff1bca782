"""JSON text and VARIANT values."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect.casts import cast, text_of, try_cast
from servicetsunami.engines.sql.dialect.coercion import INTEGRAL, NESTED
from servicetsunami.engines.sql.dialect.expr import Expr, fill, identifier, quoted
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, sig, typed
from servicetsunami.engines.sql.dialect.json_paths import extract, pointer
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    BOOLEAN,
    STRING,
    VARIANT,
    Kind,
    SqlType,
    parse_type,
    render_duckdb,
)

MACROS: Final = (
    "s_json(s, p) AS CASE WHEN json_valid(s) THEN json_extract_string(s, p) ELSE NULL END",
    "s_parse_json(s) AS CASE WHEN s IS NULL THEN NULL WHEN json_valid(s) THEN json(s)"
    " ELSE CAST('[MALFORMED_RECORD_IN_PARSING] ' || s AS JSON) END",
    "s_json_size(s) AS CASE WHEN json_valid(s) AND json_type(s) = 'ARRAY'"
    " THEN CAST(json_array_length(s) AS INTEGER) ELSE NULL END",
    "s_json_keys(s) AS CASE WHEN json_valid(s) AND json_type(s) = 'OBJECT'"
    " THEN json_keys(s) ELSE NULL END",
    "s_json_is(j, k) AS json_type(j) IN ('BIGINT', 'UBIGINT', 'HUGEINT') OR"
    " (k = 'n' AND json_type(j) = 'DOUBLE')",
)


def _get_json_object(call: Call) -> Expr:
    path = call.constant(1, "path")
    value = typed(call.args[0], STRING, call)
    if path is None:
        return cast(call.args[1], STRING)
    return extract(value, pointer(str(path))).named(call.shown)


def _schema(text: str) -> SqlType:
    """Read a schema: a type, or fields such as `a INT, b STRING`."""
    stripped = text.strip()
    head = stripped.split("<")[0].strip().lower()
    if head in {"struct", "array", "map"}:
        return parse_type(stripped)
    return parse_type(f"struct<{stripped}>")


def _from_json(call: Call) -> Expr:
    if len(call.args) != 2:
        raise refused("from_json with options", "Leave the options out.")
    kind = _schema(str(call.constant(1, "schema")))
    value = typed(call.args[0], STRING, call)
    value = fill("nullif(trim({0}), '')", STRING, [value])
    checked = fill(
        "CASE WHEN json_valid({0}) THEN CAST({0} AS JSON) ELSE NULL END", VARIANT, [value]
    )
    return fill(
        "CASE WHEN {0} IS NULL THEN NULL ELSE"
        f" list_transform([{{1}}], lambda j: {_read('j', kind, 1)})[1] END",
        kind,
        [value, checked],
        name=f"from_json({call.args[0].name})",
    )


def _read(json: str, kind: SqlType, depth: int) -> str:
    """Write the conversion of a JSON value to a type; what does not fit becomes NULL."""
    name = render_duckdb(kind)
    text = f"json_extract_string({json}, '$')"
    if kind.kind is Kind.STRING:
        return text
    if kind.kind in INTEGRAL:
        return f"CASE WHEN s_json_is({json}, 'i') THEN TRY_CAST({text} AS {name}) ELSE NULL END"
    if kind.kind in {Kind.DOUBLE, Kind.FLOAT, Kind.DECIMAL}:
        return f"CASE WHEN s_json_is({json}, 'n') THEN TRY_CAST({text} AS {name}) ELSE NULL END"
    if kind.kind is Kind.BOOLEAN:
        test = f"json_type({json}) = 'BOOLEAN'"
        return f"CASE WHEN {test} THEN TRY_CAST({text} AS BOOLEAN) ELSE NULL END"
    if kind.kind in {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ}:
        inner = cast(Expr(text, STRING, ""), kind).sql
        return f"TRY({inner})"
    if kind.kind in NESTED:
        return _read_nested(json, kind, depth)
    raise refused(f"from_json to {kind}", "Read it as STRING and cast.")


def _read_nested(json: str, kind: SqlType, depth: int) -> str:
    item = f"j{depth}"
    if kind.kind is Kind.STRUCT:
        fields = ", ".join(
            f"{identifier(name)} := "
            + _read(f"json_extract({json}, {quoted(_key(name))})", part, depth)
            for name, part in zip(kind.names, kind.parts, strict=True)
        )
        packed = f"struct_pack({fields})"
        test = f"json_type({json}) = 'OBJECT'"
        return packed if depth == 1 else f"CASE WHEN {test} THEN {packed} ELSE NULL END"
    if kind.kind is Kind.ARRAY:
        inner = _read(item, kind.parts[0], depth + 1)
        return (
            f"CASE WHEN json_type({json}) = 'ARRAY' THEN"
            f" list_transform(CAST({json} AS JSON[]), lambda {item}: {inner}) ELSE NULL END"
        )
    if kind.parts[0].kind is not Kind.STRING:
        raise refused("from_json to a map whose keys are not strings", "Use map<string, …>.")
    inner = _read(f"{item}.value", kind.parts[1], depth + 1)
    return (
        f"CASE WHEN json_type({json}) = 'OBJECT' THEN map_from_entries(list_transform("
        f"map_entries(CAST({json} AS MAP(VARCHAR, JSON))), lambda {item}:"
        f" struct_pack(key := {item}.key, value := {inner}))) ELSE NULL END"
    )


def _key(name: str) -> str:
    if '"' in name:
        raise refused("A field name with a quote", "Rename the field.")
    return f'$."{name}"'


def _to_json(call: Call) -> Expr:
    arg = call.args[0]
    if arg.type.kind is Kind.VARIANT:
        return fill("CAST({0} AS VARCHAR)", STRING, [arg], name=call.shown)
    if arg.type.kind not in NESTED:
        raise mismatch(f"to_json needs a struct, an array, a map or a VARIANT, not {arg.type}")
    text = f"list_transform([{{0}}], lambda o: {_write('o', arg.type, 1)})[1]"
    sql = f"CASE WHEN {{0}} IS NULL THEN NULL ELSE {text} END"
    return fill(sql, STRING, [arg], name=call.shown)


def _write(value: str, kind: SqlType, depth: int) -> str:
    """Write the JSON text of a value that is not NULL."""
    if kind.kind in NESTED:
        return _WRITERS[kind.kind](value, kind, depth)
    if kind.kind in {*INTEGRAL, Kind.DECIMAL, Kind.DOUBLE, Kind.BOOLEAN}:
        return text_of(Expr(value, kind, "")).sql
    if kind.kind not in _WRITTEN:
        raise refused(f"to_json of {kind}", "Cast it to a string first.")
    return _WRITTEN[kind.kind] % value


_WRITTEN: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.STRING: "CAST(to_json(%s) AS VARCHAR)",
        Kind.DATE: "('\"' || CAST(%s AS VARCHAR) || '\"')",
        Kind.TIMESTAMP: "strftime(timezone('UTC', %s), '\"%%Y-%%m-%%dT%%H:%%M:%%S.%%gZ\"')",
        Kind.VOID: "coalesce(CAST(%s AS VARCHAR), 'null')",
    }
)


def _write_array(value: str, kind: SqlType, depth: int) -> str:
    item = f"o{depth}"
    inner = _write(item, kind.parts[0], depth + 1)
    cell = f"CASE WHEN {item} IS NULL THEN 'null' ELSE {inner} END"
    return f"'[' || array_to_string(list_transform({value}, lambda {item}: {cell}), ',') || ']'"


def _write_map(value: str, kind: SqlType, depth: int) -> str:
    item = f"o{depth}"
    key = f"CAST(to_json({text_of(Expr(f'{item}.key', kind.parts[0], '')).sql}) AS VARCHAR)"
    inner = _write(f"{item}.value", kind.parts[1], depth + 1)
    each = (
        f"list_transform(map_entries({value}), lambda {item}: {key} || ':' ||"
        f" CASE WHEN {item}.value IS NULL THEN 'null' ELSE {inner} END)"
    )
    return f"'{{' || array_to_string({each}, ',') || '}}'"


def _write_struct(value: str, kind: SqlType, depth: int) -> str:
    fields = []
    for name, part in zip(kind.names, kind.parts, strict=True):
        field = f"struct_extract({value}, {quoted(name)})"
        label = quoted('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '":')
        text = _write(field, part, depth)
        fields.append(f"CASE WHEN {field} IS NULL THEN NULL ELSE {label} || {text} END")
    listed = f"list_filter([{', '.join(fields)}], lambda t: t IS NOT NULL)"
    return f"'{{' || array_to_string({listed}, ',') || '}}'"


_WRITERS: Final[Mapping[Kind, Callable[[str, SqlType, int], str]]] = MappingProxyType(
    {Kind.STRUCT: _write_struct, Kind.ARRAY: _write_array, Kind.MAP: _write_map}
)


def _variant_get(call: Call) -> Expr:
    if call.args[0].type.kind is not Kind.VARIANT:
        raise mismatch(f"{call.name} needs a VARIANT, not {call.args[0].type}")
    found = extract(call.args[0], pointer(str(call.constant(1, "path"))))
    if len(call.args) == 3:
        convert = try_cast if call.name.startswith("try_") else cast
        found = convert(found, parse_type(str(call.constant(2, "type"))))
    return found.named(f"{call.name}({call.args[0].name}, {call.args[1].name})")


def _parse_json(call: Call) -> Expr:
    text = typed(call.args[0], STRING, call)
    template = "s_parse_json({0})"
    if call.name.startswith("try_"):
        template = "CASE WHEN json_valid({0}) THEN json({0}) ELSE NULL END"
    return fill(template, VARIANT, [text], name=call.shown, uses=3)


def _is_variant_null(call: Call) -> Expr:
    if call.args[0].type.kind is not Kind.VARIANT:
        raise mismatch(f"{call.name} needs a VARIANT, not {call.args[0].type}")
    sql = "coalesce(json_type({0}) = 'NULL', false)"
    return fill(sql, BOOLEAN, call.args, name=call.shown)


JSON: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "get_json_object": custom(_get_json_object, 2, 2),
        "from_json": custom(_from_json, 2, 3),
        "to_json": custom(_to_json, 1, 1),
        "json_array_length": sig("string", "int", "s_json_size({0})", uses=3),
        "json_object_keys": sig("string", "array<string>", "s_json_keys({0})", uses=3),
        "parse_json": custom(_parse_json, 1, 1),
        "try_parse_json": custom(_parse_json, 1, 1),
        "variant_get": custom(_variant_get, 2, 3),
        "try_variant_get": custom(_variant_get, 2, 3),
        "is_variant_null": custom(_is_variant_null, 1, 1),
    }
)
