"""Datetime patterns such as `yyyy-MM-dd HH:mm`, for writing and for reading."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect import literals
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.operators import concatenated
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.types import STRING
from servicetsunami.errors import InvalidInput, SqlRefused

MACROS: Final = (
    "s_two(n) AS lpad(CAST(n AS VARCHAR), 2, '0')",
    "s_year4(t) AS CASE WHEN year(t) BETWEEN 0 AND 9999 THEN lpad(CAST(year(t) AS VARCHAR), 4, '0')"
    " ELSE CAST(s_fail('UNSUPPORTED] A year outside 0 to 9999.') AS VARCHAR) END",
    "s_micros(t) AS lpad(CAST((epoch_us(t) % 1000000 + 1000000) % 1000000 AS VARCHAR), 6, '0')",
    "s_hour12(t) AS (hour(t) + 11) % 12 + 1",
    "s_month_number(s) AS list_position(['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug',"
    " 'sep', 'oct', 'nov', 'dec'], lower(left(s, 3)))",
    "s_unparsed(s, p) AS '[CANNOT_PARSE_TIMESTAMP] Text ''' || s || ''' does not match ' || p",
)

_N: Final = "CAST(%s AS VARCHAR)"
# What each run of letters becomes, over the wall-clock TIMESTAMP {0}.
_WRITE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "y": _N % "year({0})",
        "yy": "s_two(year({0}) % 100)",
        "yyyy": "s_year4({0})",
        **dict.fromkeys(("M", "L"), _N % "month({0})"),
        **dict.fromkeys(("MM", "LL"), "s_two(month({0}))"),
        **dict.fromkeys(("MMM", "LLL"), "left(monthname({0}), 3)"),
        **dict.fromkeys(("MMMM", "LLLL"), "monthname({0})"),
        "d": _N % "day({0})",
        "dd": "s_two(day({0}))",
        "D": _N % "dayofyear({0})",
        "DDD": "lpad(CAST(dayofyear({0}) AS VARCHAR), 3, '0')",
        **dict.fromkeys(("E", "EE", "EEE"), "left(dayname({0}), 3)"),
        "EEEE": "dayname({0})",
        "F": _N % "((day({0}) - 1) % 7 + 1)",
        "H": _N % "hour({0})",
        "HH": "s_two(hour({0}))",
        "h": _N % "s_hour12({0})",
        "hh": "s_two(s_hour12({0}))",
        "k": _N % "((hour({0}) + 23) % 24 + 1)",
        "kk": "s_two((hour({0}) + 23) % 24 + 1)",
        "K": _N % "(hour({0}) % 12)",
        "KK": "s_two(hour({0}) % 12)",
        "m": _N % "minute({0})",
        "mm": "s_two(minute({0}))",
        "s": _N % "second({0})",
        "ss": "s_two(second({0}))",
        "a": "CASE WHEN hour({0}) < 12 THEN 'AM' ELSE 'PM' END",
        **dict.fromkeys(("Q", "q"), _N % "quarter({0})"),
        **dict.fromkeys(("QQ", "qq"), "s_two(quarter({0}))"),
        **dict.fromkeys(("QQQ", "qqq"), "'Q' || quarter({0})"),
        **dict.fromkeys(
            ("QQQQ", "qqqq"),
            "list_extract(['1st', '2nd', '3rd', '4th'], quarter({0})) || ' quarter'",
        ),
        **dict.fromkeys(("G", "GG", "GGG"), "CASE WHEN year({0}) > 0 THEN 'AD' ELSE 'BC' END"),
    }
)
# The session's time zone is UTC, so these are constants.
_ZONE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("z", "zz", "zzz", "VV"), "UTC"),
        **dict.fromkeys(("X", "XX", "XXX"), "Z"),
        "x": "+00",
        "xx": "+0000",
        "xxx": "+00:00",
        **dict.fromkeys(("Z", "ZZ", "ZZZ"), "+0000"),
        "O": "GMT",
        "OOOO": "GMT",
    }
)
_READ: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "yyyy": ("y", "[0-9]{4}"),
        "y": ("y", "[0-9]{4}"),
        "yy": ("c", "[0-9]{2}"),
        "MM": ("n", "[0-9]{2}"),
        "M": ("n", "[0-9]{1,2}"),
        "MMM": ("b", "[A-Za-z]{3}"),
        "MMMM": ("b", "[A-Za-z]+"),
        "dd": ("d", "[0-9]{2}"),
        "d": ("d", "[0-9]{1,2}"),
        "HH": ("h", "[0-9]{2}"),
        "H": ("h", "[0-9]{1,2}"),
        "hh": ("i", "[0-9]{2}"),
        "h": ("i", "[0-9]{1,2}"),
        "mm": ("m", "[0-9]{2}"),
        "m": ("m", "[0-9]{1,2}"),
        "ss": ("s", "[0-9]{2}"),
        "s": ("s", "[0-9]{1,2}"),
        "a": ("a", "[AaPp][Mm]"),
        "X": ("z", "Z|[+-][0-9]{2}"),
        "XXX": ("z", "Z|[+-][0-9]{2}:[0-9]{2}"),
        "xxx": ("z", "[+-][0-9]{2}:[0-9]{2}"),
        "VV": ("z", "Z|UTC|GMT|[+-][0-9]{2}:[0-9]{2}|[A-Za-z]+/[A-Za-z_]+"),
        "z": ("z", "UTC|GMT|[A-Za-z]+/[A-Za-z_]+"),
    }
)
_FORMER: Final = frozenset("YWweuc")
_MONTHS: Final = (
    "(?i:january|february|march|april|may|june|july|august|september|october|november|december)"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of one pattern letter, or text that stands for itself."""

    text: str
    is_letters: bool


def pieces(pattern: str) -> list[Piece]:
    """Cut a pattern into letters and text; quotes enclose text, two quotes are one."""
    out: list[Piece] = []
    for part in re.findall(r"''|'(?:[^']|'')*'|[^']+|'", pattern):
        if part == "'":
            raise InvalidInput(f"The pattern {pattern!r} has an open quote.", "Close it.")
        if part == "''":
            out.append(Piece("'", False))
        elif part[0] == "'":
            out.append(Piece(part[1:-1].replace("''", "'"), False))
        else:
            out += _runs(part)
    return out


def _runs(part: str) -> list[Piece]:
    out = []
    for letter, run in groupby(part):
        text = "".join(run)
        if letter in "[]#{}":
            raise refused(f"{letter!r} in a datetime pattern", "Leave optional parts out.")
        out.append(Piece(text, letter.isascii() and letter.isalpha()))
    return out


def _unknown(text: str) -> InvalidInput | SqlRefused:
    if text[0] in _FORMER:
        return InvalidInput(
            "[INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION] "
            f"The pattern letters {text!r} are not allowed.",
            "Use yyyy for the year, extract(week FROM …) for the week.",
        )
    return refused(f"The pattern {text!r}", "Use yyyy, MM, MMM, dd, HH, hh, mm, ss, SSS, a or E.")


def written(wall: Expr, pattern: str, shown: str) -> Expr:
    """Write a wall-clock TIMESTAMP by a pattern."""
    parts: list[Expr] = []
    for piece in pieces(pattern):
        if not piece.is_letters:
            parts.append(literals.text(piece.text))
        elif piece.text in _ZONE:
            parts.append(literals.text(_ZONE[piece.text]))
        elif piece.text in _WRITE:
            parts.append(fill(f"({_WRITE[piece.text]})", STRING, [wall]))
        elif set(piece.text) == {"S"} and len(piece.text) <= 9:
            size = len(piece.text)
            sql = f"left(s_micros({{0}}) || '000', {size})"
            parts.append(fill(sql, STRING, [wall]))
        else:
            raise _unknown(piece.text)
    if not parts:
        parts = [literals.text("")]
    done = concatenated(parts, shown)
    sql = "CASE WHEN {0} IS NULL THEN NULL ELSE {1} END"
    return fill(sql, STRING, [wall, done], name=shown)


@dataclass(frozen=True, slots=True)
class Reader:
    """A pattern for reading: a regular expression, and the part that each group holds."""

    regexp: str
    parts: tuple[str, ...]

    def value(self, part: str, default: str) -> str:
        """Give the SQL of a part, over the list of groups {0}."""
        return f"{{0}}.{part}" if part in self.parts else f"'{default}'"


def reader(pattern: str) -> Reader:
    """Prepare a pattern for reading; raises SqlRefused for letters that are not on the list."""
    regexp, parts = "", []
    listed = pieces(pattern)
    for index, piece in enumerate(listed):
        if not piece.is_letters:
            regexp += re.escape(piece.text).replace("\\-", "-").replace("\\ ", " ")
            continue
        part, group = _reading(piece.text, listed[index + 1 :])
        if part in parts:
            raise refused(f"The pattern {pattern!r}, which has a field twice,", "Use it once.")
        parts.append(part)
        regexp += f"({group})"
    return Reader(f"^{regexp}$", tuple(parts))


def _reading(text: str, _: Sequence[Piece]) -> tuple[str, str]:
    if text[0] == "E":
        raise InvalidInput(
            "[INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION] "
            f"The pattern letters {text!r} cannot be read.",
            "Cut the weekday off first.",
        )
    if text == "MMMM":
        return "b", _MONTHS
    if set(text) == {"S"} and len(text) <= 9:
        return "f", f"[0-9]{{1,{len(text)}}}"
    if text not in _READ:
        raise _unknown(text)
    return _READ[text]
