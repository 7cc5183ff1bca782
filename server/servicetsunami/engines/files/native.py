"""Rows that the engine's own CSV parser could not cut into cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servicetsunami.engines.files.lines import LineFinder

if TYPE_CHECKING:
    import duckdb

_FAILED_CAST = re.compile(r'Could not convert string "(.*)" to \'([^\']*)\'', re.DOTALL)
_SPOKEN = {"TIMESTAMP WITH TIME ZONE": "timestamp"}
_REASONS = {
    "MISSING COLUMNS": "too few cells",
    "TOO MANY COLUMNS": "too many cells",
    "UNQUOTED VALUE": "a quote is not closed, or stands within a cell",
    "LINE SIZE OVER MAXIMUM": "the line is too long",
    "INVALID ENCODING": "bytes that are not valid in the encoding of the file",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeReject:
    """One row with its physical line (from 1) and its offset in bytes (from 0).

    `position` and `cell` tell the column (from 0) and the text, where a cast failed.
    """

    line: int
    offset: int
    kind: str
    reason: str
    raw: str
    position: int | None = None
    cell: str | None = None


def native_rejects(
    connection: duckdb.DuckDBPyConnection, lines: LineFinder, *, rejects_max: int
) -> list[NativeReject]:
    """Give the rows that `read_csv(…, rejects_table='stream_errors')` left out, by line."""
    found = connection.sql(
        "SELECT line_byte_position, first(error_type), first(error_message), "
        "first(csv_line), first(column_name) FROM stream_errors GROUP BY 1 "
        f"ORDER BY 1 LIMIT {rejects_max + 1}"
    ).fetchall()
    numbers = lines.of_offsets([place - 1 for place, *_ in found])
    return [
        _reject(numbers[place - 1], place - 1, kind, message, raw, column)
        for place, kind, message, raw, column in found
    ]


def _reject(
    line: int, offset: int, kind: str, message: str, raw: str | None, column: str | None
) -> NativeReject:
    failed = _FAILED_CAST.search(message) if kind == "CAST" else None
    if failed is None or column is None:
        reason = _reason(kind, message)
        return NativeReject(line=line, offset=offset, kind=kind, reason=reason, raw=raw or "")
    cell = failed.group(1)
    return NativeReject(
        line=line,
        offset=offset,
        kind=kind,
        reason=f"{cell[:80]!r} is not a {_SPOKEN.get(failed.group(2), failed.group(2).lower())}",
        raw=raw or "",
        position=int(column.removeprefix("t")),
        cell=cell,
    )


def _reason(kind: str, message: str) -> str:
    known = _REASONS.get(kind, message)
    if "COLUMNS" not in kind:
        return known
    numbers = [word for word in message.replace(":", " ").split() if word.isdigit()]
    return f"{known}: {numbers[1]} instead of {numbers[0]}" if len(numbers) == 2 else known
