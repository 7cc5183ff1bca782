"""Rows that the engine's own CSV parser could not cut into cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servicetsunami.engines.files.lines import LineFinder

if TYPE_CHECKING:
    import duckdb

_REASONS = {
    "MISSING COLUMNS": "too few cells",
    "TOO MANY COLUMNS": "too many cells",
    "UNQUOTED VALUE": "a quote is not closed, or stands within a cell",
    "LINE SIZE OVER MAXIMUM": "the line is too long",
    "INVALID ENCODING": "bytes that are not valid in the encoding of the file",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeReject:
    """One row with its physical line (from 1) and its offset in bytes (from 0)."""

    line: int
    offset: int
    kind: str
    reason: str
    raw: str


def native_rejects(
    connection: duckdb.DuckDBPyConnection, lines: LineFinder, *, rejects_max: int
) -> list[NativeReject]:
    """Give the rows that `read_csv(…, rejects_table='stream_errors')` left out, by line."""
    found = connection.sql(
        "SELECT line_byte_position, first(error_type), first(error_message), "
        "first(csv_line) FROM stream_errors GROUP BY 1 "
        f"ORDER BY 1 LIMIT {rejects_max + 1}"
    ).fetchall()
    numbers = lines.of_offsets([place - 1 for place, *_ in found])
    return [
        NativeReject(
            line=numbers[place - 1],
            offset=place - 1,
            kind=kind,
            reason=_reason(kind, message),
            raw=raw or "",
        )
        for place, kind, message, raw in found
    ]


def _reason(kind: str, message: str) -> str:
    known = _REASONS.get(kind, message)
    if "COLUMNS" not in kind:
        return known
    numbers = [word for word in message.replace(":", " ").split() if word.isdigit()]
    return f"{known}: {numbers[1]} instead of {numbers[0]}" if len(numbers) == 2 else known
