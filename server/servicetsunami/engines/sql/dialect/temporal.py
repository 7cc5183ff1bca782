"""Arithmetic on dates, timestamps and intervals."""

from servicetsunami.engines.sql.dialect.casts import cast, implicit
from servicetsunami.engines.sql.dialect.coercion import INTERVALS, TEMPORAL, is_integral, is_numeric
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import DATE, DAY, DAY_TIME, INT, TIMESTAMP, Kind, SqlType

_MICROS = "(epoch_us({0}))"


def shift(sign: str, left: Expr, right: Expr) -> Expr:
    """Compile `+ - * /` where an operand is a date, a timestamp or an interval."""
    if sign == "+" and left.type.kind not in TEMPORAL and right.type.kind in TEMPORAL:
        left, right = right, left
    if left.type.kind is Kind.STRING and right.type.kind in INTERVALS and sign in "+-":
        raise refused("A string moved by an interval", "Cast the string to TIMESTAMP first.")
    if left.type.kind in TEMPORAL and right.type.kind in INTERVALS and sign in "+-":
        return _moved(sign, left, right)
    if sign == "-" and {left.type.kind, right.type.kind} & set(TEMPORAL):
        found = _difference(left, right)
        if found is not None:
            return found
    if left.type.kind is Kind.DATE and sign in "+-":
        days = _days(right)
        return fill(f"({{0}} {sign} {{1}})", DATE, [left, days])
    return _interval(sign, left, right)


def _days(right: Expr) -> Expr:
    if not is_integral(right.type) or right.type.kind is Kind.BIGINT:
        raise mismatch(f"A date cannot be moved by {right.type}")
    return right if right.type.kind is Kind.INT else cast(right, INT)


def _moved(sign: str, left: Expr, right: Expr) -> Expr:
    template = f"({{0}} {sign} {{1}})"
    if left.type.kind is not Kind.DATE:
        return fill(template, left.type, [left, right])
    if right.type.kind is Kind.YEAR_MONTH or right.type == DAY:
        return fill(f"CAST({template} AS DATE)", DATE, [left, right])
    return fill(template, TIMESTAMP, [cast(left, TIMESTAMP), right])


def _difference(left: Expr, right: Expr) -> Expr | None:
    kinds = {left.type.kind, right.type.kind}
    if kinds <= {Kind.DATE, Kind.STRING} and right.type.kind in {Kind.DATE, Kind.STRING}:
        if right.type.kind is Kind.STRING and left.type.kind is Kind.DATE:
            right = cast(right, DATE)
        left = cast(left, DATE)
        return fill("to_days(CAST({0} - {1} AS INTEGER))", DAY, [left, right])
    if kinds <= {*TEMPORAL, Kind.STRING}:
        sides = [implicit(side, TIMESTAMP, "-") for side in (left, right)]
        return fill("s_span(epoch_us({0}) - epoch_us({1}))", DAY_TIME, sides, uses=2)
    return None


def _interval(sign: str, left: Expr, right: Expr) -> Expr:
    if sign == "*" and left.type.kind not in INTERVALS:
        left, right = right, left
    a, b = left.type, right.type
    if a.kind in INTERVALS and a.kind is b.kind and sign in "+-":
        return fill(f"({{0}} {sign} {{1}})", a if a == b else SqlType(a.kind), [left, right])
    if a.kind in INTERVALS and is_numeric(b) and sign in "*/":
        return _scaled(sign, left, right)
    raise mismatch(f"{sign} does not take {a} and {b}")


def _scaled(sign: str, left: Expr, right: Expr) -> Expr:
    kind = SqlType(left.type.kind)
    by = right if sign == "*" else fill("s_not_zero({0})", right.type, [right], uses=2)
    if kind.kind is Kind.YEAR_MONTH:
        whole = "(12 * date_part('year', {0}) + date_part('month', {0}))"
        return fill(f"to_months(CAST(round({whole} {sign} {{1}}) AS INTEGER))", kind, [left, by])
    moved = f"CAST(round(epoch_us({{0}}) {sign} {{1}}) AS BIGINT)"
    return fill(f"s_span({moved})", kind, [left, by], uses=2)
