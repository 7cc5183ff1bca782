"""Conditional functions, casts written as functions, and the rest."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect import literals
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.expr import Expr, Trait, fill
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, typed
from servicetsunami.engines.sql.dialect.operators import comparison, condition, truth
from servicetsunami.engines.sql.dialect.predicates import like
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.types import BOOLEAN, STRING, VOID, Kind, parse_type

MACROS: Final = (
    "s_assert(x, m) AS CASE WHEN x THEN NULL ELSE s_fail('USER_RAISED_EXCEPTION] ' || m) END",
    "s_raise(m) AS CASE WHEN m IS NULL THEN NULL ELSE s_fail('USER_RAISED_EXCEPTION] ' || m) END",
    "s_in_bounds(n) AS CASE WHEN n >= 99 THEN s_fail('RECURSION_LEVEL_LIMIT_EXCEEDED]"
    " The recursion went deeper than 100 rounds.') > 0 ELSE true END",
)


def _coalesce(call: Call) -> Expr:
    kind = common_type((arg.type for arg in call.args), call.name)
    values = [arg if arg.type == kind else cast(arg, kind) for arg in call.args]
    holes = ", ".join(f"{{{n}}}" for n in range(len(values)))
    return fill(f"coalesce({holes})", kind, values, name=call.shown)


def _if(call: Call) -> Expr:
    test = condition(call.args[0], call.name)
    rest = list(call.args[1:]) if len(call.args) == 3 else [call.args[1], literals.null()]
    kind = common_type((arg.type for arg in rest), call.name)
    values = [cast(arg, kind) for arg in rest]
    shown = f"(IF({call.args[0].name}, {rest[0].name}, {rest[1].name}))"
    return fill("CASE WHEN {0} THEN {1} ELSE {2} END", kind, [test, *values], name=shown)


def _nvl2(call: Call) -> Expr:
    kind = common_type((arg.type for arg in call.args[1:]), call.name)
    values = [cast(arg, kind) for arg in call.args[1:]]
    sql = "CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END"
    return fill(sql, kind, [call.args[0], *values], name=call.shown)


def _nullif(call: Call) -> Expr:
    left, right = call.args
    same_value = comparison("=", left, right)
    sql = "CASE WHEN {0} THEN NULL ELSE {1} END"
    return fill(sql, left.type, [same_value, left], name=call.shown)


def _decode(call: Call) -> Expr:
    if len(call.args) == 2:
        charset = str(call.constant(1, "character set")).lower()
        if charset not in {"utf-8", "utf8", "us-ascii"}:
            raise refused(f"The character set {charset}", "Use UTF-8.")
        value = call.args[0]
        raw = value if value.type.kind is Kind.BINARY else cast(value, parse_type("binary"))
        return fill("decode({0})", STRING, [raw], name=call.shown)
    subject, *rest = call.args
    pairs = list(zip(rest[::2], rest[1::2], strict=False))
    default = rest[-1] if len(rest) % 2 else literals.null()
    kind = common_type([*(value.type for _, value in pairs), default.type], call.name)
    tests = [comparison("<=>", subject, search) for search, _ in pairs]
    flat = [x for t, (_, v) in zip(tests, pairs, strict=True) for x in (t, cast(v, kind))]
    sql = " ".join(f"WHEN {{{2 * n}}} THEN {{{2 * n + 1}}}" for n in range(len(pairs)))
    sql = f"CASE {sql} ELSE {{{len(flat)}}} END"
    return fill(sql, kind, [*flat, cast(default, kind)], name=call.shown)


def _null_test(template: str, shown: str) -> Function:
    def build(call: Call) -> Expr:
        return fill(template, BOOLEAN, call.args, name=shown % call.args[0].name)

    return custom(build, 1, 1)


def _conversion(name: str) -> Function:
    kind = parse_type(name)
    return custom(lambda call: cast(call.args[0], kind).named(call.args[0].name), 1, 1)


def _typeof(call: Call) -> Expr:
    name = literals.text(str(call.args[0].type)).named(call.shown)
    if Trait.AGGREGATE not in call.args[0].traits:
        return name
    # An aggregate makes one row of a group, even where only its type is asked for.
    sql = "CASE WHEN {1} IS NULL THEN {0} ELSE {0} END"
    return fill(sql, STRING, [name, call.args[0]], name=call.shown)


def _uuid(call: Call) -> Expr:
    return Expr("CAST(uuid() AS VARCHAR)", STRING, call.shown, traits=Trait.VOLATILE)


def _raise(call: Call) -> Expr:
    message = typed(call.args[0], STRING, call)
    return fill("s_raise({0})", VOID, [message], name=call.shown, uses=2)


def _assert(call: Call) -> Expr:
    message = literals.text("assert_true failed.")
    if len(call.args) == 2:
        message = typed(call.args[1], STRING, call)
    sides = [truth(call.args[0], call.name), message]
    return fill("s_assert({0}, {1})", VOID, sides, name=call.shown)


def _like(call: Call) -> Expr:
    return like(call.name.upper(), call.args[0], call.args[1])


def _zero(call: Call) -> Expr:
    if call.args[0].type == VOID:
        return (literals.whole(0) if call.name == "zeroifnull" else call.args[0]).named(call.shown)
    zero = cast(literals.whole(0), call.args[0].type)
    template = "coalesce({0}, {1})" if call.name == "zeroifnull" else "nullif({0}, {1})"
    return fill(template, call.args[0].type, [call.args[0], zero], name=call.shown)


_NAMES: Final = (
    *("boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "string"),
    *("binary", "date", "timestamp"),
)
_BASE: Final[Mapping[str, Function]] = {
    "coalesce": custom(_coalesce, 1, None),
    "nvl": custom(_coalesce, 2, 2),
    "if": custom(_if, 2, 3),
    "nvl2": custom(_nvl2, 3, 3),
    "nullif": custom(_nullif, 2, 2),
    "decode": custom(_decode, 2, None),
    "zeroifnull": custom(_zero, 1, 1),
    "nullifzero": custom(_zero, 1, 1),
    "isnull": _null_test("({0} IS NULL)", "(%s IS NULL)"),
    "isnotnull": _null_test("({0} IS NOT NULL)", "(%s IS NOT NULL)"),
    "equal_null": custom(lambda c: comparison("<=>", c.args[0], c.args[1]).named(c.shown), 2, 2),
    **{name: _conversion(name) for name in _NAMES},
    "typeof": custom(_typeof, 1, 1),
    "uuid": custom(_uuid, 0, 0),
    "raise_error": custom(_raise, 1, 1),
    "assert_true": custom(_assert, 1, 2),
    "like": custom(_like, 2, 2),
    "ilike": custom(_like, 2, 2),
}
MISC: Final[Mapping[str, Function]] = MappingProxyType(
    {**_BASE, **same(_BASE, ifnull="nvl", iff="if")}
)
