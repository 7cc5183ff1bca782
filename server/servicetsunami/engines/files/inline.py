"""Rows of values that know their kind, from a tool call or a worksheet, as a typed stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from servicetsunami.engines.files.delimited import declared_types
from servicetsunami.engines.files.guess import Guess
from servicetsunami.engines.files.names import safe_names
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import (
    ColumnReport,
    Details,
    Rejects,
    Source,
    rejects_of,
)
from servicetsunami.engines.files.shapes import Misfit, Shape, fitter
from servicetsunami.engines.files.types import arrow_type
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 4_096
Row = Sequence[object]


def source_of_rows(rows: Sequence[Mapping[str, object]], options: ReadOptions) -> Source:
    """Make a source of JSON objects; keys become columns in the order they first appear."""
    keys: dict[str, None] = {}
    for row in rows:
        keys.update(dict.fromkeys(map(str, row)))
    if not keys:
        raise InvalidInput(
            "There are no rows with values.", "Give at least one row such as {'id': 1}."
        )
    values = ValueRows(
        keys=tuple(keys),
        rows=lambda: (
            (number, [row.get(key) for key in keys]) for number, row in enumerate(rows, 1)
        ),
        options=options,
        basis=f"all {len(rows)} rows",
    )
    return Source(
        reader=values.reader(),
        columns=values.columns,
        format="rows",
        details=Details(),
        warnings=values.warnings,
        collect_rejects=values.rejects,
    )


@dataclass(slots=True, kw_only=True)
class ValueRows:
    """Rows that can be walked through twice: once to learn the types, once to convert.

    `rows` gives (line, values) in the order of `keys`.
    """

    keys: tuple[str, ...]
    rows: Callable[[], Iterator[tuple[int, Row]]]
    options: ReadOptions
    basis: str
    whole_floats: bool = False
    on_rows: Callable[[int], None] | None = None
    columns: tuple[ColumnReport, ...] = ()
    warnings: list[str] = field(default_factory=list)
    _rejected: list[tuple[int | None, str | None, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = safe_names(self.keys)
        guesses = self._guesses(names.names)
        self.columns = tuple(
            ColumnReport(name=name, source_name=key, type=guess.type, how=guess.how)
            for name, key, guess in zip(names.names, self.keys, guesses, strict=True)
        )
        self.warnings = [*names.warnings]
        self.warnings += [
            f"Column {column.name}: {guess.warning}"
            for column, guess in zip(self.columns, guesses, strict=True)
            if guess.warning
        ]

    def _guesses(self, names: Sequence[str]) -> list[Guess]:
        shapes = [Shape(whole_floats=self.whole_floats, reads_dates=True) for _ in self.keys]
        nulls = frozenset(self.options.null_values)
        for _, row in self.rows():
            for shape, value in zip(shapes, row, strict=True):
                shape.add(None if isinstance(value, str) and value in nulls else value)
        declared = declared_types(self.options.columns, self.keys, names)
        return [
            Guess(type=declared[i], how="given by you", declared=True)
            if i in declared
            else shape.guess(self.basis)
            for i, shape in enumerate(shapes)
        ]

    def reader(self) -> pa.RecordBatchReader:
        """Give the typed rows as a stream; rows with a value that does not fit are kept aside."""
        import pyarrow as pa  # noqa: PLC0415

        schema = pa.schema([(column.name, arrow_type(column.type)) for column in self.columns])
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema))

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415

        fitters = [fitter(column.type) for column in self.columns]
        rows, done = self.rows(), 0
        while chunk := list(islice(rows, _BATCH_ROWS)):
            fitted = [values for line, row in chunk if (values := self._fitted(line, row, fitters))]
            done += len(chunk)
            arrays = [
                pa.array([row[i] for row in fitted], type=each.type)
                for i, each in enumerate(schema)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            if self.on_rows:
                self.on_rows(done)

    def _fitted(
        self, line: int, row: Row, fitters: Sequence[Callable[[object], object]]
    ) -> list[object] | None:
        values: list[object] = []
        for column, fit, value in zip(self.columns, fitters, row, strict=True):
            known = None if isinstance(value, str) and value in self.options.null_values else value
            try:
                values.append(fit(known))
            except Misfit:
                reason = f"{str(value)[:80]!r} is not a {column.type}"
                self._rejected.append((line, column.name, reason, str(list(row))[:500]))
                return None
        return values

    def rejects(self) -> Rejects:
        """Give the rows that were left out; `line` is the row's number."""
        return rejects_of(self._rejected, count=len(self._rejected))
