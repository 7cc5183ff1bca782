"""Functions of maps and structs."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import literals
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.expr import Expr, fill, identifier
from servicetsunami.engines.sql.dialect.fn_arrays import needs_array
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, typed
from servicetsunami.engines.sql.dialect.operators import array_of
from servicetsunami.engines.sql.dialect.patterns import is_plain
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    BOOLEAN,
    STRING,
    Kind,
    SqlType,
    array,
    map_of,
    struct,
)


def needs_map(arg: Expr, call: Call) -> SqlType:
    """Give the type of an argument that must be a map."""
    if arg.type.kind is Kind.VOID:
        raise refused(f"{call.name} of NULL without a type", "Cast NULL to a map type.")
    if arg.type.kind is not Kind.MAP:
        raise mismatch(f"{call.name} needs a map, not {arg.type}")
    return arg.type


def _map(call: Call) -> Expr:
    if len(call.args) % 2:
        raise mismatch("map needs keys and values in pairs")
    keys, values = array_of(call.args[::2], "map"), array_of(call.args[1::2], "map")
    kind = map_of(keys.type.parts[0], values.type.parts[0])
    if not call.args:
        return Expr("MAP {}", map_of(SqlType(Kind.VOID), SqlType(Kind.VOID)), "map()")
    return fill("map({0}, {1})", kind, [keys, values], name=call.shown)


def _map_from_arrays(call: Call) -> Expr:
    kind = map_of(needs_array(call.args[0], call), needs_array(call.args[1], call))
    plain = "CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE map({0}, {1}) END"
    return fill(plain, kind, call.args, name=call.shown)


def _entries_type(arg: Expr, call: Call) -> SqlType:
    item = needs_array(arg, call)
    if item.kind is not Kind.STRUCT or len(item.parts) != 2:
        raise mismatch(f"{call.name} needs an array of pairs, not {arg.type}")
    return map_of(*item.parts)


def _map_from_entries(call: Call) -> Expr:
    kind = _entries_type(call.args[0], call)
    return fill("map_from_entries({0})", kind, call.args, name=call.shown)


def _map_part(template: str, part: int | None) -> Function:
    def build(call: Call) -> Expr:
        kind = needs_map(call.args[0], call)
        item = kind.parts[part] if part is not None else struct(("key", "value"), kind.parts)
        sql = f"CASE WHEN {{0}} IS NULL THEN NULL ELSE {template} END"
        return fill(sql, array(item), call.args, name=call.shown)

    return custom(build, 1, 1)


def _map_concat(call: Call) -> Expr:
    kind = common_type((needs_map(arg, call) for arg in call.args), call.name)
    maps = [cast(arg, kind) for arg in call.args]
    done = fill("map_entries({0})", array(struct(("key", "value"), kind.parts)), maps[:1])
    for arg in maps[1:]:
        done = fill("list_concat({0}, map_entries({1}))", done.type, [done, arg])
    nulls = " OR ".join(f"{{{n}}} IS NULL" for n in range(len(maps)))
    last = len(maps)
    sql = f"CASE WHEN {nulls} THEN NULL ELSE map_from_entries({{{last}}}) END"
    return fill(sql, kind, [*maps, done], name=call.shown)


def _contains_key(call: Call) -> Expr:
    kind = needs_map(call.args[0], call)
    key = call.args[1]
    if key.type.kind is Kind.VOID or (
        (Kind.STRING in {key.type.kind, kind.parts[0].kind}) and (key.type != kind.parts[0])
    ):
        raise mismatch(f"{call.name} needs a key of {kind.parts[0]}, not {key.type}")
    wide = common_type((kind.parts[0], key.type), call.name)
    keys = fill("map_keys({0})", array(kind.parts[0]), call.args[:1])
    sides = [cast(keys, array(wide)), cast(key, wide)]
    return fill("list_contains({0}, {1})", BOOLEAN, sides, name=call.shown)


def _str_to_map(call: Call) -> Expr:
    marks = [
        str(call.constant(n, "separator")) if len(call.args) > n else default
        for n, default in ((1, ","), (2, ":"))
    ]
    if not all(is_plain(mark) for mark in marks):
        raise refused("str_to_map with a regular expression", "Use plain separators.")
    args = [typed(call.args[0], STRING, call), *map(literals.text, marks)]
    shown = f"str_to_map({call.args[0].name}, {marks[0]}, {marks[1]})"
    return fill(
        "map_from_entries(s_pairs({0}, {1}, {2}))", map_of(STRING, STRING), args, name=shown
    )


def _struct(call: Call) -> Expr:
    names = [
        str(node.alias)
        if isinstance(node, exp.Alias)
        else str(node.name)
        if isinstance(node, exp.Column | exp.Identifier)
        else str(node.expression.name)
        if isinstance(node, exp.Dot)
        else f"col{n}"
        for n, node in enumerate(call.nodes, 1)
    ]
    return packed(names, call.args, f"struct({_struct_names(call)})")


def _struct_names(call: Call) -> str:
    return ", ".join(
        f"{call.env.compile(node.this).name} AS {node.alias}"
        if isinstance(node, exp.Alias)
        else arg.name
        for node, arg in zip(call.nodes, call.args, strict=True)
    )


def packed(names: Sequence[str], values: Sequence[Expr], shown: str) -> Expr:
    """Compile a struct of named values."""
    fields = ", ".join(f"{identifier(name)} := {{{n}}}" for n, name in enumerate(names))
    if any("{" in name for name in names):
        raise refused("A struct field whose name has a brace", "Rename the field.")
    kind = struct(tuple(names), tuple(value.type for value in values))
    return fill(f"struct_pack({fields})", kind, values, name=shown)


def _named_struct(call: Call) -> Expr:
    if len(call.args) % 2 or not call.args:
        raise mismatch("named_struct needs names and values in pairs")
    names = [str(call.constant(n, "field name")) for n in range(0, len(call.args), 2)]
    return packed(names, call.args[1::2], call.shown)


_BASE: Final[Mapping[str, Function]] = {
    "map": custom(_map, 0, None),
    "map_from_arrays": custom(_map_from_arrays, 2, 2),
    "map_from_entries": custom(_map_from_entries, 1, 1),
    "map_keys": _map_part("map_keys({0})", 0),
    "map_values": _map_part("map_values({0})", 1),
    "map_entries": _map_part("map_entries({0})", None),
    "map_concat": custom(_map_concat, 1, None),
    "map_contains_key": custom(_contains_key, 2, 2),
    "str_to_map": custom(_str_to_map, 1, 3),
    "struct": custom(_struct, 1, None),
    "named_struct": custom(_named_struct, 2, None),
}
MAPS: Final[Mapping[str, Function]] = MappingProxyType(_BASE)
