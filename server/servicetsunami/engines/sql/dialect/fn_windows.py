"""Window functions, and first and last."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.aggregation import aggregate
from servicetsunami.engines.sql.dialect.casts import cast, implicit
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.functions import Call, Function, same, typed
from servicetsunami.engines.sql.dialect.problems import mismatch
from servicetsunami.engines.sql.types import (
    BIGINT,
    DOUBLE,
    INT,
    SqlType,
)
from servicetsunami.errors import InvalidInput


def _edge(which: str) -> Function:
    """Build first and last; they keep NULL unless told otherwise."""

    def build(call: Call) -> Expr:
        ignore = call.ignore_nulls or (len(call.args) == 2 and bool(call.constant(1, "flag")))
        value = call.args[0]
        if call.over is not None:
            tail = " IGNORE NULLS" if ignore else ""
            return aggregate(call, f"{which}_value", [value], value.type, tail=tail)
        return aggregate(call, which, [value], value.type, skip_nulls=ignore)

    return Function(build, 1, 2, "aggregate")


def _ordered(call: Call) -> None:
    if call.over is None or call.over.args.get("order") is None:
        raise InvalidInput(
            f"[WINDOW_FUNCTION_WITHOUT_ORDER] {call.name} needs ORDER BY in its window.",
            "Add ORDER BY to OVER (…).",
        )


def _rank(function: str, kind: SqlType) -> Function:
    def build(call: Call) -> Expr:
        _ordered(call)
        args = [typed(arg, INT, call) for arg in call.args]
        done = aggregate(call, function, args, kind)
        if kind != INT:
            return done
        return fill("CAST({0} AS INTEGER)", INT, [done], name=done.name)

    return Function(
        build, 1 if function == "ntile" else 0, 1 if function == "ntile" else 0, "window"
    )


def _neighbour(function: str) -> Function:
    def build(call: Call) -> Expr:
        _ordered(call)
        value, *rest = call.args
        if rest and rest[0].constant is None and not isinstance(call.nodes[1], exp.Neg):
            raise mismatch(f"{call.name} needs a literal offset")
        kind = value.type if len(rest) < 2 else common_type((value.type, rest[1].type), call.name)
        args = [cast(value, kind) if value.type != kind else value]
        args += [typed(rest[0], INT, call)] if rest else []
        args += [cast(rest[1], kind)] if len(rest) == 2 else []
        tail = " IGNORE NULLS" if call.ignore_nulls else ""
        return aggregate(call, function, args, kind, tail=tail)

    return Function(build, 1, 3, "window")


def _nth_value(call: Call) -> Expr:
    tail = " IGNORE NULLS" if call.ignore_nulls else ""
    place = call.constant(1, "place")
    if not isinstance(place, int) or place < 1:
        raise mismatch("nth_value needs a place from 1 on")
    args = [call.args[0], implicit(call.args[1], BIGINT, "nth_value")]
    return aggregate(call, "nth_value", args, args[0].type, tail=tail)


_BASE: Final[Mapping[str, Function]] = {
    "first": _edge("first"),
    "last": _edge("last"),
    "any_value": _edge("first"),
    "row_number": _rank("row_number", INT),
    "rank": _rank("rank", INT),
    "dense_rank": _rank("dense_rank", INT),
    "ntile": _rank("ntile", INT),
    "percent_rank": _rank("percent_rank", DOUBLE),
    "cume_dist": _rank("cume_dist", DOUBLE),
    "lag": _neighbour("lag"),
    "lead": _neighbour("lead"),
    "nth_value": Function(_nth_value, 2, 2, "window"),
}
WINDOWS: Final[Mapping[str, Function]] = MappingProxyType(
    {**_BASE, **same(_BASE, first_value="first", last_value="last")}
)
