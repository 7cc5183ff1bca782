"""Streams typed rows out of text, keeps what does not fit, and learns when types are wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servicetsunami.engines.files.cells import Cell, Check
from servicetsunami.engines.files.engine import BATCH_ROWS, readable
from servicetsunami.engines.files.guess import FIT_SHARE_MIN
from servicetsunami.engines.files.lines import LineFinder
from servicetsunami.engines.files.native import NativeReject, native_rejects
from servicetsunami.engines.files.report import (
    Correction,
    Corrections,
    Rejects,
    TypesMisjudged,
    rejects_of,
)
from servicetsunami.engines.files.shapes import fitter
from servicetsunami.engines.files.types import arrow_type, is_nested
from servicetsunami.engines.files.workspace import Workspace
from servicetsunami.errors import InvalidInput, LimitExceeded, ServerError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

REJECTS_MAX = 250_000
RAW_CHARACTERS_MAX = 500
_EARLY_MISFITS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TextQuery:
    """SQL over text columns `t0`, `t1`, …; `scan(rejects_prefix)` gives the FROM clause's query.

    `raw` is SQL for the text of a whole row, over the same columns. `learn_encoding` judges the
    bytes at offsets that are not UTF-8.
    """

    scan: Callable[[str], str]
    cells: tuple[Cell, ...]
    raw: str
    row_checks: tuple[Check, ...] = ()
    lines: LineFinder | None = None
    rows_estimated: float | None = None
    reports_natively: bool = False
    learn_encoding: Callable[[list[int]], str | None] | None = None


@dataclass(frozen=True, slots=True)
class _Misfit:
    ordinal: int
    flag: int
    cell: str
    raw: str


class TypedStream:
    """One reading of a text query. `batches` runs once; `rejects` then tells what was left out."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        query: TextQuery,
        *,
        corrections: Corrections,
        work: Workspace,
    ) -> None:
        self._connection = connection
        self._query = query
        self._width = len(query.cells)
        self._corrections = corrections
        self._on_progress = work.on_progress
        self._misjudged = work.misjudged
        self._flags: list[tuple[int, Check]] = [(-1, check) for check in query.row_checks]
        self._flags += [(i, check) for i, cell in enumerate(query.cells) for check in cell.checks]
        self._misfits: list[_Misfit] = []
        self._counts: Counter[int] = Counter()
        self._native: list[NativeReject] = []
        self._rows = 0
        self._surveyed = False

    def reader(self) -> pa.RecordBatchReader:
        """Give the typed rows as a stream."""
        import pyarrow as pa  # noqa: PLC0415

        schema = pa.schema([(cell.name, arrow_type(cell.type)) for cell in self._query.cells])
        return pa.RecordBatchReader.from_batches(schema, self._guarded(schema))

    def rejects(self) -> Rejects:
        """Give all rows left out, in the order of the file where it is known."""
        finder = self._query.lines
        others = [reject.line for reject in self._native]
        lines = (
            finder.of_records(
                [misfit.ordinal for misfit in self._misfits],
                records=self._rows + len(others),
                other_lines=others,
            )
            if finder
            else {}
        )
        rows: list[tuple[int | None, str | None, str, str]] = [
            (reject.line, None, reject.reason, reject.raw) for reject in self._native
        ]
        rows += [self._misfit_row(misfit, lines.get(misfit.ordinal)) for misfit in self._misfits]
        if lines or not self._misfits:
            rows.sort(key=lambda row: row[0] or 0)
        return rejects_of(rows, count=len(rows))

    def _misfit_row(
        self, misfit: _Misfit, line: int | None
    ) -> tuple[int | None, str | None, str, str]:
        position, check = self._flags[misfit.flag]
        name = self._query.cells[position].name if position >= 0 else None
        what = f"{misfit.cell!r} {check.reason}" if position >= 0 else check.reason
        reason = what if line else f"record {misfit.ordinal + 1}: {what}"
        return line, name, reason, misfit.raw

    def _guarded(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import duckdb  # noqa: PLC0415

        try:
            yield from self._batches(schema)
        except TypesMisjudged as error:
            self._misjudged.append(error)
            raise
        # Errors in the middle of a stream arrive as OSError, through Arrow's interface.
        except (duckdb.Error, OSError) as error:
            translated = self._translated(error)
            if isinstance(translated, TypesMisjudged):
                self._misjudged.append(translated)
            raise translated from error

    def _translated(self, error: Exception) -> ServerError:
        text = readable(error)
        if "state machine" in str(error) and not self._corrections.normalise:
            return TypesMisjudged(
                "The line ends are mixed, which the first lines did not show.",
                "Read again with the corrections.",
                self._corrections.merged(Corrections(normalise=True)),
            )
        if "Out of Memory" in text:
            return LimitExceeded(
                "The file needs more memory than the reader may use.",
                "Split very wide rows or very long cells, or store the file as Parquet.",
            )
        return InvalidInput(
            f"The file cannot be read after {self._rows:,} rows: {text}",
            "Repair it there, or pass format, delimiter, quote or encoding as options.",
        )

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415

        width = self._width
        nested = [i for i, cell in enumerate(self._query.cells) if is_nested(cell.type)]
        for arrived in self._connection.sql(self._stream_sql()).to_arrow_reader(BATCH_ROWS):
            batch = arrived
            for position in nested:
                batch = self._decoded(batch, position, schema.field(position).type)
            flags = batch.column(width)
            columns = batch.columns[:width]
            if flags.null_count < len(flags):
                self._keep_misfits(batch, width)
                fits = flags.is_null()
                columns = [column.filter(fits) for column in columns]
            self._rows += arrived.num_rows
            self._check_misfits(at_end=False)
            columns = [
                column if column.type == field.type else column.cast(field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
            self._report_progress()
        self._finish()

    def _decoded(self, batch: pa.RecordBatch, position: int, kind: pa.DataType) -> pa.RecordBatch:
        """Make nested values of a column of JSON text; flag rows whose text does not fit."""
        import pyarrow as pa  # noqa: PLC0415

        fit = fitter(self._query.cells[position].type)
        flag = next(i for i, (place, _) in enumerate(self._flags) if place == position)
        values: list[object] = []
        flags, cells = (batch.column(self._width + i).to_pylist() for i in range(2))
        texts = batch.column(position).to_pylist()
        for row, text in enumerate(texts):
            try:
                values.append(None if text is None else fit(json.loads(text)))
            except ValueError:
                values.append(None)
                flags[row], cells[row] = flag, text
        columns = list(batch.columns)
        columns[position] = pa.array(values, type=kind)
        columns[self._width] = pa.array(flags, type=pa.int32())
        columns[self._width + 1] = pa.array(cells, type=pa.string())
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    def _report_progress(self) -> None:
        estimated = self._query.rows_estimated
        fraction = min(0.99, self._rows / estimated) if estimated else None
        self._on_progress(self._rows, fraction)

    def _keep_misfits(self, batch: pa.RecordBatch, width: int) -> None:
        rows = batch.column(width).is_valid()
        ordinals = [i for i, wrong in enumerate(rows.to_pylist()) if wrong]
        kept = (batch.column(width + i).filter(rows).to_pylist() for i in range(3))
        for ordinal, flag, cell, raw in zip(ordinals, *kept, strict=True):
            misfit = _Misfit(self._rows + ordinal, flag, _short(cell, 80), _short(raw))
            self._misfits.append(misfit)
            self._counts[flag] += 1
        if len(self._misfits) > REJECTS_MAX:
            raise too_many_rejects()

    def _check_misfits(self, *, at_end: bool) -> None:
        """Look at all rows when a check that has a better type hit, or misfits are frequent."""
        if self._corrections.final or self._surveyed or not self._counts:
            return
        least = 0 if at_end else _EARLY_MISFITS
        suspicious = any(
            self._flags[flag][1].correction
            or (count > least and count > self._rows * (1 - FIT_SHARE_MIN))
            for flag, count in self._counts.items()
            if self._can_change(self._flags[flag][0])
        )
        if not suspicious:
            return
        self._surveyed = True
        if columns := self._survey():
            raise self._misjudged_types(columns)

    def _can_change(self, position: int) -> bool:
        return position >= 0 and not self._query.cells[position].declared

    def _survey(self) -> dict[int, Correction]:
        """Count in the whole file how many cells of each column fail each check."""
        cursor = self._connection.cursor()
        counts = ", ".join(
            f"count(*) FILTER (WHERE {self._column_flag(position)} = {flag})"
            for flag, (position, _) in enumerate(self._flags)
            if position >= 0
        )
        found = cursor.sql(f"SELECT count(*), {counts} FROM ({self._values_sql('survey')})")
        [(total, *hits)] = found.fetchall()
        cursor.close()
        cell_flags = [pair for pair in self._flags if pair[0] >= 0]
        columns: dict[int, Correction] = {}
        for (position, check), count in zip(cell_flags, hits, strict=True):
            if count and self._can_change(position):
                self._learn(columns, position, check, count, total)
        return columns

    def _learn(
        self, columns: dict[int, Correction], position: int, check: Check, count: int, total: int
    ) -> None:
        rare = count <= total * (1 - FIT_SHARE_MIN)
        if (check.correction is None and rare) or "string" in (
            known := columns[position].type if position in columns else "",
        ):
            return
        kind = check.correction or "string"
        if known == "double" and kind.startswith("decimal"):
            return
        why = f"{count:,} of {total:,} rows have a value that {check.reason}"
        columns[position] = Correction(type=kind, why=why)

    def _finish(self) -> None:
        if self._query.reports_natively and self._query.lines:
            self._native = native_rejects(
                self._connection, self._query.lines, rejects_max=REJECTS_MAX
            )
            self._check_encoding()
        self._check_misfits(at_end=True)
        left_out = len(self._misfits) + len(self._native)
        if left_out > REJECTS_MAX:
            raise too_many_rejects()
        rows = self._rows + len(self._native)
        if left_out * 2 > rows:
            first = self.rejects().first[0]
            raise InvalidInput(
                f"{left_out:,} of {rows:,} rows cannot be read; the first is line "
                f"{first['line']}: {first['reason']}.",
                "Check format, delimiter, quote and columns, and pass them as options.",
            )
        self._on_progress(self._rows, 1.0)

    def _check_encoding(self) -> None:
        """Bytes that are no UTF-8 below a sample of plain ASCII mean another encoding."""
        offsets = [row.offset for row in self._native if row.kind == "INVALID ENCODING"]
        learn = self._query.learn_encoding
        if not offsets or learn is None or self._corrections.final:
            return
        if encoding := learn(offsets):
            raise TypesMisjudged(
                f"Later rows show that the text is {encoding}, which the first rows did not.",
                "Read again with the corrections, or pass the option encoding.",
                self._corrections.merged(Corrections(encoding=encoding)),
            )

    def _misjudged_types(self, columns: dict[int, Correction]) -> TypesMisjudged:
        return TypesMisjudged(
            "Later rows do not fit the types that the first rows suggested.",
            "Read again with the corrections, or pass the types as options.columns.",
            self._corrections.merged(Corrections(columns=columns)),
        )

    def _column_flag(self, position: int) -> str:
        whens = " ".join(
            f"WHEN {check.condition} THEN {flag}"
            for flag, (place, check) in enumerate(self._flags)
            if place == position
        )
        return f"CASE {whens} END"

    def _values_sql(self, rejects_prefix: str) -> str:
        values = ", ".join(f"{cell.value} AS v{i}" for i, cell in enumerate(self._query.cells))
        return f"SELECT *, {values} FROM ({self._query.scan(rejects_prefix)})"

    def _stream_sql(self) -> str:
        positions = [i for i, cell in enumerate(self._query.cells) if cell.checks]
        flagged = [self._column_flag(-1)] if self._query.row_checks else []
        flagged += [self._column_flag(i) for i in positions]
        flag = f"coalesce({', '.join(flagged)}, NULL)" if flagged else "NULL::INTEGER"
        suspicions = [cell.suspicion for cell in self._query.cells if cell.checks]
        suspicions += [check.condition for check in self._query.row_checks]
        suspicion = " OR ".join(suspicions) or "false"
        texts = " ".join(
            f"WHEN {number} THEN {self._query.cells[position].text}"
            for number, (position, _) in enumerate(self._flags)
            if position >= 0
        )
        cell = f"CASE WHEN flag IS NOT NULL THEN CASE flag {texts} END END" if texts else "''"
        columns = ", ".join(f"v{i}" for i in range(len(self._query.cells)))
        return (
            f"SELECT {columns}, flag, {cell} AS cell, "
            f"CASE WHEN flag IS NOT NULL THEN {self._query.raw} END AS raw "
            f"FROM (SELECT *, CASE WHEN {suspicion} THEN {flag} END AS flag "
            f"FROM ({self._values_sql('stream')}))"
        )


def _short(text: str | None, characters_max: int = RAW_CHARACTERS_MAX) -> str:
    text = text or ""
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


def too_many_rejects() -> LimitExceeded:
    """Say that the file is too broken to keep a list of what is wrong."""
    return LimitExceeded(
        f"More than {REJECTS_MAX:,} rows do not fit.",
        "Check format, delimiter, quote, encoding and columns, and pass them as options.",
    )
