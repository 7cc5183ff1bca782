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

# Strings are taken out first, so that the rest shows the structure.
_BARE: Final = r'"(\\.|[^"\\])*"'
# What DuckDB reads and Databricks does not.
_LOOSE: Final = r",\s*[\]}]|[Nn][Aa][Nn]|[Ii]nf|/"
# Numbers within a text that the two would print in different ways, and escapes likewise.
_REPRINTED: Final = r"[0-9][eE]|(^|[^0-9])0\.00|[0-9]{8}\.[0-9]"
MACROS: Final = (
    f"s_json_bare(s) AS regexp_replace(s, '{_BARE}', '', 'g')",
    "s_json_open(b) AS length(b) - length(translate(b, '{[', ''))"
    " > length(b) - length(translate(b, '}]', ''))",
    # Databricks reads single quotes and what stands before trailing text; such text is refused.
    "s_json_loose(s, b) AS CASE WHEN NOT regexp_matches(s, '^\\s*[{\\[]') THEN json_valid(s)"
    " WHEN regexp_matches(s, '^\\s*\\{\\s*[A-Za-z]') THEN false"
    " WHEN s_json_open(b) AND NOT contains(b, chr(39)) THEN false"
    " ELSE s_fail('UNSUPPORTED] JSON text that is not strictly valid.') > 0 END",
    "s_json_ok(s) AS list_transform([struct_pack(s := s, b := s_json_bare(s))], lambda v:"
    " CASE WHEN v.s IS NULL THEN false"
    f" WHEN json_valid(v.s) AND NOT regexp_matches(v.b, '{_LOOSE}')"
    " THEN true ELSE s_json_loose(v.s, v.b) END)[1]",
    "s_json_printed(j) AS CASE WHEN regexp_matches(s_json_bare(CAST(j AS VARCHAR)),"
    f" '{_REPRINTED}') OR regexp_matches(CAST(j AS VARCHAR), '\\\\[u/]') THEN"
    " CAST(s_fail('UNSUPPORTED] JSON text with numbers or escapes to be printed anew.') AS VARCHAR)"
    " ELSE CAST(j AS VARCHAR) END",
    "s_json_text(x) AS list_transform([x], lambda j: CASE json_type(j) WHEN 'NULL' THEN NULL"
    " WHEN 'DOUBLE' THEN s_double_text(CAST(json_extract_string(j, '$') AS DOUBLE))"
    " WHEN 'OBJECT' THEN s_json_printed(j) WHEN 'ARRAY' THEN s_json_printed(j)"
    " ELSE json_extract_string(j, '$') END)[1]",
    "s_json(s, p) AS CASE WHEN s_json_ok(s) THEN s_json_text(json_extract(s, p)) ELSE NULL END",
    "s_parse_json(s) AS CASE WHEN s IS NULL THEN NULL WHEN s_json_ok(s) THEN json(s)"
    " ELSE CAST('[MALFORMED_RECORD_IN_PARSING] ' || s AS JSON) END",
    "s_json_size(s) AS CASE WHEN s_json_ok(s) AND json_type(s) = 'ARRAY'"
    " THEN CAST(json_array_length(s) AS INTEGER) ELSE NULL END",
    "s_json_keys(s) AS CASE WHEN s_json_ok(s) AND json_type(s) = 'OBJECT'"
    " THEN json_keys(s) ELSE NULL END",
    "s_json_is(j, k) AS json_type(j) IN ('BIGINT', 'UBIGINT', 'HUGEINT') OR"
    " (k = 'n' AND json_type(j) = 'DOUBLE')",
    # Of a key that stands twice, Databricks takes the last and DuckDB the first.
    "s_json_once(j) AS CASE WHEN len(list_distinct(json_keys(j))) < len(json_keys(j)) THEN"
    " s_fail('UNSUPPORTED] JSON text with a key that stands twice.') > 0 ELSE true END",
    # Within an array or a map one value that does not fit spoils the whole.
    "s_json_whole(found, given) AS CASE WHEN list_count(found) ="
    " list_count(list_filter(given, lambda g: json_type(g) <> 'NULL')) THEN found ELSE NULL END",
    "s_json_float(j, t) AS CASE WHEN s_json_is(j, 'n') THEN TRY_CAST(t AS DOUBLE)"
    " WHEN json_type(j) = 'VARCHAR' AND t IN ('NaN', 'Infinity', '-Infinity')"
    " THEN CAST(t AS DOUBLE) ELSE NULL END",
    "s_json_tiny(t) AS CASE WHEN TRY_CAST(t AS BIGINT) BETWEEN 128 AND 255 THEN"
    " CAST(s_fail('UNSUPPORTED] A JSON number beyond TINYINT.') AS TINYINT)"
    " ELSE TRY_CAST(t AS TINYINT) END",
    "s_quoted_float(t) AS CASE WHEN t IN ('NaN', 'Infinity', '-Infinity')"
    " THEN chr(34) || t || chr(34) ELSE t END",
    # A VARIANT has its keys in order and its numbers in their shortest form.
    "s_variant_plain(j) AS len(regexp_extract_all(CAST(j AS VARCHAR), '\\{')) < 2 AND NOT"
    " regexp_matches(CAST(j AS VARCHAR), '[0-9]\\.[0-9]*0([^0-9]|$)|[0-9][eE]') AND"
    " (json_type(j) <> 'OBJECT' OR list_sort(json_keys(j)) = json_keys(j))",
    "s_variant_text(j) AS CASE WHEN j IS NULL THEN NULL WHEN s_variant_plain(j)"
    " THEN CAST(json(CAST(j AS VARCHAR)) AS VARCHAR) ELSE CAST(s_fail('UNSUPPORTED] A VARIANT of"
    " several objects, of unordered keys or of such numbers as text.') AS VARCHAR) END",
    "s_json_seconds(t) AS make_timestamptz(TRY_CAST(t AS BIGINT) * 1000000)",
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
        "CASE WHEN s_json_ok({0}) THEN CAST({0} AS JSON) ELSE NULL END", VARIANT, [value]
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
    if kind.kind in NESTED:
        return _read_nested(json, kind, depth)
    if kind.kind in {Kind.DATE, Kind.TIMESTAMP}:
        return _read_moment(json, kind)
    template = _READERS.get(kind.kind)
    if template is None:
        raise refused(f"from_json to {kind}", "Read it as STRING and cast.")
    text = f"json_extract_string({json}, '$')"
    filled = template.replace("JSON_VALUE", json).replace("JSON_TEXT", text)
    return filled.replace("TYPE_NAME", render_duckdb(kind))


_WHOLE: Final = (
    "CASE WHEN s_json_is(JSON_VALUE, 'i') THEN TRY_CAST(JSON_TEXT AS TYPE_NAME) ELSE NULL END"
)
_READERS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        **dict.fromkeys((Kind.SMALLINT, Kind.INT, Kind.BIGINT), _WHOLE),
        Kind.TINYINT: "CASE WHEN s_json_is(JSON_VALUE, 'i') THEN s_json_tiny(JSON_TEXT)"
        " ELSE NULL END",
        Kind.STRING: "s_json_text(JSON_VALUE)",
        Kind.DOUBLE: "s_json_float(JSON_VALUE, JSON_TEXT)",
        Kind.FLOAT: "CAST(s_json_float(JSON_VALUE, JSON_TEXT) AS FLOAT)",
        Kind.DECIMAL: "CASE WHEN s_json_is(JSON_VALUE, 'n') OR json_type(JSON_VALUE) = 'VARCHAR'"
        " THEN TRY_CAST(JSON_TEXT AS TYPE_NAME) ELSE NULL END",
        Kind.BOOLEAN: "CASE WHEN json_type(JSON_VALUE) = 'BOOLEAN'"
        " THEN TRY_CAST(JSON_TEXT AS BOOLEAN) ELSE NULL END",
    }
)


def _read_moment(json: str, kind: SqlType) -> str:
    text = f"json_extract_string({json}, '$')"
    inner = cast(Expr(text, STRING, ""), kind).sql
    number = (
        f"s_json_seconds({text})"
        if kind.kind is Kind.TIMESTAMP
        else "CAST(s_fail('UNSUPPORTED] A JSON number as a date.') AS DATE)"
    )
    return (
        f"CASE WHEN json_type({json}) = 'VARCHAR' THEN TRY({inner})"
        f" WHEN s_json_is({json}, 'n') THEN {number} ELSE NULL END"
    )


def _read_nested(json: str, kind: SqlType, depth: int) -> str:
    item = f"j{depth}"
    if kind.kind is Kind.STRUCT:
        fields = ", ".join(
            f"{identifier(name)} := "
            + _read(f"json_extract({json}, {quoted(_key(name))})", part, depth + 1)
            for name, part in zip(kind.names, kind.parts, strict=True)
        )
        packed = f"struct_pack({fields})"
        test = f"json_type({json}) = 'OBJECT' AND s_json_once({json})"
        if depth > 1:
            return f"CASE WHEN {test} THEN {packed} ELSE NULL END"
        return f"CASE WHEN coalesce(s_json_once({json}), true) THEN {packed} ELSE NULL END"
    if kind.kind is Kind.ARRAY:
        inner = _read(item, kind.parts[0], depth + 1)
        items = f"CAST({json} AS JSON[])"
        read = f"s_json_whole(list_transform({items}, lambda {item}: {inner}), {items})"
        single = f"WHEN json_type({json}) = 'OBJECT' THEN [{_read(json, kind.parts[0], depth + 1)}]"
        is_row = depth == 1 and kind.parts[0].kind is Kind.STRUCT
        return (
            f"CASE WHEN json_type({json}) = 'ARRAY' THEN {read}"
            f" {single if is_row else ''} ELSE NULL END"
        )
    if kind.parts[0].kind is not Kind.STRING:
        raise refused("from_json to a map whose keys are not strings", "Use map<string, …>.")
    inner = _read(f"{item}.value", kind.parts[1], depth + 1)
    entries = f"map_entries(CAST({json} AS MAP(VARCHAR, JSON)))"
    pairs = (
        f"list_transform({entries}, lambda {item}:"
        f" struct_pack(key := {item}.key, value := {inner}))"
    )
    values = f"list_transform({pairs}, lambda e: e.value)"
    whole = f"s_json_whole({values}, list_transform({entries}, lambda e: e.value))"
    return (
        f"CASE WHEN json_type({json}) = 'OBJECT' AND s_json_once({json}) AND {whole} IS NOT NULL"
        f" THEN map_from_entries({pairs}) ELSE NULL END"
    )


def _key(name: str) -> str:
    if '"' in name:
        raise refused("A field name with a quote", "Rename the field.")
    return f'$."{name}"'


def _to_json(call: Call) -> Expr:
    arg = call.args[0]
    if arg.type.kind is Kind.VARIANT:
        return fill("s_variant_text({0})", STRING, [arg], name=call.shown, uses=4)
    if arg.type.kind not in NESTED:
        raise mismatch(f"to_json needs a struct, an array, a map or a VARIANT, not {arg.type}")
    text = f"list_transform([{{0}}], lambda o: {_write('o', arg.type, 1)})[1]"
    sql = f"CASE WHEN {{0}} IS NULL THEN NULL ELSE {text} END"
    return fill(sql, STRING, [arg], name=call.shown)


def _write(value: str, kind: SqlType, depth: int) -> str:
    """Write the JSON text of a value that is not NULL."""
    if kind.kind in NESTED:
        return _WRITERS[kind.kind](value, kind, depth)
    if kind.kind is Kind.DOUBLE:
        return f"s_quoted_float({text_of(Expr(value, kind, '')).sql})"
    if kind.kind in {*INTEGRAL, Kind.DECIMAL, Kind.BOOLEAN}:
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
        template = "CASE WHEN s_json_ok({0}) THEN json({0}) ELSE NULL END"
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
