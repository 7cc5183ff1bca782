"""What a reader tells about a file: its columns, what was odd, and the rows it left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

REJECTS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnReport:
    """One column: `type` is Databricks type text, `how` says in words where it comes from."""

    name: str
    source_name: str
    type: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejects:
    """Rows that were read but not delivered: `line` (physical, from 1), column, reason, raw text.

    `line` is null where records span lines, or blank lines were skipped; the reason then names
    the record. `first` holds at most five of them for a report.
    """

    count: int
    first: tuple[Mapping[str, object], ...]
    table: pa.Table

    @property
    def reader(self) -> pa.RecordBatchReader:
        """All rejected rows, as a stream with the columns line, column, reason and raw."""
        return self.table.to_reader()


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """How the bytes were understood; None where it does not apply to the format."""

    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    skipped_lines: int = 0
    date_formats: Mapping[str, str] = field(default_factory=dict)
    decimal_separator: str | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file opened for one reading: a typed stream of rows, and how it came about.

    The stream fits a Delta table as it is: no unsigned 64-bit integers, times, intervals or
    half floats, and column names that are unique when case is ignored. It raises
    TypesMisjudged when the whole file teaches better than the sample did.
    """

    reader: pa.RecordBatchReader
    columns: tuple[ColumnReport, ...]
    format: str
    details: Details
    warnings: list[str]
    collect_rejects: Callable[[], Rejects]

    def rejects(self) -> Rejects:
        """Give the rows that were left out; call it when the stream has been drained."""
        return self.collect_rejects()


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Another type for one column, learnt from all rows, and why."""

    type: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """What a first reading taught, for a second one: `columns` is by position, from 0.

    After `attempts_max` readings what still does not fit is rejected and no longer corrected.
    """

    columns: Mapping[int, Correction] = field(default_factory=dict)
    encoding: str | None = None
    normalise: bool = False
    attempts: int = 0
    attempts_max: int = 4

    @property
    def final(self) -> bool:
        """Whether this reading has to make do."""
        return self.attempts >= self.attempts_max

    def merged(self, newer: Corrections) -> Corrections:
        """Add what another reading taught; the newer lesson wins."""
        return Corrections(
            columns={**self.columns, **newer.columns},
            encoding=newer.encoding or self.encoding,
            normalise=newer.normalise or self.normalise,
            attempts=self.attempts + 1,
        )


class TypesMisjudged(InvalidInput):
    """The sample led to a type that later rows disprove: nothing read so far may be kept.

    `read_path` reads again with `corrections`; callers of `open_path` can pass them on.
    """

    def __init__(self, what: str, next_step: str, corrections: Corrections | None = None) -> None:
        super().__init__(what, next_step)
        self.corrections = corrections or Corrections()


def rejects_of(rows: list[tuple[int | None, str | None, str, str]], *, count: int) -> Rejects:
    """Build the report from (line, column, reason, raw) in the order of the file.

    `count` is the number of rows, which may be smaller than that of reasons.
    """
    import pyarrow as pa  # noqa: PLC0415

    names = ("line", "column", "reason", "raw")
    kinds = (pa.int64(), pa.string(), pa.string(), pa.string())
    arrays = [pa.array([row[index] for row in rows], type=kind) for index, kind in enumerate(kinds)]
    return Rejects(
        count=count,
        first=tuple(dict(zip(names, row, strict=True)) for row in rows[:REJECTS_SHOWN]),
        table=pa.Table.from_arrays(arrays, names=list(names)),
    )
