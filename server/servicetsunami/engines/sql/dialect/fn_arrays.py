"""Functions of arrays, maps and structs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import common_type, is_integral, tight_type
from servicetsunami.engines.sql.dialect.expr import Expr, fill, identifier
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, typed
from servicetsunami.engines.sql.dialect.operators import array_of
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.dialect.sort_keys import is_nested, sorted_items
from servicetsunami.engines.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    INT,
    STRING,
    Kind,
    SqlType,
    array,
    struct,
)

MACROS: Final = (
    "s_item(a, i) AS CASE WHEN a IS NULL OR i IS NULL THEN NULL WHEN i < 0 OR i >= len(a) THEN"
    " list_extract(a, s_fail('INVALID_ARRAY_INDEX] The index ' || i || ' is out of bounds.'))"
    " ELSE list_extract(a, i + 1) END",
    "s_element(a, i) AS CASE WHEN a IS NULL OR i IS NULL THEN NULL"
    " WHEN i = 0 THEN list_extract(a, s_fail('INVALID_INDEX_OF_ZERO] The index 0 is invalid.'))"
    " WHEN abs(i) > len(a) THEN list_extract(a,"
    " s_fail('INVALID_ARRAY_INDEX_IN_ELEMENT_AT] The index ' || i || ' is out of bounds.'))"
    " ELSE list_extract(a, i) END",
    "s_has_null(a) AS list_count(a) < len(a)",
    "s_has(a, x) AS CASE WHEN x IS NULL THEN s_has_null(a) ELSE list_contains(a, x) END",
    "s_contains(a, x) AS CASE WHEN a IS NULL OR x IS NULL THEN NULL WHEN list_contains(a, x)"
    " THEN true WHEN s_has_null(a) THEN NULL ELSE false END",
    "s_distinct(a) AS list_filter(a, lambda x, i: NOT s_has(list_slice(a, 1, i - 1), x))",
    "s_intersect(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL"
    " ELSE list_filter(s_distinct(a), lambda x: s_has(b, x)) END",
    "s_except(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL"
    " ELSE list_filter(s_distinct(a), lambda x: NOT s_has(b, x)) END",
    "s_union(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL"
    " ELSE s_distinct(list_concat(a, b)) END",
    "s_overlap(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL"
    " WHEN len(list_filter(a, lambda x: x IS NOT NULL AND list_contains(b, x))) > 0 THEN true"
    " WHEN len(a) > 0 AND len(b) > 0 AND (s_has_null(a) OR s_has_null(b)) THEN NULL"
    " ELSE false END",
    "s_position(a, x) AS CASE WHEN a IS NULL OR x IS NULL THEN NULL"
    " ELSE coalesce(list_position(a, x), 0) END",
    "s_remove(a, x) AS CASE WHEN a IS NULL OR x IS NULL THEN NULL"
    " ELSE list_filter(a, lambda v: v IS DISTINCT FROM x) END",
    "s_flatten(a) AS CASE WHEN a IS NULL OR s_has_null(a) THEN NULL ELSE flatten(a) END",
    "s_slice(a, p, n) AS CASE WHEN a IS NULL OR p IS NULL OR n IS NULL THEN NULL"
    " WHEN p = 0 THEN list_slice(a, 1, s_fail('INVALID_PARAMETER_VALUE.START] slice from 0.'))"
    " WHEN n < 0 THEN list_slice(a, 1, s_fail('INVALID_PARAMETER_VALUE.LENGTH] slice length.'))"
    " WHEN p < 0 AND -p > len(a) THEN list_slice(a, 1, 0)"
    " WHEN p < 0 THEN list_slice(a, len(a) + p + 1, len(a) + p + n)"
    " ELSE list_slice(a, p, p + n - 1) END",
    "s_steps(a, b, s) AS CASE WHEN (b > a AND s <= 0) OR (b < a AND s >= 0) THEN"
    " range(s_fail('ILLEGAL_SEQUENCE] Illegal sequence boundaries.'))"
    " WHEN a = b THEN [CAST(a AS BIGINT)]"
    " ELSE generate_series(CAST(a AS BIGINT), CAST(b AS BIGINT), CAST(s AS BIGINT)) END",
    "s_sequence(a, b) AS CASE WHEN a <= b THEN s_steps(a, b, 1) ELSE s_steps(a, b, -1) END",
    "s_pairs(t, p, k) AS list_transform(string_split(t, p), lambda e: struct_pack("
    "key := split_part(e, k, 1), value := CASE WHEN contains(e, k) THEN"
    " substr(e, strpos(e, k) + length(k)) ELSE NULL END))",
)


def needs_array(arg: Expr, call: Call) -> SqlType:
    """Give the element type of an argument that must be an array."""
    if arg.type.kind is not Kind.ARRAY:
        raise mismatch(f"{call.name} needs an array, not {arg.type}")
    return arg.type.parts[0]


def _with_item(template: str, gives: SqlType | None, *, uses: int = 1) -> Function:
    """Build a function of an array and an item of it; both come to one type."""

    def build(call: Call) -> Expr:
        items, item = call.args
        if item.type.kind is Kind.VOID and gives == BOOLEAN:
            raise mismatch(f"{call.name} does not take a NULL without type")
        kinds = (needs_array(items, call), item.type)
        widens = gives == BOOLEAN and Kind.STRING not in {kind.kind for kind in kinds}
        kind = common_type(kinds, call.name) if widens else tight_type(kinds, call.name)
        sides = [cast(items, array(kind)), cast(item, kind)]
        return fill(template, gives or array(kind), sides, name=call.shown, uses=uses)

    return custom(build, 2, 2)


def _two_arrays(template: str, gives: SqlType | None = None) -> Function:
    def build(call: Call) -> Expr:
        kind = array(tight_type([needs_array(a, call) for a in call.args], call.name))
        sides = [cast(arg, kind) for arg in call.args]
        return fill(template, gives or kind, sides, name=call.shown, uses=3)

    return custom(build, 2, 2)


def _one_array(template: str, gives: str = "same", *, uses: int = 1) -> Function:
    def build(call: Call) -> Expr:
        if call.args[0].type.kind is Kind.VOID and gives == "int":
            return cast(call.args[0], INT).named(call.shown)
        item = needs_array(call.args[0], call)
        kind = {"same": call.args[0].type, "item": item, "int": INT}[gives]
        return fill(template, kind, call.args, name=call.shown, uses=uses)

    return custom(build, 1, 1)


def _extreme(template: str, place: int) -> Function:
    def build(call: Call) -> Expr:
        item = needs_array(call.args[0], call)
        if not is_nested(item):
            return fill(template, item, call.args, name=call.shown)
        there = fill("list_filter({0}, lambda v: v IS NOT NULL)", call.args[0].type, call.args)
        return fill(f"list_extract({{0}}, {place})", item, [sorted_items(there)], name=call.shown)

    return custom(build, 1, 1)


def _size(call: Call) -> Expr:
    arg = call.args[0]
    if arg.type.kind is Kind.VOID:
        return cast(arg, INT)
    if arg.type.kind is Kind.MAP:
        return fill("CAST(cardinality({0}) AS INTEGER)", INT, [arg], name=call.shown)
    needs_array(arg, call)
    return fill("CAST(len({0}) AS INTEGER)", INT, [arg], name=call.shown)


def _element_at(call: Call) -> Expr:
    base, key = call.args
    if base.type.kind is Kind.MAP:
        kind = tight_type((base.type.parts[0], key.type), call.name)
        if kind != base.type.parts[0]:
            raise refused(
                f"{call.name} by a key of a wider type", f"Cast it to {base.type.parts[0]}."
            )
        wanted = cast(key, kind)
        return fill("{0}[{1}]", base.type.parts[1], [base, wanted], name=call.shown)
    item = needs_array(base, call)
    if not is_integral(key.type):
        raise mismatch(f"{call.name} needs a whole number as position, not {key.type}")
    template = {"element_at": "s_element({0}, {1})", "get": _GET}.get(call.name, _TRY_ELEMENT)
    return fill(template, item, [base, key], name=call.shown, uses=3)


_GET: Final = "CASE WHEN {1} < 0 THEN NULL ELSE list_extract({0}, {1} + 1) END"


_TRY_ELEMENT: Final = (
    "CASE WHEN {1} = 0 THEN list_extract({0},"
    " s_fail('INVALID_INDEX_OF_ZERO] The index 0 is invalid.')) ELSE list_extract({0}, {1}) END"
)


def _reverse(call: Call) -> Expr:
    arg = call.args[0]
    if arg.type.kind is Kind.ARRAY:
        return fill("list_reverse({0})", arg.type, [arg], name=call.shown)
    return fill("reverse({0})", STRING, [typed(arg, STRING, call)], name=call.shown)


def _sort_array(call: Call) -> Expr:
    if call.args[0].type.kind is Kind.VOID:
        raise refused("sort_array of NULL without a type", "Cast NULL to an array type.")
    needs_array(call.args[0], call)
    ascending = call.constant(1, "direction") if len(call.args) == 2 else True
    shown = f"sort_array({call.args[0].name}, {str(ascending).lower()})"
    done = sorted_items(call.args[0], descending=not ascending, nulls_first=bool(ascending))
    return done.named(shown)


def _join(call: Call) -> Expr:
    items = cast(call.args[0], array(STRING))
    rest = [typed(arg, STRING, call) for arg in call.args[1:]]
    if len(rest) == 1:
        joined, nulls = "array_to_string({0}, {1})", "{0} IS NULL OR {1} IS NULL"
    else:
        joined = "array_to_string(list_transform({0}, lambda v: coalesce(v, {2})), {1})"
        nulls = "{0} IS NULL OR {1} IS NULL OR {2} IS NULL"
    sql = f"CASE WHEN {nulls} THEN NULL ELSE coalesce({joined}, '') END"
    return fill(sql, STRING, [items, *rest], name=call.shown)


def _append(template: str) -> Function:
    def build(call: Call) -> Expr:
        items, item = call.args
        kind = tight_type((needs_array(items, call), item.type), call.name)
        sides = [cast(items, array(kind)), cast(item, kind)]
        sql = f"CASE WHEN {{0}} IS NULL THEN NULL ELSE {template} END"
        return fill(sql, array(kind), sides, name=call.shown)

    return custom(build, 2, 2)


def _repeat(call: Call) -> Expr:
    item, count = call.args[0], typed(call.args[1], INT, call)
    if call.args[1].type.kind is Kind.STRING:
        raise mismatch("array_repeat needs a whole number of times, not a string")
    if item.type.kind is Kind.VOID:
        raise refused("array_repeat of NULL without a type", "Write CAST(NULL AS STRING).")
    sql = "list_resize(list_slice([{0}], 1, 0), s_positive({1}), {0})"
    return fill(sql, array(item.type), [item, count], name=call.shown)


def _zip(call: Call) -> Expr:
    items = [needs_array(arg, call) for arg in call.args]
    names = tuple(
        str(node.name) if isinstance(node, exp.Column) else str(n)
        for n, node in enumerate(call.nodes)
    )
    if len({name.lower() for name in names}) < len(names):
        raise refused("arrays_zip of one column twice", "Give the second another name first.")
    holes = ", ".join(f"{{{n}}}" for n in range(len(items)))
    fields = ", ".join(
        f"{identifier(name)} := struct_extract_at(v, {n})" for n, name in enumerate(names, 1)
    )
    nulls = " OR ".join(f"{{{n}}} IS NULL" for n in range(len(items)))
    sql = (
        f"CASE WHEN {nulls} THEN NULL ELSE"
        f" list_transform(list_zip({holes}), lambda v: struct_pack({fields})) END"
    )
    return fill(sql, array(struct(names, tuple(items))), call.args, name=call.shown)


def _sequence(call: Call) -> Expr:
    start, stop = call.args[:2]
    kind = common_type((start.type, stop.type), call.name)
    if kind.kind is Kind.DATE or kind.kind is Kind.TIMESTAMP:
        return _time_sequence(call, kind)
    if not is_integral(kind):
        raise mismatch(f"sequence does not take {kind}")
    sides = [cast(start, kind), cast(stop, kind)]
    sql = "s_sequence({0}, {1})"
    if len(call.args) == 3:
        sides.append(typed(call.args[2], kind, call))
        sql = "s_steps({0}, {1}, {2})"
    done = fill(sql, array(BIGINT), sides, uses=6)
    return cast(done, array(kind)).named(call.shown)


_DAY_US: Final = 86_400_000_000


def _time_sequence(call: Call, kind: SqlType) -> Expr:
    step = call.args[2] if len(call.args) == 3 else None
    count = step.constant.value if step is not None and step.constant is not None else None
    if step is not None and not isinstance(count, int):
        raise refused("sequence of times with a computed step", "Write the step as INTERVAL.")
    timed = step is not None and step.type.kind is Kind.DAY_TIME
    if kind == DATE and timed and isinstance(count, int) and count % _DAY_US:
        raise mismatch("A sequence of dates needs a step of whole days or months")
    sides = [cast(call.args[0], kind), cast(call.args[1], kind)]
    if step is None:
        if kind != DATE:
            raise refused("sequence of timestamps without a step", "Add INTERVAL 1 DAY.")
        sql = "list_transform(s_sequence({0} - DATE '1970-01-01', {1} - DATE '1970-01-01'),"
        sql += " lambda d: DATE '1970-01-01' + CAST(d AS INTEGER))"
        return fill(sql, array(DATE), sides, name=call.shown, uses=6)
    if not isinstance(count, int) or count == 0:
        raise refused("sequence with this step", "Use a step other than zero.")
    sign = "<=" if count > 0 else ">="
    if step.type.kind is Kind.YEAR_MONTH:
        rounds = f"CAST(abs(datediff('month', {{0}}, {{1}})) // {abs(count)} + 1 AS BIGINT)"
        item = f"{{0}} + to_months(CAST(i * {count} AS INTEGER))"
    else:
        rounds = f"abs(epoch_us({{1}}) - epoch_us({{0}})) // {abs(count)} + 1"
        item = f"{{0}} + to_microseconds(i * {count})"
    name = "DATE" if kind == DATE else "TIMESTAMPTZ"
    sql = (
        f"CASE WHEN {{0}} {sign} {{1}} THEN list_filter(list_transform(range(0, {rounds}),"
        f" lambda i: CAST({item} AS {name})), lambda t: t {sign} {{1}})"
        " WHEN {0} IS NULL OR {1} IS NULL THEN NULL"
        " ELSE list_transform(range(s_fail('ILLEGAL_SEQUENCE] Illegal boundaries.')),"
        " lambda i: {0}) END"
    )
    return fill(sql, array(kind), sides, name=call.shown)


_BASE: Final[Mapping[str, Function]] = {
    "array": custom(lambda call: array_of(call.args, call.shown), 0, None),
    "size": custom(_size, 1, 1),
    "array_size": _one_array("CAST(len({0}) AS INTEGER)", "int"),
    "array_contains": _with_item("s_contains({0}, {1})", BOOLEAN, uses=3),
    "array_position": _with_item("s_position({0}, {1})", BIGINT, uses=2),
    "array_remove": _with_item("s_remove({0}, {1})", None, uses=2),
    "array_append": _append("list_concat({0}, [{1}])"),
    "array_prepend": _append("list_concat([{1}], {0})"),
    "array_compact": _one_array("list_filter({0}, lambda v: v IS NOT NULL)"),
    "array_distinct": _one_array("s_distinct({0})", uses=2),
    "array_union": _two_arrays("s_union({0}, {1})"),
    "array_intersect": _two_arrays("s_intersect({0}, {1})"),
    "array_except": _two_arrays("s_except({0}, {1})"),
    "arrays_overlap": _two_arrays("s_overlap({0}, {1})", BOOLEAN),
    "array_max": _extreme("list_max({0})", -1),
    "array_min": _extreme("list_min({0})", 1),
    "array_join": custom(_join, 2, 3),
    "array_repeat": custom(_repeat, 2, 2),
    "arrays_zip": custom(_zip, 1, None),
    "sort_array": custom(_sort_array, 1, 2),
    "flatten": _one_array("s_flatten({0})", "item", uses=3),
    "slice": custom(
        lambda c: fill(
            "s_slice({0}, {1}, {2})",
            c.args[0].type,
            [c.args[0], typed(c.args[1], INT, c), typed(c.args[2], INT, c)],
            name=c.shown,
            uses=6,
        ),
        3,
        3,
    ),
    "element_at": custom(_element_at, 2, 2),
    "try_element_at": custom(_element_at, 2, 2),
    "get": custom(_element_at, 2, 2),
    "reverse": custom(_reverse, 1, 1),
    "sequence": custom(_sequence, 2, 3),
}


ARRAYS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **_BASE,
        **same(_BASE, cardinality="size"),
    }
)
