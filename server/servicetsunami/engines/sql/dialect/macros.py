r"""DuckDB macros that give Databricks' answers where DuckDB's own functions differ.

A macro fails by casting a message to a number: that error can be caught by TRY, where DuckDB's own
error() cannot. Every message starts with the Databricks error class in brackets.
"""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect.library import MACROS

_BLANKS: Final = (
    "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(28) || chr(29) || chr(30) "
    "|| chr(31) || chr(0)"
)
_NUMBER: Final = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"

_CASTS: Final = (
    "s_fail(message) AS CAST('[' || message AS BIGINT)",
    f"s_blanks() AS {_BLANKS}",
    "s_malformed(s, kind) AS '[CAST_INVALID_INPUT] The value ''' || s || ''' cannot be cast to '"
    " || kind",
    # A malformed text is replaced by a message, which the cast around the macro then shows.
    "s_digits(s, kind) AS CASE WHEN regexp_full_match(trim(s, s_blanks()), '[+-]?[0-9]+')"
    " THEN trim(s, s_blanks()) WHEN s IS NULL THEN NULL ELSE s_malformed(s, kind) END",
    "s_number(s, kind) AS CASE WHEN regexp_full_match(trim(s, s_blanks()), '" + _NUMBER + "')"
    " THEN trim(s, s_blanks()) WHEN s IS NULL THEN NULL ELSE s_malformed(s, kind) END",
    "s_float(s, kind) AS CASE WHEN regexp_full_match(trim(s, s_blanks()), '" + _NUMBER + "[dDfF]?')"
    " THEN rtrim(trim(s, s_blanks()), 'dDfF')"
    " WHEN regexp_full_match(lower(trim(s, s_blanks())), '[+-]?(inf|infinity)|nan')"
    " THEN trim(s, s_blanks()) WHEN s IS NULL THEN NULL ELSE s_malformed(s, kind) END",
    "s_truth(s) AS CASE WHEN lower(trim(s, s_blanks())) IN ('t', 'true', 'y', 'yes', '1') THEN true"
    " WHEN lower(trim(s, s_blanks())) IN ('f', 'false', 'n', 'no', '0') THEN false"
    " WHEN s IS NULL THEN NULL ELSE CAST(s_malformed(s, 'BOOLEAN') AS BOOLEAN) END",
    "s_ymd(s) AS regexp_extract(s, '^([0-9]{4,7})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T].*)?)?)?$',"
    " ['y', 'm', 'd'])",
    "s_date(s) AS list_transform([struct_pack(s := s, p := s_ymd(trim(s, s_blanks())))], lambda v:"
    " CAST(CASE WHEN v.s IS NULL THEN NULL WHEN v.p.y = '' THEN s_malformed(v.s, 'DATE') ELSE"
    " v.p.y || '-' || coalesce(nullif(v.p.m, ''), '1') || '-' || coalesce(nullif(v.p.d, ''), '1')"
    " END AS DATE))[1]",
)
_CLOCK: Final = (
    r"^([0-9]{4,6}(?:-[0-9]{1,2}(?:-[0-9]{1,2})?)?)"
    r"(?:[ T](?:([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]*))?)?)?)?)?"
    r" ?(Z|UTC|GMT|(?:(?:UTC|GMT)?[+-][0-9]{1,2}(?::?[0-9]{2})?)|[A-Za-z]+/[A-Za-z_]+)?$"
)
_TIMES: Final = (
    f"s_parts(s) AS regexp_extract(trim(s, s_blanks()), '{_CLOCK}',"
    " ['d', 'h', 'm', 's', 'f', 'z'])",
    "s_day(d) AS CAST(d || CASE WHEN NOT contains(d, '-') THEN '-1-1'"
    " WHEN regexp_full_match(d, '[0-9]+-[0-9]+') THEN '-1' ELSE '' END AS DATE)",
    "s_wall(p) AS CAST(CAST(s_day(p.d) AS VARCHAR) || ' ' || lpad(p.h, 2, '0') || ':' ||"
    " lpad(p.m, 2, '0') || ':' || lpad(p.s, 2, '0') || '.' || rpad(left(p.f, 6), 6, '0')"
    " AS TIMESTAMP)",
    # A fixed offset such as +02:00 in seconds.
    "s_offset(z) AS CASE WHEN CAST('0' || regexp_extract(z, '[+-]([0-9]{1,2})', 1) AS INTEGER) > 18"
    " OR CAST('0' || regexp_extract(z, '[+-][0-9]{1,2}:?([0-9]{2})$', 1) AS INTEGER) > 59"
    " THEN s_fail('CAST_INVALID_INPUT] The time zone offset ' || z || ' is out of range.')"
    " ELSE s_offset_seconds(z) END",
    "s_offset_seconds(z) AS (CASE WHEN z LIKE '%-%' THEN -1 ELSE 1 END) *"
    " (3600 * CAST(regexp_extract(z, '[+-]([0-9]{1,2})', 1) AS BIGINT)"
    " + 60 * CAST('0' || regexp_extract(z, '[+-][0-9]{1,2}:?([0-9]{2})$', 1) AS BIGINT))",
    # Of the two instants of an hour that a clock shows twice, the earlier one.
    "s_in_region(wall, z) AS CASE WHEN"
    " timezone(z, timezone(z, wall) - INTERVAL 1 HOUR) = wall"
    " THEN timezone(z, wall) - INTERVAL 1 HOUR ELSE timezone(z, wall) END",
    # Constants are folded before CASE is looked at: an empty zone must not be an error there.
    "s_region(z) AS CASE WHEN z LIKE '%/%' THEN z ELSE 'UTC' END",
    "s_at_zone(wall, z) AS CASE WHEN z IN ('', 'Z', 'UTC', 'GMT') THEN timezone('UTC', wall)"
    " WHEN z LIKE '%/%' THEN s_in_region(wall, s_region(z))"
    " ELSE timezone('UTC', wall) - to_seconds(s_offset(z)) END",
    "s_in_zone(t, z) AS CASE WHEN z IN ('', 'Z', 'UTC', 'GMT') THEN timezone('UTC', t)"
    " WHEN regexp_matches(z, '[+-][0-9]') THEN timezone('UTC', t) + to_seconds(s_offset(z))"
    " WHEN z LIKE '%/%' THEN timezone(s_region(z), t)"
    " ELSE CAST(s_fail('INVALID_TIMEZONE] ' || z || ' is no time zone.') AS TIMESTAMP) END",
    # The parts are bound to lambda parameters: written out, the text would grow a hundredfold.
    "s_timestamp(s) AS list_transform([struct_pack(s := s, p := s_parts(s))], lambda v:"
    " CASE WHEN v.s IS NULL THEN NULL WHEN v.p.d = ''"
    " THEN CAST(s_malformed(v.s, 'TIMESTAMP') AS TIMESTAMPTZ) ELSE"
    " list_transform([s_wall(v.p)], lambda w: s_at_zone(w, v.p.z))[1] END)[1]",
    "s_timestamp_ntz(s) AS list_transform([struct_pack(s := s, p := s_parts(s))], lambda v:"
    " CASE WHEN v.s IS NULL THEN NULL WHEN v.p.d = ''"
    " THEN CAST(s_malformed(v.s, 'TIMESTAMP_NTZ') AS TIMESTAMP) ELSE s_wall(v.p) END)[1]",
    "s_seconds(t) AS (epoch_us(t) - ((epoch_us(t) % 1000000) + 1000000) % 1000000) // 1000000",
)
_TEXTS: Final = (
    "s_mantissa(v) AS rtrim(ltrim(replace(split_part(v, 'e', 1), '.', ''), '0'), '0')",
    "s_exponent(v) AS CASE WHEN contains(v, 'e') THEN CAST(split_part(v, 'e', 2) AS INTEGER)"
    " WHEN starts_with(v, '0.') THEN -(length(v) - 2 - length(ltrim(substr(v, 3), '0'))) - 1"
    " ELSE length(split_part(v, '.', 1)) - 1 END",
    "s_scientific(v) AS left(s_mantissa(v), 1) || '.' ||"
    " coalesce(nullif(substr(s_mantissa(v), 2), ''), '0') || 'E' || s_exponent(v)",
    "s_double_text(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN"
    " (CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END)"
    " WHEN x = 0 OR (abs(x) >= 0.001 AND abs(x) < 10000000) THEN CAST(x AS VARCHAR)"
    " WHEN x < 0 THEN '-' || s_scientific(CAST(abs(x) AS VARCHAR))"
    " ELSE s_scientific(CAST(x AS VARCHAR)) END",
)
_NUMBERS: Final = (
    # Days apart: Arrow counts the rest of an interval in nanoseconds of 64 bits.
    "s_span(us) AS to_days(CAST(us // 86400000000 AS INTEGER)) + to_microseconds(us % 86400000000)",
    "s_long(x) AS CASE WHEN isnan(x) THEN 0 WHEN x >= 9223372036854775807"
    " THEN CAST('9223372036854775807' AS BIGINT)"
    " WHEN x <= -9223372036854775808 THEN CAST('-9223372036854775808' AS BIGINT)"
    " ELSE CAST(x AS BIGINT) END",
    # A double beyond the range of FLOAT is infinite, not an error.
    "s_single(x) AS CASE WHEN abs(x) > 3.4028235677973366e38 AND NOT isinf(x)"
    " THEN CAST(sign(x) * CAST('inf' AS DOUBLE) AS FLOAT) ELSE CAST(x AS FLOAT) END",
    "s_not_zero(x) AS CASE WHEN x = 0 THEN s_fail('DIVIDE_BY_ZERO] Division by zero.') ELSE x END",
    "s_unscaled(x, scale) AS CAST(replace(CAST(x AS VARCHAR), '.', '') AS HUGEINT)",
    # Rounds half away from zero, as Databricks divides decimals.
    "s_half_up(n, d) AS n // d + CASE WHEN abs(n % d) >= abs(d) - abs(n % d)"
    " THEN (CASE WHEN (n < 0) = (d < 0) THEN 1 ELSE -1 END) ELSE 0 END",
    "s_pmod(a, n) AS CASE WHEN a % n < 0 THEN (a % n + n) % n ELSE a % n END",
    "s_sign(x) AS CASE WHEN isnan(x) THEN x ELSE CAST(sign(x) AS DOUBLE) END",
)

_TEXT_OF: Final[Mapping[str, str]] = MappingProxyType(
    {text.partition("(")[0]: text for text in (*_CASTS, *_TIMES, *_TEXTS, *_NUMBERS, *MACROS)}
)
_NAME: Final = re.compile(r"\bs_\w+")


def macros(sql: str) -> Mapping[str, str]:
    """Return the CREATE MACRO statements, by names, for all that a translated statement calls.

    Each comes after those that it calls itself. All of them would take a connection 0.1 s.
    """
    found: dict[str, str] = {}
    _add_called(sql, found)
    return found


def macro_names() -> Collection[str]:
    """List the names of all macros."""
    return _TEXT_OF.keys()


def _add_called(text: str, found: dict[str, str]) -> None:
    for name in _NAME.findall(text):
        if name in _TEXT_OF and name not in found:
            definition = _TEXT_OF[name]
            _add_called(definition.removeprefix(name), found)
            found[name] = f"CREATE OR REPLACE TEMP MACRO {definition}"
