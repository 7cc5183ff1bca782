"""Aggregates of statistics: percentiles, moments, correlation, regression."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.aggregation import aggregate, listed_aggregate, shown
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import is_numeric
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.fn_aggregates import number_of
from servicetsunami.engines.sql.dialect.functions import Call, Function, same, typed
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    DOUBLE,
    SqlType,
    array,
)


def _doubles(function: str, count: int) -> Function:
    def build(call: Call) -> Expr:
        args = [typed(arg, DOUBLE, call) for arg in call.args]
        return aggregate(call, function, args, DOUBLE)

    return Function(build, count, count, "aggregate")


def _regression(function: str) -> Function:
    """Build a regression, which is NULL where x does not vary."""

    def build(call: Call) -> Expr:
        args = [typed(arg, DOUBLE, call) for arg in call.args]
        spread = aggregate(call, "regr_sxx", args, DOUBLE)
        line = aggregate(call, function, args, DOUBLE)
        sql = "CASE WHEN {0} = 0 THEN NULL ELSE {1} END"
        return fill(sql, DOUBLE, [spread, line], name=line.name)

    return Function(build, 2, 2, "aggregate")


def _corr(call: Call) -> Expr:
    args = [typed(arg, DOUBLE, call) for arg in call.args]
    names = ("corr", "regr_count", "regr_sxx", "regr_syy")
    parts = [aggregate(call, name, args, DOUBLE) for name in names]
    sql = (
        "CASE WHEN {1} < 2 THEN NULL WHEN {2} = 0 OR {3} = 0 THEN"
        " s_fail('DIVIDE_BY_ZERO] Division by zero.') ELSE {0} END"
    )
    return fill(sql, DOUBLE, parts, name=shown(call))


def _shares(call: Call, index: int) -> tuple[list[float], bool]:
    """Read the share of a percentile: one number or an array of them."""
    node = call.nodes[index]
    listed = isinstance(node, exp.Anonymous)
    nodes = node.expressions if listed else [node]
    shares = []
    for part in nodes:
        constant = call.env.compile(part).constant
        if constant is None or (
            not isinstance(constant.value, int | float) and not hasattr(constant.value, "as_tuple")
        ):
            raise refused(f"{call.name} with a computed share", "Write the share out, as in 0.5.")
        share = float(str(constant.value))
        if not 0 <= share <= 1:
            raise mismatch(f"{call.name} needs a share from 0 to 1")
        shares.append(share)
    return shares, listed


def _percentile(call: Call) -> Expr:
    """Build percentile(x, p), and percentile_cont(p) WITHIN GROUP (ORDER BY x)."""
    value, shares, listed = _percentile_parts(call)
    number = cast(value, DOUBLE) if value.type != DOUBLE else value
    if not is_numeric(value.type):
        raise refused(f"{call.name} of {value.type}", "Use a number.")
    parts = [
        aggregate(call, "quantile_cont", [number, Expr(repr(share), DOUBLE, "")], DOUBLE)
        for share in shares
    ]
    return _one_or_many(parts, listed, DOUBLE).named(shown(call))


def _percentile_parts(call: Call) -> tuple[Expr, list[float], bool]:
    if call.within:
        if len(call.within) != 1 or len(call.nodes) != 1:
            raise mismatch(f"{call.name} needs one share and one ORDER BY")
        shares, listed = _shares(call, 0)
        if call.within[0].args.get("desc"):
            shares = [1 - share for share in shares]
        return call.env.compile(call.within[0].this), shares, listed
    if call.name in {"percentile_cont", "percentile_disc"} or len(call.nodes) < 2:
        raise mismatch(f"{call.name} needs WITHIN GROUP (ORDER BY …)")
    shares, listed = _shares(call, 1)
    return call.args[0], shares, listed


def _one_or_many(parts: Sequence[Expr], listed: bool, kind: SqlType) -> Expr:
    if not listed:
        return parts[0]
    holes = ", ".join(f"{{{n}}}" for n in range(len(parts)))
    sql = f"CASE WHEN {{0}} IS NULL THEN NULL ELSE [{holes}] END"
    return fill(sql, array(kind), parts)


def _ranked(call: Call) -> Expr:
    """Build percentile_disc and percentile_approx: a value that is really there."""
    descending = bool(call.within and call.within[0].args.get("desc"))
    value, shares, listed = _percentile_parts(call)
    if descending:
        shares = [1 - share for share in shares]
    if not is_numeric(value.type):
        raise refused(f"{call.name} of {value.type}", "Use a number.")
    if call.name == "percentile_disc":
        value = cast(value, DOUBLE)
    items = aggregate(call, "list", [value], array(value.type), skip_nulls=True)
    order = "'DESC'" if descending else "'ASC'"
    ordered = fill(f"list_sort({{0}}, {order})", items.type, [items])
    kind = value.type
    parts = [fill(f"s_ranked({{0}}, {share!r})", kind, [ordered], uses=2) for share in shares]
    return _one_or_many(parts, listed, kind).named(shown(call))


def _median(call: Call) -> Expr:
    number = cast(number_of(call), DOUBLE)
    half = Expr("0.5", DOUBLE, "")
    return aggregate(call, "quantile_cont", [number, half], DOUBLE).named(shown(call))


def _mode(call: Call) -> Expr:
    """Among values that are equally frequent the lowest, so that the answer does not change."""
    if not call.within and not call.args:
        raise mismatch("mode needs a column, or WITHIN GROUP (ORDER BY …)")
    item = call.within[0] if call.within else exp.Ordered(this=call.nodes[0], nulls_first=True)
    value = call.env.compile(item.this)
    if call.over is not None:
        raise refused("mode OVER", "Count in a subquery.")
    return aggregate(call, "mode", [value], value.type, order=[item]).named(shown(call))


def _moment(macro: str) -> Function:
    def build(call: Call) -> Expr:
        value = cast(number_of(call), DOUBLE)
        items = aggregate(call, "list", [value], array(DOUBLE), skip_nulls=True)
        return fill(f"{macro}({{0}})", DOUBLE, [items], name=items.name, uses=5)

    return Function(build, 1, 1, "aggregate")


_BASE: Final[Mapping[str, Function]] = {
    "percentile": listed_aggregate(_percentile, 1, 2),
    "percentile_cont": listed_aggregate(_percentile, 1, 1),
    "percentile_disc": listed_aggregate(_ranked, 1, 1),
    "percentile_approx": listed_aggregate(_ranked, 2, 3),
    "median": listed_aggregate(_median, 1, 1),
    "mode": listed_aggregate(_mode, 0, 1),
    **{name: _doubles(name, 1) for name in ("stddev_samp", "stddev_pop", "var_samp", "var_pop")},
    **{name: _doubles(name, 2) for name in ("covar_samp", "covar_pop")},
    "corr": listed_aggregate(_corr, 2, 2),
    **{
        f"regr_{name}": _doubles(f"regr_{name}", 2)
        for name in ("avgx", "avgy", "sxx", "sxy", "syy")
    },
    **{name: _regression(name) for name in ("regr_slope", "regr_intercept", "regr_r2")},
    "skewness": _moment("s_skewness"),
    "kurtosis": _moment("s_kurtosis"),
}
STATISTICS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **_BASE,
        **same(
            _BASE,
            approx_percentile="percentile_approx",
            stddev="stddev_samp",
            std="stddev_samp",
            variance="var_samp",
        ),
    }
)
