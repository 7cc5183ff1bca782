"""The SQL that turns text cells into typed values, and finds those that do not fit.

Every column is read as text `t<i>` and cast to `v<i>`; a cast that would lose something
(leading zeros, a fraction, a time of day) or fails is found by a check, in the same scan.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from servicetsunami.engines.files.engine import quoted
from servicetsunami.engines.files.guess import MARKERS, Guess
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.types import duckdb_type, is_integer, is_nested

# A zone stands behind the time: the hyphens of a date do not count.
_ZONED = ".*:.*([A-Za-z]|[+-]\\d{2}(:?\\d{2})?)\\s*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A condition for cells that do not fit. `correction` is a type that would hold them all."""

    condition: str
    reason: str
    correction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How one column is made: `value` is SQL over the text alias `text`.

    `suspicion` is a condition that is cheap for the engine and true wherever a check may hit;
    only rows that are suspicious in some column have their checks evaluated.
    """

    name: str
    type: str
    text: str
    value: str
    checks: tuple[Check, ...]
    suspicion: str
    declared: bool


def text_cell(position: int, name: str, guess: Guess, options: ReadOptions) -> Cell:
    """Build the column at a position (from 0) of texts named `t0`, `t1` and so on."""
    text, value = f"t{position}", f"v{position}"
    kind = guess.type
    number = _number_sql(text, guess, options)
    if kind == "string" or is_nested(kind):
        # Nested values are made of JSON text by the stream: the engine's casts lose keys.
        checks = (Check(condition="false", reason=f"is not {kind}"),) if is_nested(kind) else ()
        return Cell(
            name=name,
            type=kind,
            text=text,
            value=text,
            checks=checks,
            suspicion="false",
            declared=guess.declared,
        )
    return Cell(
        name=name,
        type=kind,
        text=text,
        value=_value_sql(kind, text, number, guess, options),
        checks=tuple(_checks(text, value, number, guess, options)),
        suspicion=_suspicion(kind, text, value, guess),
        declared=guess.declared,
    )


def _number_sql(text: str, guess: Guess, options: ReadOptions) -> str:
    number = text
    if options.thousands_separator:
        number = f"replace({number}, {quoted(options.thousands_separator)}, '')"
    if guess.decimal_comma:
        # A point where the comma is decimal may be a thousands separator: never guess.
        number = f"CASE WHEN contains({number}, '.') THEN NULL ELSE replace({number}, ',', '.') END"
    return number


def _value_sql(kind: str, text: str, number: str, guess: Guess, options: ReadOptions) -> str:
    target = duckdb_type(kind)
    if is_integer(kind) or kind.startswith("decimal"):
        return f"try_cast({number} AS {target})"
    if kind in ("double", "float"):
        cast = f"try_cast({number} AS {target})"
        return cast if options.null_values else f"nullif({cast}, 'nan'::{target})"
    if guess.format:
        return f"try_strptime(trim({text}), {quoted(guess.format)})::{target}"
    known = {
        "timestamp_ntz": f"(try_cast({text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')",
        "binary": f"encode({text})",
    }
    if guess.zoneless:
        target = "TIMESTAMP"
    return known.get(kind, f"try_cast({text} AS {target})")


def _suspicion(kind: str, text: str, value: str, guess: Guess) -> str:
    if is_integer(kind) or (kind.startswith("decimal") and not guess.declared):
        # Written out again, a number that lost nothing is the text that it came from.
        return f"{value}::VARCHAR IS DISTINCT FROM {text}"
    missing = f"({value} IS NULL) <> ({text} IS NULL)"
    if kind == "date" and not guess.format:
        return f"{missing} OR strlen({text}) > 10"
    return f"{missing} OR strlen({text}) <> 19" if guess.zoneless else missing


def _checks(
    text: str, value: str, number: str, guess: Guess, options: ReadOptions
) -> Sequence[Check]:
    kind = guess.type
    checks: list[Check] = []
    if is_integer(kind) or (kind.startswith("decimal") and not guess.declared):
        checks += _whole_number_checks(kind, value, number, declared=guess.declared)
    if kind == "date" and not guess.format:
        checks.append(
            Check(
                condition=f"{value} IS NOT NULL AND strlen(trim({text})) > 10",
                reason="has a time of day, which a date would lose",
                correction=None if guess.declared else "timestamp",
            )
        )
    if guess.zoneless:
        zoned = f"{value} IS NOT NULL AND regexp_full_match({text}, '{_ZONED}')"
        checks.append(Check(condition=zoned, reason="has a time zone", correction="timestamp"))
    # A pattern, since the engine makes a join over all rows of IN, and copies a long list often.
    markers = "|".join(map(re.escape, () if options.null_values else MARKERS))
    pattern = f'[ "]*({markers})?[ "]*'
    missing = (
        f"{value} IS NULL AND {text} IS NOT NULL "
        f"AND NOT regexp_full_match({text}, {quoted(pattern)})"
    )
    checks.append(Check(condition=missing, reason=f"is not a {_spoken(kind, guess)}"))
    return checks


def _spoken(kind: str, guess: Guess) -> str:
    return f"{kind} ({guess.format})" if guess.format else kind


def _whole_number_checks(kind: str, value: str, number: str, *, declared: bool) -> list[Check]:
    # Comparing with the number written out again is cheap; patterns then see the few rest.
    odd = f"{value} IS NOT NULL AND {value}::VARCHAR <> {number}"
    whole = f"regexp_full_match({number}, '\\s*[+-]?\\d+(\\.0*)?\\s*')"
    fraction = Check(
        condition=f"{odd} AND NOT {whole}",
        reason=f"has a fraction, which {kind} would lose",
        correction=None if declared else "double",
    )
    if declared:
        return [fraction]
    zeros = Check(
        condition=f"{odd} AND regexp_full_match({number}, '\\s*[+-]?0\\d+\\s*')",
        reason="has leading zeros, which a number would lose",
        correction="string",
    )
    failed = f"{value} IS NULL AND {number} IS NOT NULL"
    large = Check(
        condition=f"{failed} AND regexp_full_match({number}, '\\s*[+-]?\\d{{19,38}}\\s*')",
        reason=f"is too large for {kind}",
        correction="decimal(38,0)",
    )
    other = Check(
        condition=f"{failed} AND isfinite(try_cast({number} AS DOUBLE))",
        reason=f"is too large for {kind}",
        correction="double",
    )
    return [zeros, fraction, *([large] if kind == "bigint" else []), other]
