"""Timestamps: reading, writing, time zones, Unix time."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect import literals
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import is_numeric
from servicetsunami.engines.sql.dialect.date_patterns import reader, written
from servicetsunami.engines.sql.dialect.expr import Expr, Trait, fill, tried
from servicetsunami.engines.sql.dialect.fn_dates import wall_clock
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, typed
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.types import (
    BIGINT,
    DATE,
    DAY_TIME,
    INT,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    Kind,
    SqlType,
    decimal,
)


def _date_format(call: Call) -> Expr:
    if call.args[1].type.kind is Kind.VOID:
        return cast(literals.null(), STRING)
    pattern = str(call.constant(1, "pattern"))
    return written(wall_clock(call.args[0], call), pattern, call.shown)


def parsed(value: Expr, pattern: Expr) -> Expr:
    """Read text by a pattern, to a TIMESTAMP in UTC."""
    shape = str(pattern.constant.value if pattern.constant else "")
    found = reader(shape)
    names = ", ".join(f"'{part}'" for part in found.parts)
    groups = fill(
        f"regexp_extract({{0}}, {{1}}, [{names}])",
        STRING,
        [value, literals.text(found.regexp)],
    )
    year = "'20' || {0}.c" if "c" in found.parts else found.value("y", "1970")
    month = (
        "CAST(s_month_number({0}.b) AS VARCHAR)" if "b" in found.parts else found.value("n", "1")
    )
    hour = _hour(found.parts)
    minute, second = (f"lpad({found.value(part, '00')}, 2, '0')" for part in "ms")
    text = (
        f"{year} || '-' || {month} || '-' || {found.value('d', '1')} || ' ' || {hour} || ':' ||"
        f" {minute} || ':' || {second} ||"
        f" '.' || rpad(left({found.value('f', '0')}, 6), 6, '0')"
    )
    # A text that does not match is replaced by a message, which the cast then shows.
    checked = fill(
        "CASE WHEN {0} IS NULL THEN NULL WHEN NOT regexp_matches({0}, {1})"
        f" THEN s_unparsed({{0}}, {{2}}) ELSE coalesce({text.replace('{0}', '{3}')}, 'x') END",
        STRING,
        [value, literals.text(found.regexp), literals.text(shape), groups],
    )
    wall = fill("CAST({0} AS TIMESTAMP)", TIMESTAMP_NTZ, [checked])
    zone = fill(found.value("z", "UTC"), STRING, [groups])
    return fill("s_at_zone({0}, {1})", TIMESTAMP, [wall, zone], uses=4)


def _hour(parts: tuple[str, ...]) -> str:
    if "i" in parts and "a" in parts:
        return (
            "lpad(CAST(CASE WHEN CAST({0}.i AS INTEGER) BETWEEN 1 AND 12 THEN"
            " CAST({0}.i AS INTEGER) % 12 + CASE WHEN lower({0}.a) = 'pm' THEN 12 ELSE 0 END"
            " ELSE 99 END AS VARCHAR), 2, '0')"
        )
    if "i" in parts or "a" in parts:
        raise refused("A pattern with h but without a", "Use HH for 24 hours, or hh with a.")
    return "lpad({0}.h, 2, '0')" if "h" in parts else "'00'"


def _read(call: Call, kind: SqlType) -> Expr:
    if call.name.startswith("try_"):
        return tried(call.args, lambda args: _reading(call, args, kind)).named(call.shown)
    return _reading(call, call.args, kind)


def _reading(call: Call, args: Sequence[Expr], kind: SqlType) -> Expr:
    value = args[0]
    if len(args) == 1 or value.type.kind in {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ}:
        done = cast(
            value if kind != DATE or not is_numeric(value.type) else cast(value, STRING), kind
        )
    elif args[1].type.kind is Kind.VOID or value.type.kind is Kind.VOID:
        done = cast(literals.null(), kind)
    else:
        call.constant(1, "pattern")
        done = cast(parsed(typed(value, STRING, call), args[1]), kind)
    return done.named(call.shown)


def _unix_timestamp(call: Call) -> Expr:
    if not call.args:
        return fill("s_seconds(now())", BIGINT, [], name="unix_timestamp()", traits=Trait.VOLATILE)
    pattern = call.args[1] if len(call.args) == 2 else literals.text("yyyy-MM-dd HH:mm:ss")
    shown = f"{call.name}({call.args[0].name}, {pattern.name})"
    value = call.args[0]
    if value.type.kind is Kind.STRING:
        if pattern.constant is None:
            raise refused(f"{call.name} with a pattern that is not a literal", "Write it out.")
        moment = parsed(value, pattern)
    else:
        moment = typed(value, TIMESTAMP, call)
    # Towards zero, unlike unix_seconds.
    return fill("(epoch_us({0}) // 1000000)", BIGINT, [moment], name=shown)


def _from_unixtime(call: Call) -> Expr:
    pattern = call.args[1] if len(call.args) == 2 else literals.text("yyyy-MM-dd HH:mm:ss")
    if pattern.constant is None:
        raise refused("from_unixtime with a pattern that is not a literal", "Write it out.")
    seconds = typed(call.args[0], BIGINT, call)
    wall = fill("make_timestamp({0} * 1000000)", TIMESTAMP_NTZ, [seconds])
    shown = f"from_unixtime({call.args[0].name}, {pattern.name})"
    return written(wall, str(pattern.constant.value), shown)


def _timestamp_seconds(call: Call) -> Expr:
    return cast(typed(call.args[0], call.args[0].type, call), TIMESTAMP).named(call.shown)


_ZONES: Final = re.compile(r"Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?|[A-Za-z]+/[A-Za-z_/]+")


def _zone(call: Call, zone: Expr) -> Expr:
    """Check a literal zone: short names such as EST mean different things to different engines."""
    name = zone.constant.value if zone.constant is not None else None
    if name is not None and not _ZONES.fullmatch(str(name)):
        raise refused(f"The time zone {name!r}", "Use a name such as Europe/Berlin or +02:00.")
    return typed(zone, STRING, call)


def _zone_function(template: str) -> Function:
    def build(call: Call) -> Expr:
        args = [typed(call.args[0], TIMESTAMP, call), _zone(call, call.args[1])]
        return fill(template, TIMESTAMP, args, name=call.shown, uses=4)

    return custom(build, 2, 2)


def _convert_timezone(call: Call) -> Expr:
    *zones, value = call.args
    source = zones[0] if len(zones) == 2 else literals.text("UTC")
    wall = wall_clock(value, call)
    args = [wall, _zone(call, source), _zone(call, zones[-1])]
    sql = "s_in_zone(s_at_zone({0}, {1}), {2})"
    first = source.name if len(zones) == 2 else "current_timezone()"
    shown = f"convert_timezone({first}, {zones[-1].name}, {value.name})"
    return fill(sql, TIMESTAMP_NTZ, args, name=shown, uses=6)


def _make_timestamp(call: Call) -> Expr:
    kinds = (INT, INT, INT, INT, INT, decimal(16, 6))
    args = [typed(a, k, call) for a, k in zip(call.args, kinds, strict=False)]
    wall = fill("s_make_timestamp({0}, {1}, {2}, {3}, {4}, {5})", TIMESTAMP_NTZ, args, uses=2)
    zone = _zone(call, call.args[6]) if len(call.args) == 7 else literals.text("UTC")
    return fill("s_at_zone({0}, {1})", TIMESTAMP, [wall, zone], name=call.shown, uses=4)


def _make_dt_interval(call: Call) -> Expr:
    kinds = (INT, INT, INT, decimal(18, 6))
    args = [typed(a, k, call) for a, k in zip(call.args, kinds, strict=False)]
    units = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000)
    sums = [f"CAST({{{n}}} * {unit} AS BIGINT)" for n, unit in enumerate(units[: len(args)])]
    return fill(f"to_microseconds({' + '.join(sums) or '0'})", DAY_TIME, args, name=call.shown)


def _make_ym_interval(call: Call) -> Expr:
    args = [typed(a, INT, call) for a in call.args]
    sums = [f"{{{n}}} * {unit}" for n, unit in enumerate((12, 1)[: len(args)])]
    kind = SqlType(Kind.YEAR_MONTH)
    return fill(f"to_months({' + '.join(sums) or '0'})", kind, args, name=call.shown)


def _now(sql: str, kind: SqlType) -> Function:
    return custom(lambda call: Expr(sql, kind, f"{call.name}()"), 0, 0)


def _conversion(kind: SqlType) -> Function:
    return custom(lambda call: _read(call, kind), 1, 2)


_BASE: Final[Mapping[str, Function]] = {
    "date_format": custom(_date_format, 2, 2),
    "to_date": _conversion(DATE),
    "try_to_date": _conversion(DATE),
    "to_timestamp": _conversion(TIMESTAMP),
    "try_to_timestamp": _conversion(TIMESTAMP),
    "to_timestamp_ntz": _conversion(TIMESTAMP_NTZ),
    "unix_timestamp": custom(_unix_timestamp, 0, 2),
    "to_unix_timestamp": custom(_unix_timestamp, 1, 2),
    "from_unixtime": custom(_from_unixtime, 1, 2),
    "timestamp_seconds": custom(_timestamp_seconds, 1, 1),
    "make_timestamp": custom(_make_timestamp, 6, 7),
    "make_dt_interval": custom(_make_dt_interval, 0, 4),
    "make_ym_interval": custom(_make_ym_interval, 0, 2),
    "from_utc_timestamp": _zone_function("timezone('UTC', s_in_zone({0}, {1}))"),
    "to_utc_timestamp": _zone_function("s_at_zone(timezone('UTC', {0}), {1})"),
    "convert_timezone": custom(_convert_timezone, 2, 3),
    "current_date": _now("CAST(timezone('UTC', now()) AS DATE)", DATE),
    "current_timestamp": _now("now()", TIMESTAMP),
    "localtimestamp": _now("timezone('UTC', now())", TIMESTAMP_NTZ),
    "current_timezone": _now("'UTC'", STRING),
}
TIMES: Final[Mapping[str, Function]] = MappingProxyType(
    {**_BASE, **same(_BASE, curdate="current_date", now="current_timestamp")}
)
