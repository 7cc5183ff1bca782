"""Functions that take a function: transform, filter, aggregate and their kin."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.expr import Expr, Trait, fill
from servicetsunami.engines.sql.dialect.fn_arrays import needs_array
from servicetsunami.engines.sql.dialect.fn_maps import needs_map
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same
from servicetsunami.engines.sql.dialect.operators import truth
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.dialect.sort_keys import sorted_items
from servicetsunami.engines.sql.types import BOOLEAN, INT, Kind, SqlType, array, map_of

MACROS: Final = (
    "s_any(a) AS CASE WHEN a IS NULL THEN NULL WHEN list_contains(a, true) THEN true"
    " WHEN s_has_null(a) THEN NULL ELSE false END",
    "s_every(a) AS CASE WHEN a IS NULL THEN NULL WHEN list_contains(a, false) THEN false"
    " WHEN s_has_null(a) THEN NULL ELSE true END",
    "s_compared(x) AS CASE WHEN x IS NULL THEN s_fail('COMPARATOR_RETURNS_NULL] The comparator"
    " gave NULL.') ELSE x END",
)


def body(call: Call, index: int, given: Sequence[Expr], *, least: int = 1) -> Expr:
    """Compile a lambda's body with its parameters bound to DuckDB texts."""
    node = call.nodes[index]
    if not isinstance(node, exp.Lambda):
        raise mismatch(f"{call.name} needs a function such as x -> x + 1")
    names = [str(name.name).lower() for name in node.expressions]
    if not least <= len(names) <= len(given):
        raise mismatch(f"The function of {call.name} has {len(names)} parameters")
    bound = dict(zip(names, given, strict=False))
    inside = replace(call.env, lambdas={**call.env.lambdas, **bound})
    done = inside.compile(node.this)
    if done.traits & (Trait.SUBQUERY | Trait.AGGREGATE | Trait.WINDOW | Trait.VOLATILE):
        raise refused(
            "A subquery, an aggregate or a random value within a lambda", "Compute it before."
        )
    return done


def _parameter(call: Call, kind: SqlType) -> Expr:
    name = call.env.shared.fresh("w")
    return Expr(name, kind, "namedlambdavariable()")


def _list(call: Call) -> tuple[Expr, Expr, Expr, Expr]:
    """Compile the array, and bind the item and its position, which DuckDB counts from one."""
    items = call.env.compile(call.nodes[0])
    item = _parameter(call, needs_array(items, call))
    place = _parameter(call, INT)
    position = Expr(f"CAST({place.sql} - 1 AS INTEGER)", INT, "namedlambdavariable()")
    return items, item, place, position


def _shown(call: Call, *parts: Expr) -> str:
    names = ["lambdafunction()" if isinstance(n, exp.Lambda) else "" for n in call.nodes]
    shown = iter(part.name for part in parts)
    return f"{call.name}({', '.join(name or next(shown, '') for name in names)})"


def _transform(call: Call) -> Expr:
    items, item, place, position = _list(call)
    done = body(call, 1, [item, position])
    sql = f"list_transform({{0}}, lambda {item.sql}, {place.sql}: {{1}})"
    return fill(sql, array(done.type), [items, done], name=_shown(call, items))


def _filter(call: Call) -> Expr:
    items, item, place, position = _list(call)
    test = truth(body(call, 1, [item, position]), "filter")
    sql = f"list_filter({{0}}, lambda {item.sql}, {place.sql}: {{1}})"
    return fill(sql, items.type, [items, test], name=_shown(call, items))


def _quantified(macro: str) -> Function:
    def build(call: Call) -> Expr:
        items, item, _, _ = _list(call)
        test = truth(body(call, 1, [item]), call.name)
        tests = fill(
            f"list_transform({{0}}, lambda {item.sql}: {{1}})", array(BOOLEAN), [items, test]
        )
        return fill(f"{macro}({{0}})", BOOLEAN, [tests], name=_shown(call, items), uses=3)

    return custom(build, 2, 2)


def _aggregate(call: Call) -> Expr:
    items, item, _, _ = _list(call)
    start = call.env.compile(call.nodes[1])
    so_far = _parameter(call, start.type)
    merged = body(call, 2, [so_far, item], least=2)
    if merged.type != start.type:
        merged = _fits(merged, start.type)
    sql = f"list_reduce({{0}}, lambda {so_far.sql}, {item.sql}: {{1}}, {{2}})"
    initial = cast(start, start.type)
    done = fill(sql, start.type, [items, merged, initial], name=_shown(call, items, start))
    if len(call.nodes) == 4:
        last = _parameter(call, start.type)
        finish = body(call, 3, [last])
        sql = f"list_transform([{{0}}], lambda {last.sql}: {{1}})[1]"
        finished = fill(sql, finish.type, [done, finish], name=done.name)
        return fill(
            "CASE WHEN {0} IS NULL THEN NULL ELSE {1} END",
            finish.type,
            [items, finished],
            name=done.name,
        )
    return done


def _fits(merged: Expr, kind: SqlType) -> Expr:
    if kind.kind is Kind.DECIMAL and merged.type.kind is Kind.DECIMAL:
        return cast(merged, kind)
    raise mismatch(f"aggregate starts with {kind}, but its function gives {merged.type}")


def _zip_with(call: Call) -> Expr:
    left, right = call.env.compile(call.nodes[0]), call.env.compile(call.nodes[1])
    pair = call.env.shared.fresh("w")
    a = Expr(f"struct_extract_at({pair}, 1)", needs_array(left, call), "namedlambdavariable()")
    b = Expr(f"struct_extract_at({pair}, 2)", needs_array(right, call), "namedlambdavariable()")
    done = body(call, 2, [a, b], least=2)
    sql = (
        "CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE"
        f" list_transform(list_zip({{0}}, {{1}}), lambda {pair}: {{2}}) END"
    )
    return fill(sql, array(done.type), [left, right, done], name=_shown(call, left, right))


def _array_sort(call: Call) -> Expr:
    """Sort; a comparator of one's own sorts by inserting each item into the sorted ones."""
    items, item, _, _ = _list(call)
    if len(call.nodes) == 1:
        return sorted_items(items, nulls_first=False).named(f"array_sort({items.name})")
    other = _parameter(call, item.type)
    order = body(call, 1, [other, item], least=2)
    if order.type.kind is not Kind.INT:
        raise mismatch("The comparator of array_sort must give an INT")
    done, one = call.env.shared.fresh("w"), call.env.shared.fresh("w")
    before = f"len(list_filter({done}, lambda {other.sql}: s_compared({{1}}) <= 0))"
    placed = (
        f"list_transform([{before}], lambda k: list_concat(list_concat(list_slice({done}, 1, k),"
        f" {one}), list_slice({done}, k + 1, len({done}))))[1]"
    )
    placed = placed.replace("{1}", order.sql.replace(item.sql, f"{one}[1]"))
    sql = (
        f"list_reduce(list_transform({{0}}, lambda {item.sql}: [{item.sql}]),"
        f" lambda {done}, {one}: {placed}, list_slice({{0}}, 1, 0))"
    )
    return fill(sql.replace("{1}", ""), items.type, [items], name=_shown(call, items))


def _map_lambda(template: str, part: int | None) -> Function:
    """Build a function over the entries of a map; `part` is what the lambda's value replaces."""

    def build(call: Call) -> Expr:
        base = call.env.compile(call.nodes[0])
        kind = needs_map(base, call)
        entry = call.env.shared.fresh("w")
        key = Expr(f"{entry}.key", kind.parts[0], "namedlambdavariable()")
        value = Expr(f"{entry}.value", kind.parts[1], "namedlambdavariable()")
        done = body(call, 1, [key, value], least=2)
        if part is None:
            done = truth(done, call.name)
        parts = [done.type if n == part else old for n, old in enumerate(kind.parts)]
        text = template.replace("ENTRY", entry)
        sql = f"CASE WHEN {{0}} IS NULL THEN NULL ELSE map_from_entries({text}) END"
        return fill(sql, map_of(*parts), [base, done], name=_shown(call, base))

    return custom(build, 2, 2)


_BASE: Final[Mapping[str, Function]] = {
    "transform": custom(_transform, 2, 2),
    "filter": custom(_filter, 2, 2),
    "exists": custom(_quantified("s_any").build, 1, 2),
    "forall": _quantified("s_every"),
    "aggregate": custom(_aggregate, 3, 4),
    "zip_with": custom(_zip_with, 3, 3),
    "array_sort": custom(_array_sort, 1, 2),
    "map_filter": _map_lambda("list_filter(map_entries({0}), lambda ENTRY: {1})", None),
    "transform_keys": _map_lambda(
        "list_transform(map_entries({0}),"
        " lambda ENTRY: struct_pack(key := {1}, value := ENTRY.value))",
        0,
    ),
    "transform_values": _map_lambda(
        "list_transform(map_entries({0}),"
        " lambda ENTRY: struct_pack(key := ENTRY.key, value := {1}))",
        1,
    ),
}
LAMBDAS: Final[Mapping[str, Function]] = MappingProxyType(
    {**_BASE, **same(_BASE, reduce="aggregate")}
)
