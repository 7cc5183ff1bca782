"""Guesses the type of a column of text cells from a sample, cautiously.

A type wins when at least 99 % of the sampled values fit it. What would be lost by it (leading
zeros, a fraction, a time of day) keeps the column from it altogether.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from servicetsunami.engines.files.options import ReadOptions

FIT_SHARE_MIN = 0.99
MARKERS = (
    "NA", "N/A", "n/a", "na", "#N/A", "NULL", "null", "Null", "None", "none", "nil",
    "NaN", "nan", "-", "--", "?", "\\N",
)  # fmt: skip
_MARKER_SET = frozenset(MARKERS)
_BOOLEAN = re.compile(r"true|false", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+")
_LEADING_ZERO = re.compile(r"[+-]?0\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}([,.' \u00a0]\d{3})+([.,]\d+)?")
_MONEY = re.compile(r"[$€£¥]\s?[+-]?[\d.,]+|[+-]?[\d.,]+\s?([$€£¥%]|EUR|USD|GBP)")
_CENTS = re.compile(r"[+-]?\d+\.\d\d")
_ISO_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
_ISO_TIME = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)?"
)
_ZONE = re.compile(r"(Z|UTC|\d[+-]\d{2}(:?\d{2})?)$")
_OTHER_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})")
_YEAR_FIRST = re.compile(r"\d{4}([/.])\d{1,2}\1\d{1,2}")
_MONTH_NAME = re.compile(r"\d{1,2}([ -])[A-Za-z]{3}\1\d{4}")
_CLOCK = (
    (re.compile(r"\d{1,2}:\d{2}"), "%H:%M"),
    (re.compile(r"\d{1,2}:\d{2}:\d{2}"), "%H:%M:%S"),
    (re.compile(r"\d{1,2}:\d{2}:\d{2}\.\d+"), "%H:%M:%S.%f"),
    (re.compile(r"\d{1,2}:\d{2} [APap][Mm]"), "%I:%M %p"),
    (re.compile(r"\d{1,2}:\d{2}:\d{2} [APap][Mm]"), "%I:%M:%S %p"),
)
_BIGINT = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A type (Databricks text) with the reason; `format` is strptime's where ISO does not hold.

    `zoneless` timestamps are cast three times as fast; a zone after all is found by a check.
    """

    type: str
    how: str
    format: str | None = None
    warning: str | None = None
    declared: bool = False
    decimal_comma: bool = False
    zoneless: bool = False


def guess_column(cells: Sequence[str], options: ReadOptions, *, decimal_comma: bool) -> Guess:
    """Guess from sampled cells, of which empty ones count as missing."""
    filled = [cell for cell in map(str.strip, cells) if cell]
    values = [cell for cell in filled if cell not in _MARKER_SET]
    basis = f"sniffed from {len(cells)} rows"
    if not values:
        return Guess(type="string", how=f"no value in {len(cells)} sampled rows")
    note = _marker_note(filled, values)
    for guesser in (_boolean, _number, _date, _timestamp):
        if guess := guesser(values, options, decimal_comma):
            return Guess(
                type=guess.type,
                how=f"{basis}{note}{'; ' + guess.how if guess.how else ''}",
                format=guess.format,
                warning=guess.warning,
                decimal_comma=guess.decimal_comma,
                zoneless=guess.zoneless,
            )
    kept = _marker_note(filled, values).replace("read as null", "kept as text")
    return _text(values, basis + kept)


def _marker_note(filled: Sequence[str], values: Sequence[str]) -> str:
    if len(filled) == len(values):
        return ""
    found = sorted({cell for cell in filled if cell in _MARKER_SET})
    return f"; {', '.join(found)} read as null"


def _share(values: Sequence[str], pattern: re.Pattern[str]) -> float:
    fits = pattern.fullmatch
    # One misfit in the first hundred may still pass, two may not: stop early on plain text.
    if len(values) > 200 and sum(1 for value in values[:200] if fits(value)) < 150:
        return 0.0
    return sum(1 for value in values if fits(value)) / len(values)


def _fits(values: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return _share(values, pattern) >= FIT_SHARE_MIN


def _boolean(values: Sequence[str], _options: ReadOptions, _comma: bool) -> Guess | None:
    if not _fits(values, _BOOLEAN):
        return None
    return Guess(type="boolean", how="")


def _number(values: Sequence[str], options: ReadOptions, decimal_comma: bool) -> Guess | None:
    if options.thousands_separator:
        values = [value.replace(options.thousands_separator, "") for value in values]
    pattern = _COMMA_NUMBER if decimal_comma else _NUMBER
    if not _fits(values, pattern):
        return None
    if any(_LEADING_ZERO.fullmatch(value) for value in values):
        return Guess(type="string", how="text, since leading zeros would be lost")
    if all(_INTEGER.fullmatch(value) for value in values if pattern.fullmatch(value)):
        return _integer([value for value in values if _INTEGER.fullmatch(value)])
    if decimal_comma:
        return Guess(type="double", how="comma as decimal separator", decimal_comma=True)
    if _fits(values, _CENTS):
        how = "two decimals throughout: for exact sums pass its type as decimal(18,2)"
        return Guess(type="double", how=how)
    return Guess(type="double", how="")


def _integer(values: Sequence[str]) -> Guess:
    longest = max(len(value) for value in values)
    if longest < 19 or all(int(value) in _BIGINT for value in values):
        return Guess(type="bigint", how="")
    if max(len(value.lstrip("+-")) for value in values) <= 38:
        return Guess(type="decimal(38,0)", how="too large for bigint")
    return Guess(type="string", how="text, since the numbers have more than 38 digits")


def _date(values: Sequence[str], options: ReadOptions, _comma: bool) -> Guess | None:
    if _fits(values, _ISO_DATE):
        return Guess(type="date", how="ISO 8601")
    if form := options.date_format:
        fits = _parse_share(values, form)
        return Guess(type="date", how=f"{form}, as you said", format=form) if fits else None
    for shape, order in ((_YEAR_FIRST, "%Y{0}%m{0}%d"), (_MONTH_NAME, "%d{0}%b{0}%Y")):
        if _fits(values, shape):
            sign = next(found.group(1) for found in map(shape.fullmatch, values) if found)
            form = order.format(sign)
            return Guess(type="date", how=form, format=form)
    return _day_or_month(values) if _fits(values, _OTHER_DATE) else None


def _parse_share(values: Sequence[str], form: str) -> bool:
    from datetime import datetime  # noqa: PLC0415

    def fits(value: str) -> bool:
        try:
            datetime.strptime(value, form)
        except ValueError:
            return False
        return True

    sampled = values[:1000]
    return sum(map(fits, sampled)) >= len(sampled) * FIT_SHARE_MIN


def _day_or_month(values: Sequence[str]) -> Guess:
    """Decide between day/month and month/day by values above 12, and say if none decides."""
    found = [match for match in map(_OTHER_DATE.fullmatch, values) if match]
    sign = found[0].group(2)
    year = "%y" if all(len(match.group(4)) == 2 for match in found) else "%Y"
    day_first = sum(1 for match in found if int(match.group(1)) > 12)
    month_first = sum(1 for match in found if int(match.group(3)) > 12)
    form = f"%m{sign}%d{sign}{year}" if month_first > day_first else f"%d{sign}%m{sign}{year}"
    if sign == "/" and not day_first:
        form = f"%m/%d/{year}"
    if day_first or month_first or sign == ".":
        return Guess(type="date", how=form, format=form)
    other = form.replace("%m", "%x").replace("%d", "%m").replace("%x", "%d")
    warning = (
        f"the dates are ambiguous, such as {values[0]!r}: read as {form}. "
        f"If it is {other}, pass the option date_format."
    )
    return Guess(type="date", how=f"{form}, ambiguous", format=form, warning=warning)


def _timestamp(values: Sequence[str], options: ReadOptions, _comma: bool) -> Guess | None:
    if _fits(values, re.compile(f"{_ISO_TIME.pattern}|{_ISO_DATE.pattern}")):
        zoned = sum(1 for value in values if _ZONE.search(value))
        zone = "no zone in the text: taken as UTC"
        if zoned:
            zone = "zones converted to UTC"
        return Guess(type="timestamp", how=f"ISO 8601; {zone}", zoneless=not zoned)
    if options.timestamp_format:
        if not _parse_share(values, options.timestamp_format.replace("%g", "%f")):
            return None
        form = options.timestamp_format
        return Guess(type="timestamp", how=f"{form}, as you said", format=form)
    halves = [value.partition(" ") for value in values]
    clock = next((form for shape, form in _CLOCK if _fits([h[2] for h in halves], shape)), None)
    dates = [half[0] for half in halves]
    if clock is None or (day := _date(dates, options, _comma)) is None:
        return None
    form = f"{day.format or '%Y-%m-%d'} {clock}"
    how = f"{form}{', ambiguous' if day.warning else ''}; no zone in the text: taken as UTC"
    return Guess(type="timestamp", how=how, format=form, warning=day.warning)


_HINTS: tuple[tuple[Callable[[str], object], str], ...] = (
    (
        _GROUPED.fullmatch,
        "looks like numbers with thousands separators: pass thousands_separator (and "
        "decimal_separator) to read them as numbers",
    ),
    (_MONEY.fullmatch, "looks like amounts with a currency or percent sign, kept as text"),
)


def _text(values: Sequence[str], basis: str) -> Guess:
    for looks, warning in _HINTS:
        if sum(1 for value in values if looks(value)) > len(values) / 2:
            return Guess(type="string", how=f"{basis}; text", warning=warning)
    numeric = _share(values, _NUMBER)
    if numeric > 0.5:
        odd = next(value for value in values if not _NUMBER.fullmatch(value))
        warning = (
            f"{numeric:.0%} of the sampled values are numbers, but others are not, such as "
            f"{odd[:40]!r}: kept as text"
        )
        return Guess(type="string", how=f"{basis}; mixed numbers and text", warning=warning)
    return Guess(type="string", how=basis)


def uses_decimal_comma(columns: Sequence[Sequence[str]], *, delimiter: str) -> bool:
    """Tell whether numbers have a decimal comma: never where the comma parts the cells."""
    if delimiter == ",":
        return False
    commas = 0
    for cells in columns:
        values = [cell.strip() for cell in cells if cell.strip() and cell not in _MARKER_SET]
        if not values or not _fits(values, _COMMA_NUMBER):
            points = sum(1 for value in values if "." in value)
            if values and points > len(values) / 2 and _fits(values, _NUMBER):
                return False
            continue
        commas += sum(1 for value in values if "," in value)
        # 1,234 may be a thousand: three digits after every comma decide nothing.
        grouped = [value for value in values if "," in value]
        if grouped and all(len(value.rpartition(",")[2]) == 3 for value in grouped):
            return False
    return commas > 0
