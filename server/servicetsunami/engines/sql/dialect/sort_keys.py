"""Keys that put nested values in Databricks' order, where NULL comes before every other part."""

from servicetsunami.engines.sql.dialect.coercion import NESTED
from servicetsunami.engines.sql.dialect.expr import Expr, fill, quoted
from servicetsunami.engines.sql.dialect.problems import mismatch
from servicetsunami.engines.sql.types import Kind, SqlType


def is_nested(kind: SqlType) -> bool:
    """Tell whether values of a type have parts; raises InvalidInput for a map, without order."""
    if kind.kind is Kind.MAP:
        raise mismatch("Maps have no order")
    return kind.kind in NESTED


def sort_key(expr: Expr) -> Expr:
    """Give what to order or compare by; DuckDB would put NULL within a value last."""
    if not is_nested(expr.type):
        return expr
    key = _key("k0", expr.type, 1)
    return fill(f"list_transform([{{0}}], lambda k0: {key})[1]", expr.type, [expr], name=expr.name)


def _key(value: str, kind: SqlType, depth: int) -> str:
    if kind.kind is Kind.ARRAY:
        item = f"k{depth}"
        return f"list_transform({value}, lambda {item}: {_part(item, kind.parts[0], depth)})"
    if kind.kind is Kind.STRUCT:
        fields = ", ".join(
            f"f{n} := {_part(f'struct_extract({value}, {quoted(name)})', part, depth)}"
            for n, (name, part) in enumerate(zip(kind.names, kind.parts, strict=True))
        )
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({fields}) END"
    return value


def _part(value: str, kind: SqlType, depth: int) -> str:
    return f"struct_pack(t := {value} IS NOT NULL, k := {_key(value, kind, depth + 1)})"


def sorted_items(items: Expr, *, descending: bool = False, nulls_first: bool = True) -> Expr:
    """Sort an array, of nested items by their keys."""
    order = "DESC" if descending else "ASC"
    place = "FIRST" if nulls_first else "LAST"
    item = items.type.parts[0]
    if not is_nested(item):
        return fill(f"list_sort({{0}}, '{order}', 'NULLS {place}')", items.type, [items])
    there = "IS NOT NULL" if nulls_first is not descending else "IS NULL"
    packed = f"struct_pack(t := s {there}, k := {_key('s', item, 1)}, v := s)"
    sql = f"list_transform(list_sort(list_transform({{0}}, lambda s: {packed}), '{order}'),"
    return fill(f"{sql} lambda s: s.v)", items.type, [items])
