"""DuckDB's errors in Databricks' words."""

import re
from dataclasses import dataclass
from typing import Final

import duckdb

from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.dialect.statement import Statement
from servicetsunami.errors import InvalidInput, LimitExceeded, ServerError, SqlFailed


@dataclass(frozen=True, slots=True)
class _Known:
    """A message of DuckDB, the Databricks error class that it stands for, and what to do."""

    pattern: str
    condition: str
    next_step: str
    is_input: bool = False


_CAST: Final = "Correct the value, or use try_cast to get NULL instead."
_DIVISION: Final = "Use try_divide to get NULL instead, or nullif(divisor, 0)."
_MESSAGES: Final = (
    _Known(
        r"Division by zero in expression \(.* % ",
        "REMAINDER_BY_ZERO",
        "Use try_mod to get NULL instead.",
    ),
    _Known(r"[Dd]ivision by zero", "DIVIDE_BY_ZERO", _DIVISION),
    _Known(r"can't be cast because the value is out of range", "CAST_OVERFLOW", _CAST),
    _Known(r"Could not cast value .* to DECIMAL", "NUMERIC_VALUE_OUT_OF_RANGE", _CAST),
    _Known(r"field value out of range|Date out of range", "DATETIME_FIELD_OUT_OF_BOUNDS", _CAST),
    _Known(
        r"Overflow|out of range|Out of Range", "ARITHMETIC_OVERFLOW", "Cast to a larger type first."
    ),
    _Known(r"Could not convert string|invalid (date|timestamp) field", "CAST_INVALID_INPUT", _CAST),
    _Known(r"Map keys must be unique", "DUPLICATED_MAP_KEY", "Give each key once."),
    _Known(r"Map keys can not be NULL", "NULL_MAP_KEY", "Filter NULL keys out first."),
    _Known(
        r"More than one row returned by a subquery",
        "SCALAR_SUBQUERY_TOO_MANY_ROWS",
        "Aggregate in the subquery, or add LIMIT 1.",
    ),
    _Known(
        r"must appear in the GROUP BY",
        "MISSING_AGGREGATION",
        "Add the column to GROUP BY, or wrap it in an aggregate such as any_value().",
        is_input=True,
    ),
    _Known(
        r"(?i)invalid perl operator|missing \)|regexp|invalid escape sequence",
        "INVALID_PARAMETER_VALUE.PATTERN",
        "Correct the regular expression.",
        is_input=True,
    ),
    _Known(
        r"Unknown TimeZone", "INVALID_TIMEZONE", "Use a name such as Europe/Berlin.", is_input=True
    ),
    _Known(r"Malformed JSON", "MALFORMED_RECORD_IN_PARSING", "Use try_parse_json."),
)
# Our macros put the class in brackets, and DuckDB repeats the text between quotes.
_OWN: Final = re.compile(
    r"\[([A-Z][A-Z_.]+)\] ?(.*?)(?:['\"] ?(?:to |, expected|when )|['\"]?$)", re.DOTALL
)


def explain_failure(error: duckdb.Error, statement: Statement) -> ServerError:
    """Say in Databricks' words why an admitted statement failed.

    Gives SqlFailed for data that does not fit, InvalidInput for a statement that does not, and
    LimitExceeded where memory ran out. Paths and internals of the engine are never shown.
    """
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return LimitExceeded(
            "The statement needed more memory than it may have.",
            "Filter or aggregate earlier, or read fewer columns.",
        )
    own = _OWN.search(text.split("\n\nLINE", maxsplit=1)[0])
    if own is not None and own[1] == "UNSUPPORTED":
        return refused(own[2].strip().rstrip("."), "Use values in the range that it takes.")
    if own is not None:
        return SqlFailed(f"[{own[1]}] {own[2].strip()[:300]}", _next_step(own[1]))
    for known in _MESSAGES:
        if re.search(known.pattern, text):
            kind = InvalidInput if known.is_input else SqlFailed
            return kind(f"[{known.condition}] {_first_line(text)}", known.next_step)
    if isinstance(error, duckdb.BinderException | duckdb.ParserException):
        return InvalidInput(
            f"The {statement.kind} statement does not fit together: {_first_line(text)}",
            "Simplify the expression that it names.",
        )
    return SqlFailed("The statement could not be completed.", "Simplify it and try again.")


def _next_step(condition: str) -> str:
    found = [known.next_step for known in _MESSAGES if known.condition == condition]
    return found[0] if found else "Correct the value, or use the function's try_ form."


def _first_line(text: str) -> str:
    line = text.split("\n", maxsplit=1)[0].partition(": ")[2] or text.split("\n", maxsplit=1)[0]
    return re.sub(r"\s*Use TRY\(.*", "", line)[:300]
