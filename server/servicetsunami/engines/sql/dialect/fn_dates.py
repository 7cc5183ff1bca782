"""Functions of dates, timestamps and intervals."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import literals
from servicetsunami.engines.sql.dialect.casts import cast, implicit
from servicetsunami.engines.sql.dialect.coercion import INTERVALS, is_integral, is_numeric
from servicetsunami.engines.sql.dialect.date_units import (
    ADDED,
    APART,
    PARTS,
    TIME_TRUNCATIONS,
    TRUNCATIONS,
    UNITS,
    WEEKDAY_NAMES,
    WEEKDAYS,
)
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, sig, typed
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    BIGINT,
    DATE,
    INT,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    TINYINT,
    Kind,
    SqlType,
    decimal,
)
from servicetsunami.errors import InvalidInput

MACROS: Final = (
    "s_last(d) AS day(d) = day(last_day(d))",
    # In UTC, as the session is; the fraction uses months of 31 days, as Databricks does.
    "s_months_between(a, b) AS CASE WHEN day(a) = day(b) OR (s_last(a) AND s_last(b))"
    " THEN CAST((year(a) - year(b)) * 12 + month(a) - month(b) AS DOUBLE)"
    " ELSE (year(a) - year(b)) * 12 + month(a) - month(b) +"
    " (epoch_us(a) - epoch_us(date_trunc('month', a)) - epoch_us(b) +"
    " epoch_us(date_trunc('month', b))) / (31 * 86400000000.0) END",
    "s_next_day(d, n) AS CAST(d + CAST((n - isodow(d) + 6) % 7 + 1 AS INTEGER) AS DATE)",
    "s_floor_div(a, b) AS a // b - CASE WHEN a % b <> 0 AND (a < 0) <> (b < 0) THEN 1 ELSE 0 END",
    # Whole months from a to b as Java counts them: an earlier time of day takes a day off first,
    # and the last day of a month does not count as its end.
    "s_clock(t) AS epoch_us(t) - epoch_us(date_trunc('day', t))",
    "s_until(a, b) AS CAST(b AS DATE) + CASE"
    " WHEN CAST(b AS DATE) > CAST(a AS DATE) AND s_clock(b) < s_clock(a) THEN -1"
    " WHEN CAST(b AS DATE) < CAST(a AS DATE) AND s_clock(b) > s_clock(a) THEN 1 ELSE 0 END",
    "s_packed(d) AS (year(d) * 12 + month(d)) * 32 + day(d)",
    "s_whole_months(a, b) AS (s_packed(s_until(a, b)) - s_packed(CAST(a AS DATE))) // 32",
    "s_make_timestamp(y, mo, d, h, mi, s) AS"
    " CAST(make_date(CAST(y AS BIGINT), CAST(mo AS BIGINT), CAST(d AS BIGINT)) AS TIMESTAMP)"
    " + to_microseconds(CASE WHEN h BETWEEN 0 AND 23 AND mi BETWEEN 0 AND 59 AND s BETWEEN 0 AND 60"
    " THEN CAST(h AS BIGINT) * 3600000000 + CAST(mi AS BIGINT) * 60000000 +"
    " CAST(s * 1000000 AS BIGINT) ELSE"
    " s_fail('DATETIME_FIELD_OUT_OF_BOUNDS] Invalid time of day.') END)",
)


def wall_clock(arg: Expr, call: Call) -> Expr:
    """Give the wall clock in UTC as a DuckDB TIMESTAMP."""
    if arg.type.kind is Kind.TIMESTAMP_NTZ:
        return arg
    if arg.type.kind is Kind.DATE:
        return fill("CAST({0} AS TIMESTAMP)", TIMESTAMP_NTZ, [arg])
    return fill("timezone('UTC', {0})", TIMESTAMP_NTZ, [typed(arg, TIMESTAMP, call)])


def _word(call: Call, index: int) -> str:
    """Read a unit that may stand without quotes, as in datediff(MONTH, a, b)."""
    node = call.nodes[index]
    if isinstance(node, exp.Column | exp.Var) or (isinstance(node, exp.Literal) and node.is_string):
        return str(node.name).lower()
    raise refused(f"{call.name} with a computed unit", "Write the unit out, such as MONTH.")


def _part(sql: str, *, of_time: bool = False) -> Function:
    def build(call: Call) -> Expr:
        arg = call.args[0]
        value = wall_clock(arg, call) if of_time else _day(arg, call)
        return fill(f"CAST({sql} AS INTEGER)", INT, [value], name=call.shown)

    return custom(build, 1, 1)


def _day(arg: Expr, call: Call) -> Expr:
    return arg if arg.type.kind is Kind.DATE else typed(arg, DATE, call)


def _date_part(call: Call) -> Expr:
    unit = PARTS.get(str(call.constant(0, "field")).lower())
    value = call.args[1]
    shown = f"{call.name}({call.args[0].name}, {value.name})"
    if unit is None:
        raise InvalidInput(
            f"[INVALID_EXTRACT_FIELD] {call.args[0].name} is no field to extract.",
            "Use year, quarter, month, week, day, dow, doy, hour, minute or second.",
        )
    if value.type.kind in INTERVALS:
        return _interval_part(unit, value).named(shown)
    if unit == "seconds":
        sql = "CAST((epoch_us({0}) % 60000000 + 60000000) % 60000000 AS DECIMAL(18,0)) * 0.000001"
        kind = decimal(8, 6)
        return fill(f"CAST({sql} AS DECIMAL(8,6))", kind, [wall_clock(value, call)], name=shown)
    inner = Call(unit, call.nodes[1:], call.env)
    return _BASE[inner.name].build(inner).named(shown)


def _interval_part(unit: str, value: Expr) -> Expr:
    months = value.type.kind is Kind.YEAR_MONTH
    templates = {
        "year": "date_part('year', {0})",
        "month": "date_part('month', {0})",
        "day": "(epoch_us({0}) // 86400000000)",
        "hour": "(epoch_us({0}) // 3600000000 % 24)",
        "minute": "(epoch_us({0}) // 60000000 % 60)",
    }
    if unit == "seconds" and not months:
        sql = "CAST(CAST(epoch_us({0}) % 60000000 AS DECIMAL(18,0)) * 0.000001 AS DECIMAL(8,6))"
        return fill(sql, decimal(8, 6), [value])
    if unit not in templates or months != (unit in {"year", "month"}):
        raise mismatch(f"{unit} cannot be taken from {value.type}")
    if unit in {"year", "day"}:
        return fill(f"CAST({templates[unit]} AS INTEGER)", INT, [value])
    return fill(f"CAST({templates[unit]} AS TINYINT)", TINYINT, [value])


def _moved_days(sign: str) -> Function:
    def build(call: Call) -> Expr:
        if len(call.nodes) == 3:
            return _timestampadd(call)
        days = call.args[1]
        if days.type.kind in INTERVALS or (is_numeric(days.type) and not is_integral(days.type)):
            raise mismatch(f"{call.name} needs a whole number of days, not {days.type}")
        number = days if days.type.kind is Kind.INT else implicit(days, INT, call.name)
        return fill(
            f"({{0}} {sign} {{1}})", DATE, [_day(call.args[0], call), number], name=call.shown
        )

    return custom(build, 2, 3)


def _unit(call: Call) -> str:
    unit = _word(call, 0)
    if unit not in UNITS:
        raise InvalidInput(
            f"[INVALID_PARAMETER_VALUE.DATETIME_UNIT] {call.name} has no unit {unit}.",
            "Use YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND.",
        )
    return UNITS[unit]


def _timestampadd(call: Call) -> Expr:
    unit = _unit(call)
    count, value = (call.env.compile(node) for node in call.nodes[1:])
    kind = TIMESTAMP_NTZ if value.type.kind is Kind.TIMESTAMP_NTZ else TIMESTAMP
    moment = implicit(value, kind, call.name)
    shown = f"timestampadd({_word(call, 0).upper()}, {count.name}, {value.name})"
    number = implicit(count, BIGINT, call.name)
    return fill(f"({{0}} + {ADDED[unit]})", kind, [moment, number], name=shown)


def _datediff(call: Call) -> Expr:
    if len(call.nodes) == 2:
        days = [_day(arg, call) for arg in call.args]
        return fill("CAST({0} - {1} AS INTEGER)", INT, days, name=call.shown)
    unit = _unit(call)
    ends = [call.env.compile(node) for node in call.nodes[1:]]
    shown = f"timestampdiff({_word(call, 0).upper()}, {ends[0].name}, {ends[1].name})"
    walls = [wall_clock(end, call) for end in ends]
    if unit in APART:
        sql = f"((epoch_us({{1}}) - epoch_us({{0}})) // {APART[unit]})"
        return fill(sql, BIGINT, walls, name=shown)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    return fill(f"(s_whole_months({{0}}, {{1}}) // {months})", BIGINT, walls, name=shown, uses=6)


def _trunc(call: Call) -> Expr:
    unit = TRUNCATIONS.get(str(call.constant(1, "unit")).lower())
    value = _day(call.args[0], call)
    if unit is None:
        return fill(
            "CASE WHEN {0} IS NULL THEN NULL ELSE CAST(NULL AS DATE) END",
            DATE,
            [value],
            name=call.shown,
        )
    return fill(f"CAST(date_trunc('{unit}', {{0}}) AS DATE)", DATE, [value], name=call.shown)


def _date_trunc(call: Call) -> Expr:
    unit = TIME_TRUNCATIONS.get(str(call.constant(0, "unit")).lower())
    value = typed(call.args[1], TIMESTAMP, call)
    if unit is None:
        return cast(literals.null(), TIMESTAMP).named(call.shown)
    sql = f"timezone('UTC', date_trunc('{unit}', timezone('UTC', {{0}})))"
    return fill(sql, TIMESTAMP, [value], name=call.shown)


def _next_day(call: Call) -> Expr:
    day = str(call.constant(1, "day of the week")).strip().lower()
    if day not in WEEKDAY_NAMES:
        raise InvalidInput(f"[ILLEGAL_DAY_OF_WEEK] {day!r} is no day of the week.", "Use 'Monday'.")
    number = WEEKDAYS.index(day[:2]) + 1
    return fill(
        f"s_next_day({{0}}, {number})", DATE, [_day(call.args[0], call)], name=call.shown, uses=2
    )


def _add_months(call: Call) -> Expr:
    args = [_day(call.args[0], call), typed(call.args[1], INT, call)]
    return fill("CAST({0} + to_months({1}) AS DATE)", DATE, args, name=call.shown)


def _months_between(call: Call) -> Expr:
    rounded = call.constant(2, "rounding") if len(call.args) == 3 else True
    walls = [wall_clock(arg, call) for arg in call.args[:2]]
    sql = "s_months_between({0}, {1})"
    shown = f"months_between({call.args[0].name}, {call.args[1].name}, {str(rounded).lower()})"
    return fill(
        f"round({sql}, 8)" if rounded else sql, SqlType(Kind.DOUBLE), walls, name=shown, uses=6
    )


def _unix_date(call: Call) -> Expr:
    if call.args[0].type.kind is Kind.STRING:
        raise mismatch("unix_date needs a date, not a string")
    days = _day(call.args[0], call)
    return fill("CAST({0} - DATE '1970-01-01' AS INTEGER)", INT, [days], name=call.shown)


_BASE: Final[Mapping[str, Function]] = {
    "year": _part("year({0})"),
    "quarter": _part("quarter({0})"),
    "month": _part("month({0})"),
    "weekofyear": _part("weekofyear({0})"),
    "yearofweek": _part("isoyear({0})"),
    "day": _part("day({0})"),
    "dayofyear": _part("dayofyear({0})"),
    "dayofweek": _part("(dayofweek({0}) + 1)"),
    "isodow": _part("isodow({0})"),
    "weekday": _part("(isodow({0}) - 1)"),
    "hour": _part("hour({0})", of_time=True),
    "minute": _part("minute({0})", of_time=True),
    "second": _part("second({0})", of_time=True),
    "date_part": custom(_date_part, 2, 2),
    "dayname": sig("date", "string", "left(dayname({0}), 3)"),
    "monthname": sig("date", "string", "left(monthname({0}), 3)"),
    "date_add": _moved_days("+"),
    "date_sub": _moved_days("-"),
    "timestampadd": custom(_timestampadd, 3, 3),
    "datediff": custom(_datediff, 2, 3),
    "timestampdiff": custom(_datediff, 3, 3),
    "trunc": custom(_trunc, 2, 2),
    "date_trunc": custom(_date_trunc, 2, 2),
    "last_day": sig("date", "date", "last_day({0})"),
    "next_day": custom(_next_day, 2, 2),
    "add_months": custom(_add_months, 2, 2),
    "months_between": custom(_months_between, 2, 3),
    "timestamp_millis": sig("bigint", "timestamp", "make_timestamptz({0} * 1000)"),
    "timestamp_micros": sig("bigint", "timestamp", "make_timestamptz({0})"),
    "unix_seconds": sig("timestamp", "bigint", "s_seconds({0})", uses=2),
    "unix_millis": sig("timestamp", "bigint", "s_floor_div(epoch_us({0}), 1000)", uses=3),
    "unix_micros": sig("timestamp", "bigint", "epoch_us({0})"),
    "unix_date": custom(_unix_date, 1, 1),
    "date_from_unix_date": sig("int", "date", "(DATE '1970-01-01' + {0})"),
    "make_date": sig(
        "int int int",
        "date",
        "make_date(CAST({0} AS BIGINT), CAST({1} AS BIGINT), CAST({2} AS BIGINT))",
    ),
}


DATES: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **{
            name: function
            for name, function in _BASE.items()
            if name not in {"isodow", "yearofweek"}
        },
        **same(
            _BASE,
            dayofmonth="day",
            datepart="date_part",
            dateadd="date_add",
            date_diff="datediff",
        ),
    }
)
