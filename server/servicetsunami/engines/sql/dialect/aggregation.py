"""How an aggregate is written: DISTINCT, ORDER BY, FILTER, OVER."""

from collections.abc import Sequence

from sqlglot import exp

from servicetsunami.engines.sql.dialect import windows
from servicetsunami.engines.sql.dialect.expr import Expr, Trait
from servicetsunami.engines.sql.dialect.functions import Build, Call, Function
from servicetsunami.engines.sql.dialect.operators import truth
from servicetsunami.engines.sql.types import (
    SqlType,
)
from servicetsunami.errors import InvalidInput


def aggregate(
    call: Call,
    function: str,
    args: Sequence[Expr],
    kind: SqlType,
    *,
    skip_nulls: bool = False,
    order: Sequence[exp.Ordered] = (),
    tail: str = "",
) -> Expr:
    """Write an aggregate with its DISTINCT, ORDER BY, FILTER and OVER.

    `skip_nulls` leaves rows out whose first argument is NULL.
    """
    if call.distinct and call.over is not None and call.name != "collect_set":
        raise InvalidInput(
            "[DISTINCT_WINDOW_FUNCTION_UNSUPPORTED] DISTINCT cannot stand in a window.",
            "Count distinct values in a subquery.",
        )
    if any(Trait.AGGREGATE in arg.traits for arg in args) and call.over is None:
        raise InvalidInput(
            "[NESTED_AGGREGATE_FUNCTION] An aggregate cannot stand within an aggregate.",
            "Aggregate in a subquery first.",
        )
    listed = ", ".join(arg.sql for arg in args)
    by = f" ORDER BY {windows.ordering(call.env, order)}" if order else ""
    sql = f"{function}({'DISTINCT ' if call.distinct else ''}{listed}{by}{tail})"
    tests = [f"{args[0].sql} IS NOT NULL"] if skip_nulls else []
    traits = Trait.WINDOW if call.over is not None else Trait.AGGREGATE
    for arg in args:
        traits |= arg.traits
    if call.where is not None:
        where = call.where if isinstance(call.where, Expr) else call.env.compile(call.where)
        tests.append(truth(where, "FILTER").sql)
    if tests:
        sql += f" FILTER (WHERE {' AND '.join(tests)})"
    if call.over is not None:
        sql += f" {windows.over(call.env, call.over)}"
    return Expr(sql, kind, shown(call), weight=5 + sum(arg.weight for arg in args), traits=traits)


def shown(call: Call) -> str:
    """Print an aggregate call as Databricks names its column."""
    distinct = "DISTINCT " if call.distinct else ""
    name = f"{call.name}({distinct}{', '.join(arg.name for arg in call.args)})"
    if call.where is not None:
        where = call.where if isinstance(call.where, Expr) else call.env.compile(call.where)
        name += f" FILTER (WHERE {where.name})"
    return name + (" OVER (…)" if call.over is not None else "")


def listed_aggregate(build: Build, least: int, most: int | None) -> Function:
    """Make an aggregate function of a builder."""
    return Function(build, least, most, "aggregate")
