"""Literals and parameters as typed DuckDB text."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.expr import Constant, Expr, quoted
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DAY,
    DAY_TIME,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    VOID,
    YEAR_MONTH,
    array,
    decimal,
    map_of,
)
from servicetsunami.errors import InvalidInput

_US: Final[Mapping[str, int]] = MappingProxyType(
    {
        "microsecond": 1,
        "millisecond": 1_000,
        "second": 1_000_000,
        "minute": 60_000_000,
        "hour": 3_600_000_000,
        "day": 86_400_000_000,
        "week": 7 * 86_400_000_000,
    }
)
_MONTHS: Final[Mapping[str, int]] = MappingProxyType({"month": 1, "year": 12})
_INTERVAL_WORD: Final = re.compile(r"\s*([+-]?\s*\d+(?:\.\d+)?)\s*([a-zA-Z]+)")


def null() -> Expr:
    """Write NULL."""
    return Expr("NULL", VOID, "NULL", Constant(None))


def text(value: str) -> Expr:
    """Write a string."""
    return Expr(quoted(value), STRING, value, Constant(value))


def boolean(value: bool) -> Expr:
    """Write a boolean."""
    word = "true" if value else "false"
    return Expr(word, BOOLEAN, word, Constant(value))


def whole(value: int) -> Expr:
    """Write a whole number: INT where it fits, else BIGINT, else a decimal."""
    sql = f"({value})" if value < 0 else str(value)
    if -(2**31) <= value < 2**31:
        return Expr(
            f"CAST({value} AS INTEGER)" if value < 0 else sql, INT, str(value), Constant(value)
        )
    if -(2**63) <= value < 2**63:
        return Expr(f"CAST({value} AS BIGINT)", BIGINT, str(value), Constant(value))
    return exact(Decimal(value))


def exact(value: Decimal) -> Expr:
    """Write a decimal with just the digits that it has."""
    _, digits, exponent = value.as_tuple()
    places = int(exponent)
    if places > 0:
        digits, places = (*digits, *([0] * places)), 0
    scale = -places
    precision = max(len(digits), scale)
    if precision > 38:
        raise InvalidInput(
            f"[DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION] {value} has more than 38 digits.",
            "Write it as a double, such as 1.0e40.",
        )
    plain = f"{value:f}"
    return Expr(
        f"CAST({quoted(plain)} AS DECIMAL({precision},{scale}))",
        decimal(precision, scale),
        plain,
        Constant(value),
    )


def double(value: float) -> Expr:
    """Write a double; NaN and infinity as well."""
    return Expr(f"CAST('{value!r}' AS DOUBLE)", DOUBLE, java_double(value), Constant(value))


def java_double(value: float) -> str:
    """Print a double as Databricks does: 1.0E20 and not 1e+20."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    mantissa, _, exponent = f"{Decimal(repr(value)):E}".partition("E")
    digits = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"


def number(token: str) -> Expr:
    """Write a number as it stands in the statement: 1 is INT, 1.5 is DECIMAL(2,1), 1e3 DOUBLE."""
    if "e" in token.lower():
        return double(float(token))
    if "." in token:
        return exact(Decimal(token))
    return whole(int(token))


def binary(digits: str) -> Expr:
    """Write bytes, given in hexadecimal."""
    even = digits if len(digits) % 2 == 0 else "0" + digits
    return Expr(f"unhex('{even}')", BINARY, f"X'{even.upper()}'", Constant(bytes.fromhex(even)))


def months(count: int) -> Expr:
    """Write a year-month interval."""
    name = f"INTERVAL '{count}' MONTH"
    return Expr(f"to_months({count})", YEAR_MONTH, name, Constant(count))


def micros(count: int, *, days_only: bool) -> Expr:
    """Write a day-time interval."""
    days, rest = divmod(abs(count), 86_400_000_000)
    sign = -1 if count < 0 else 1
    kind = DAY if days_only and rest == 0 else DAY_TIME
    sql = f"to_days({sign * days})" if kind is DAY else f"to_microseconds({count})"
    return Expr(sql, kind, f"INTERVAL '{sign * days}' DAY", Constant(count))


def _bad_interval(shown: str) -> InvalidInput:
    return InvalidInput(
        f"[INVALID_INTERVAL_FORMAT] {shown!r} is not an interval.",
        "Write INTERVAL 3 DAYS, '1-2' YEAR TO MONTH or '1 10:30:00' DAY TO SECOND.",
    )


def interval(node: exp.Expression) -> Expr:
    """Write an interval literal in any of its notations."""
    if not isinstance(node.this, exp.Literal):
        raise refused("An interval that is computed", "Use make_dt_interval or make_ym_interval.")
    words = str(node.this.this)
    unit = node.args.get("unit")
    if isinstance(unit, exp.IntervalSpan):
        return _span(words, str(unit.this.name).lower(), str(unit.expression.name).lower())
    if unit is None:
        return _listed(words)
    return _listed(f"{words} {unit.name}")


def _listed(words: str) -> Expr:
    found = _INTERVAL_WORD.findall(words)
    if not found or _INTERVAL_WORD.sub("", words).strip().lower() not in {"", "interval"}:
        raise _bad_interval(words)
    month_count, us, days_only = 0, 0, True
    for amount, word in found:
        unit = word.lower().removesuffix("s")
        value = Decimal(amount.replace(" ", ""))
        if unit in _MONTHS:
            month_count += int(value) * _MONTHS[unit]
        elif unit in _US:
            us += int(value * _US[unit])
            days_only = days_only and unit in {"day", "week"}
        else:
            raise _bad_interval(words)
    units = {word.lower().removesuffix("s") for _, word in found}
    if units <= set(_MONTHS):
        return months(month_count)
    if units & set(_MONTHS):
        raise refused(
            "An interval of both months and days", "Add the two parts one after the other."
        )
    return micros(us, days_only=days_only)


_FIELDS: Final = ("day", "hour", "minute", "second")
_SPANS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "day": r"(\d+)",
        "hour": r"(\d{1,2})",
        "minute": r"(\d{1,2})",
        "second": r"(\d{1,2}(?:\.\d{1,9})?)",
    }
)


def _span(words: str, start: str, end: str) -> Expr:
    stripped = words.strip()
    sign = -1 if stripped.startswith("-") else 1
    body = stripped.lstrip("+-")
    if (start, end) == ("year", "month"):
        found = re.fullmatch(r"(\d+)-(\d+)", body)
        if not found:
            raise _bad_interval(words)
        return months(sign * (12 * int(found[1]) + int(found[2])))
    if start not in _FIELDS or end not in _FIELDS:
        raise _bad_interval(words)
    fields = _FIELDS[_FIELDS.index(start) : _FIELDS.index(end) + 1]
    pattern = _SPANS[fields[0]]
    for field in fields[1:]:
        pattern += ("[ T]" if field == "hour" else ":") + _SPANS[field]
    found = re.fullmatch(pattern, body)
    if not found:
        raise _bad_interval(words)
    us = sum(int(Decimal(part) * _US[f]) for f, part in zip(fields, found.groups(), strict=True))
    return micros(sign * us, days_only=False)


def parameter(value: object) -> Expr:
    """Write a caller's value as a typed literal; lists become arrays, objects become maps."""
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise InvalidInput(
        f"A parameter of the type {type(value).__name__} cannot be used.",
        "Use text, numbers, booleans, dates, null, lists or objects.",
    )


def _moment(value: datetime) -> Expr:
    if value.tzinfo is None:
        shown = value.isoformat(sep=" ")
        return Expr(f"TIMESTAMPTZ '{shown}+00'", TIMESTAMP, shown, Constant(value))
    return Expr(f"TIMESTAMPTZ '{value.isoformat(sep=' ')}'", TIMESTAMP, str(value), Constant(value))


def _day(value: date) -> Expr:
    return Expr(f"DATE '{value.isoformat()}'", DATE, f"DATE '{value}'", Constant(value))


def _many(value: list[object] | tuple[object, ...]) -> Expr:
    items = [parameter(item) for item in value]
    kind = common_type((item.type for item in items), "A list parameter")
    inner = ", ".join(item.sql for item in items)
    return Expr(f"[{inner}]", array(kind), f"array({', '.join(i.name for i in items)})")


def _object(value: Mapping[str, object]) -> Expr:
    keys, values = _many(list(value)), _many(list(value.values()))
    kind = map_of(keys.type.parts[0], values.type.parts[0])
    return Expr(f"map({keys.sql}, {values.sql})", kind, "map()")


_WRITERS: Final[Mapping[type, Callable[..., Expr]]] = MappingProxyType(
    {
        type(None): lambda _: null(),
        bool: boolean,
        int: whole,
        float: double,
        Decimal: exact,
        str: text,
        bytes: lambda value: binary(value.hex()),
        datetime: _moment,
        date: _day,
        list: _many,
        tuple: _many,
        dict: _object,
    }
)
