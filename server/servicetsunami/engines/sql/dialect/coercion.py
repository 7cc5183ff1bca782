"""Which type two types meet in, by the rules of ANSI mode."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect.expr import Expr
from servicetsunami.engines.sql.dialect.problems import mismatch
from servicetsunami.engines.sql.types import (
    BIGINT,
    DOUBLE,
    VOID,
    Kind,
    SqlType,
    array,
    decimal,
    map_of,
    struct,
)

INTEGRAL: Final = (Kind.TINYINT, Kind.SMALLINT, Kind.INT, Kind.BIGINT)
FRACTIONAL: Final = (Kind.FLOAT, Kind.DOUBLE, Kind.DECIMAL)
NUMERIC: Final = frozenset((*INTEGRAL, *FRACTIONAL))
TEMPORAL: Final = (Kind.DATE, Kind.TIMESTAMP_NTZ, Kind.TIMESTAMP)
INTERVALS: Final = frozenset((Kind.YEAR_MONTH, Kind.DAY_TIME))
NESTED: Final = frozenset((Kind.ARRAY, Kind.MAP, Kind.STRUCT))
DIGITS: Final = MappingProxyType({Kind.TINYINT: 3, Kind.SMALLINT: 5, Kind.INT: 10, Kind.BIGINT: 20})


def is_numeric(kind: SqlType) -> bool:
    """Tell whether the type is a number."""
    return kind.kind in NUMERIC


def is_integral(kind: SqlType) -> bool:
    """Tell whether the type is a whole number other than a decimal."""
    return kind.kind in INTEGRAL


def as_decimal(kind: SqlType) -> SqlType:
    """Give the decimal type that holds every value of a whole-number type."""
    return kind if kind.kind is Kind.DECIMAL else decimal(DIGITS[kind.kind], 0)


def exact_decimal(expr: Expr) -> SqlType:
    """Give the decimal type of an operand; a literal has just the digits that it shows."""
    if is_integral(expr.type) and expr.constant is not None:
        return decimal(max(1, len(str(expr.constant.value).lstrip("-"))), 0)
    return as_decimal(expr.type)


def bounded(precision: int, scale: int) -> SqlType:
    """Cut a decimal type to 38 digits: whole digits first, but six decimals are kept."""
    if precision <= 38:
        return decimal(precision, scale)
    whole = precision - scale
    return decimal(38, max(38 - whole, min(scale, 6)))


def _wider_decimal(left: SqlType, right: SqlType) -> SqlType:
    scale = max(left.scale, right.scale)
    whole = max(left.precision - left.scale, right.precision - right.scale)
    return decimal(
        min(38, whole + scale), min(scale, 38 - min(whole, 38)) if whole + scale > 38 else scale
    )


def _wider_number(left: SqlType, right: SqlType) -> SqlType:
    kinds = {left.kind, right.kind}
    if Kind.DOUBLE in kinds:
        return DOUBLE
    if Kind.FLOAT in kinds:
        return left if left == right else DOUBLE
    if Kind.DECIMAL in kinds:
        return _wider_decimal(as_decimal(left), as_decimal(right))
    return max(left, right, key=lambda kind: INTEGRAL.index(kind.kind))


def _wider_with_string(other: SqlType) -> SqlType | None:
    if is_integral(other):
        return BIGINT
    if is_numeric(other):
        return DOUBLE
    if other.kind in INTERVALS or other.kind in NESTED:
        return None
    return other


def _wider_nested(left: SqlType, right: SqlType) -> SqlType | None:
    if len(left.parts) != len(right.parts):
        return None
    parts = tuple(wider(a, b) for a, b in zip(left.parts, right.parts, strict=True))
    found = tuple(part for part in parts if part is not None)
    if len(found) != len(parts):
        return None
    if left.kind is Kind.ARRAY:
        return array(found[0])
    if left.kind is Kind.MAP:
        return map_of(*found)
    same = all(a.lower() == b.lower() for a, b in zip(left.names, right.names, strict=True))
    return struct(left.names, found) if same else None


def wider(left: SqlType, right: SqlType) -> SqlType | None:
    """Give the type that both can become, or None."""
    if left == right or VOID in {left, right}:
        return right if left == VOID else left
    if Kind.STRING in {left.kind, right.kind}:
        return _wider_with_string(right if left.kind is Kind.STRING else left)
    return _wider_of_a_kind(left, right)


def _wider_of_a_kind(left: SqlType, right: SqlType) -> SqlType | None:
    if is_numeric(left) and is_numeric(right):
        return _wider_number(left, right)
    if left.kind in TEMPORAL and right.kind in TEMPORAL:
        return max(left, right, key=lambda kind: TEMPORAL.index(kind.kind))
    if left.kind is not right.kind:
        return None
    if left.kind in INTERVALS:
        return SqlType(left.kind)
    return _wider_nested(left, right) if left.kind in NESTED else None


def common_type(kinds: Iterable[SqlType], what: str, *, strict: bool = False) -> SqlType:
    """Give the type that all can become.

    Strings come first, as Databricks does it, so that the order of the others does not matter.
    Where it is `strict`, strings meet strings only. Raises InvalidInput where there is none.
    """
    listed = sorted(kinds, key=lambda kind: kind.kind is not Kind.STRING)
    if strict and len({kind.kind is Kind.STRING for kind in listed if kind != VOID}) > 1:
        raise mismatch(f"{what} has the types {listed[0]} and {listed[-1]}, which do not mix")

    def meet(left: SqlType, right: SqlType) -> SqlType:
        found = wider(left, right)
        if found is None:
            raise mismatch(f"{what} has the types {left} and {right}, which have no common type")
        return found

    return reduce(meet, listed, VOID)


def types_of(args: Sequence[Expr]) -> list[SqlType]:
    """List the types of expressions."""
    return [arg.type for arg in args]


def _tight(left: SqlType, right: SqlType) -> SqlType | None:
    if left == right or Kind.VOID in {left.kind, right.kind}:
        return right if left.kind is Kind.VOID else left
    if is_numeric(left) and is_numeric(right):
        return _tight_number(left, right)
    if left.kind in TEMPORAL and right.kind in TEMPORAL:
        return wider(left, right)
    return _tight_nested(left, right) if left.kind is right.kind else None


def _tight_nested(left: SqlType, right: SqlType) -> SqlType | None:
    names = [[name.lower() for name in kind.names] for kind in (left, right)]
    if left.kind not in NESTED or names[0] != names[1]:
        return None
    parts = [_tight(a, b) for a, b in zip(left.parts, right.parts, strict=True)]
    found = tuple(part for part in parts if part is not None)
    return replace(left, parts=found) if len(found) == len(parts) else None


def _tight_number(left: SqlType, right: SqlType) -> SqlType | None:
    if Kind.DECIMAL not in {left.kind, right.kind}:
        return _wider_number(left, right)
    if not {left.kind, right.kind} & set(INTEGRAL):
        return None
    found = _wider_decimal(as_decimal(left), as_decimal(right))
    return found if found in {left, right} else None


def tight_type(kinds: Sequence[SqlType], what: str) -> SqlType:
    """Give the type of several values where Databricks converts only without any loss.

    Raises InvalidInput where the types differ more.
    """
    done = kinds[0]
    for kind in kinds[1:]:
        found = _tight(done, kind)
        if found is None:
            raise mismatch(f"{what} has the types {done} and {kind}, which differ")
        done = found
    return done
