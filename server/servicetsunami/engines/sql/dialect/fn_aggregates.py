"""Aggregate and window functions."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import literals
from servicetsunami.engines.sql.dialect.aggregation import aggregate, listed_aggregate, shown
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import INTERVALS, is_integral, is_numeric
from servicetsunami.engines.sql.dialect.expr import Expr, Trait, fill
from servicetsunami.engines.sql.dialect.functions import Call, Function, same, typed
from servicetsunami.engines.sql.dialect.operators import divide_decimals, truth
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.dialect.sort_keys import is_nested, sort_key
from servicetsunami.engines.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INT,
    STRING,
    TINYINT,
    Kind,
    SqlType,
    array,
    decimal,
)
from servicetsunami.errors import InvalidInput

MACROS: Final = (
    # Databricks' percentile of ranks: the first value whose share of the rows reaches p.
    "s_ranked(a, p) AS list_extract(a, greatest(1, CAST(ceil(p * len(a)) AS BIGINT)))",
    "s_centred(a, k) AS list_avg(list_transform(a, lambda v: pow(v - list_avg(a), k)))",
    "s_skewness(a) AS CASE WHEN a IS NULL OR len(a) = 0 OR s_centred(a, 2) = 0 THEN NULL"
    " ELSE s_centred(a, 3) / pow(s_centred(a, 2), 1.5) END",
    "s_kurtosis(a) AS CASE WHEN a IS NULL OR len(a) = 0 OR s_centred(a, 2) = 0 THEN NULL"
    " ELSE s_centred(a, 4) / pow(s_centred(a, 2), 2) - 3 END",
)


def _count(call: Call) -> Expr:
    if len(call.nodes) == 1 and isinstance(call.nodes[0], exp.Star):
        if call.distinct:
            raise refused("count(DISTINCT *)", "List the columns.")
        one = Call("count", [exp.Literal.number(1)], call.env, where=call.where, over=call.over)
        done = aggregate(one, "count", [Expr("*", INT, "1")], BIGINT)
        return done.named(shown(one))
    if any(isinstance(n, exp.Column) and isinstance(n.this, exp.Star) for n in call.nodes):
        raise refused("count(t.*)", "Use count(*), or list the columns.")
    if not call.nodes:
        raise InvalidInput("[WRONG_NUM_ARGS] count needs an argument.", "Write count(*).")
    if len(call.args) == 1:
        return aggregate(call, "count", call.args, BIGINT)
    tests = " AND ".join(f"{{{n}}} IS NOT NULL" for n in range(len(call.args)))
    row = ", ".join(f"{{{n}}}" for n in range(len(call.args)))
    kept = fill(f"CASE WHEN {tests} THEN row({row}) ELSE NULL END", INT, call.args)
    return aggregate(call, "count", [kept], BIGINT)


def number_of(call: Call) -> Expr:
    """Give the first argument as a number; raises InvalidInput where it is none."""
    arg = call.args[0]
    if arg.type.kind in {Kind.STRING, Kind.VOID}:
        return cast(arg, DOUBLE)
    if arg.type.kind in INTERVALS:
        raise refused(f"{call.name} of an interval", "Aggregate its seconds or months.")
    if not is_numeric(arg.type):
        raise mismatch(f"{call.name} needs a number, not {arg.type}")
    return arg


def _sum(call: Call) -> Expr:
    value = number_of(call)
    if value.type.kind is Kind.DECIMAL:
        kind = decimal(min(38, value.type.precision + 10), value.type.scale)
        done = aggregate(call, "sum", [value], kind)
        return fill(
            f"CAST({{0}} AS DECIMAL({kind.precision},{kind.scale}))", kind, [done], name=done.name
        )
    if is_integral(value.type):
        done = aggregate(call, "sum", [value], BIGINT)
        return fill("CAST({0} AS BIGINT)", BIGINT, [done], name=done.name)
    return aggregate(call, "sum", [cast(value, DOUBLE)], DOUBLE)


def _avg(call: Call) -> Expr:
    value = number_of(call)
    if value.type.kind is not Kind.DECIMAL:
        return aggregate(
            call, "avg", [value if is_integral(value.type) else cast(value, DOUBLE)], DOUBLE
        )
    precision, scale = value.type.precision, value.type.scale
    kind = decimal(min(38, precision + 4), min(38, scale + 4))
    if precision + 4 > 38:
        raise refused(f"avg of {value.type}", "Cast to fewer digits or to DOUBLE.")
    total_kind = decimal(min(38, precision + 10), scale)
    total = aggregate(call, "sum", [value], total_kind)
    counted = aggregate(call, "count", [value], BIGINT)
    total = cast(total, total_kind)
    count = fill("CAST(nullif({0}, 0) AS DECIMAL(20,0))", decimal(20, 0), [counted])
    return divide_decimals(total, count, kind).named(total.name)


def _tried(name: str) -> Function:
    def build(call: Call) -> Expr:
        if call.over is not None:
            raise refused(f"{call.name} OVER", f"Use {name}.")
        done = _BASE[name].build(call)
        if done.type == DOUBLE:
            return done
        if name == "avg":
            raise refused("try_avg of decimals", "Use avg, or cast to DOUBLE.")
        # The sum itself has 128 bits; only its cast can fail.
        return replace(done, sql="TRY_" + done.sql)

    return Function(build, 1, 1, "aggregate")


def _plain(function: str) -> Function:
    def build(call: Call) -> Expr:
        arg = call.args[0]
        if arg.type.kind in {Kind.MAP, Kind.VARIANT}:
            raise mismatch(f"{call.name} does not order {arg.type}")
        if is_nested(arg.type):
            by_key = replace(call, distinct=False)
            return aggregate(by_key, f"arg_{function}", [arg, sort_key(arg)], arg.type)
        return aggregate(call, function, [arg], arg.type)

    return Function(build, 1, 1, "aggregate")


def _approx_count_distinct(call: Call) -> Expr:
    """Count exactly, which is within every error that could be asked for."""
    if call.over is not None:
        raise refused("approx_count_distinct OVER", "Count in a subquery.")
    distinct = Call(call.name, call.nodes[:1], call.env, distinct=True, where=call.where)
    return aggregate(distinct, "count", call.args[:1], BIGINT).named(shown(call))


def _condition(function: str, kind: SqlType = BOOLEAN) -> Function:
    def build(call: Call) -> Expr:
        arg = truth(call.args[0], call.name)
        done = aggregate(call, function, [arg], kind)
        sql = "CAST(coalesce({0}, 0) AS BIGINT)"
        return fill(sql, kind, [done], name=done.name) if kind == BIGINT else done

    return Function(build, 1, 1, "aggregate")


def _bits(function: str) -> Function:
    def build(call: Call) -> Expr:
        arg = call.args[0]
        if not is_integral(arg.type):
            raise mismatch(f"{call.name} needs whole numbers, not {arg.type}")
        return aggregate(call, function, [arg], arg.type)

    return Function(build, 1, 1, "aggregate")


def _collect(call: Call) -> Expr:
    value = call.args[0]
    if call.distinct:
        raise refused("collect_list(DISTINCT …), whose order is not defined,", "Use collect_set.")
    order = call.order or call.within
    done = aggregate(call, "list", [value], array(value.type), skip_nulls=True, order=order)
    return fill("coalesce({0}, [])", done.type, [done], name=done.name)


def _collect_set(call: Call) -> Expr:
    value = call.args[0]
    if value.type.kind is Kind.MAP:
        raise mismatch("collect_set does not take maps")
    distinct = Call(
        call.name, call.nodes, call.env, distinct=True, where=call.where, over=call.over
    )
    done = aggregate(distinct, "list", [value], array(value.type), skip_nulls=True)
    sql = "list_sort(coalesce({0}, []))"
    return fill(sql, done.type, [done], name=shown(call))


def _by(function: str) -> Function:
    def build(call: Call) -> Expr:
        value, order = call.args
        return aggregate(call, function, [value, sort_key(order)], value.type)

    return Function(build, 2, 2, "aggregate")


def _listagg(call: Call) -> Expr:
    value = call.args[0]
    separator = str(call.constant(1, "separator") or "") if len(call.args) == 2 else ""
    if value.type.kind is Kind.BINARY:
        raise refused("listagg of binary values", "Cast them to strings.")
    text = typed(value, STRING, call)
    mark = literals.text(separator)
    if call.distinct and call.within and call.env.compile(call.within[0].this).sql != value.sql:
        raise mismatch("listagg(DISTINCT x) can be ordered by x only")
    return aggregate(call, "string_agg", [text, mark], STRING, order=call.within)


def _grouping(call: Call) -> Expr:
    if not call.args:
        raise refused("grouping_id() without columns", "Name the columns of GROUP BY in it.")
    kind = TINYINT if call.name == "grouping" else BIGINT
    listed = ", ".join(arg.sql for arg in call.args)
    function = "grouping" if len(call.args) == 1 else "grouping_id"
    sql = f"CAST({function}({listed}) AS {kind.kind.upper()})"
    return Expr(sql, kind, call.shown, traits=Trait.AGGREGATE)


_BASE: Final[Mapping[str, Function]] = {
    "count": listed_aggregate(_count, 0, None),
    "sum": listed_aggregate(_sum, 1, 1),
    "avg": listed_aggregate(_avg, 1, 1),
    "try_sum": _tried("sum"),
    "try_avg": _tried("avg"),
    "min": _plain("min"),
    "max": _plain("max"),
    "collect_list": listed_aggregate(_collect, 1, 1),
    "collect_set": listed_aggregate(_collect_set, 1, 1),
    "count_if": _condition("count_if", BIGINT),
    "bool_and": _condition("bool_and"),
    "bool_or": _condition("bool_or"),
    "max_by": _by("arg_max_null"),
    "min_by": _by("arg_min_null"),
    "bit_and": _bits("bit_and"),
    "bit_or": _bits("bit_or"),
    "bit_xor": _bits("bit_xor"),
    "approx_count_distinct": Function(_approx_count_distinct, 1, 2, "aggregate"),
    "listagg": listed_aggregate(_listagg, 1, 2),
    "regr_count": Function(
        lambda call: fill(
            "CAST({0} AS BIGINT)",
            BIGINT,
            [aggregate(call, "regr_count", [typed(a, DOUBLE, call) for a in call.args], BIGINT)],
            name=shown(call),
        ),
        2,
        2,
        "aggregate",
    ),
    "grouping": listed_aggregate(_grouping, 1, 1),
    "grouping_id": listed_aggregate(_grouping, 0, None),
}


AGGREGATES: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **_BASE,
        **same(
            _BASE,
            mean="avg",
            array_agg="collect_list",
            every="bool_and",
            some="bool_or",
            any="bool_or",
            string_agg="listagg",
        ),
    }
)
