"""The write side of tables: one commit per call, in constant memory, durable when it returns.

Imports pyarrow: for a child process, under the lock that the server holds; see the package.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from servicetsunami.domain.dataset import Column, WriteMode
from servicetsunami.errors import Conflict, LimitExceeded, ServerError
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.columns import columns_of
from servicetsunami.stores.tables.commit import Target, commit_rows, make_durable
from servicetsunami.stores.tables.conform import Conformed, conform_new, conform_to
from servicetsunami.stores.tables.merge import merged, resolve_keys
from servicetsunami.stores.tables.recover import roll_back


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One Delta commit: durable, and not yet acknowledged.

    `rows_written` counts what came in; `row_count` and `size_bytes` are of the whole table after
    it, `added_bytes` are of its new files alone. `details` has `rows_inserted` and `rows_updated`
    for a merge.
    """

    version: int
    committed_at: datetime
    rows_written: int
    row_count: int
    size_bytes: int
    added_bytes: int
    columns: tuple[Column, ...]
    details: Mapping[str, int] = field(default_factory=dict)


class _Counted:
    """Counts rows on their way into delta-rs, and keeps the error that stopped them.

    delta-rs turns an exception of its source into a text of its own.
    """

    def __init__(self, plan: Conformed, reader: pa.RecordBatchReader) -> None:
        self.rows = 0
        self.failure: ServerError | None = None
        self.reader = pa.RecordBatchReader.from_batches(plan.schema, self._batches(plan, reader))

    def _batches(self, plan: Conformed, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            for batch in plan.batches(reader):
                self.rows += batch.num_rows
                yield batch
        except ServerError as error:
            self.failure = error
            raise


def write(
    location: Path,
    reader: pa.RecordBatchReader,
    *,
    mode: WriteMode,
    keys: Sequence[str] = (),
    base_version: int | None,
    commit_info: Mapping[str, str],
) -> Written:
    """Commit the rows as a new Delta version on top of `base_version` (None: a new table).

    Append and merge add the columns that the table lacks; overwrite takes the new rows' schema.
    Merge replaces the rows whose keys match and adds the others. Raises InvalidInput for rows that
    cannot be stored, Conflict for a table changed meanwhile, LimitExceeded for a full disk; then
    nothing was committed, and files that were begun are removed by the next `recover`.
    """
    roll_back(location, base_version=base_version)
    location.mkdir(parents=True, exist_ok=True)
    target = Target(
        location=location,
        table=None if base_version is None else DeltaTable(str(location)),
        properties=CommitProperties(custom_metadata=dict(commit_info)),
    )
    plan = _plan(reader.schema, target.table, mode)
    source = _Counted(plan, reader)
    details: Mapping[str, int] = {}
    try:
        if mode is WriteMode.MERGE:
            details = _merge(target, source.reader, plan, keys)
        else:
            commit_rows(target, source.reader, mode)
    except (DeltaError, duckdb.Error, OSError, pa.ArrowException) as error:
        known = source.failure or _typed(error)
        if known is None:
            raise
        raise known from error
    return _written(target, rows=source.rows, details=details)


def _plan(incoming: pa.Schema, table: DeltaTable | None, mode: WriteMode) -> Conformed:
    if table is None or mode is WriteMode.OVERWRITE:
        return conform_new(incoming)
    if mode is WriteMode.CREATE:
        raise Conflict("The dataset exists already.", "Use mode 'append', 'overwrite' or 'merge'.")
    schema = pa.schema(table.schema().to_arrow())
    return conform_to(incoming, schema, fill_missing=mode is WriteMode.APPEND)


def _merge(
    target: Target, rows: pa.RecordBatchReader, plan: Conformed, keys: Sequence[str]
) -> Mapping[str, int]:
    existing = pa.schema([])
    files: list[Path] = []
    rows_before = 0
    if target.table is not None:
        existing = pa.schema(target.table.schema().to_arrow())
        adds = target.table.get_add_actions()
        files = [log.local_file(target.location, each) for each in adds.column("path").to_pylist()]
        rows_before = _total(adds, "num_records")
    added = plan.schema.names if target.table is None else plan.added
    schema = pa.schema([*existing, *(plan.schema.field(each) for each in added)])
    resolved = resolve_keys(keys, plan.schema.names, existing.names or schema.names)
    with merged(target.location, rows, keys=resolved, table=schema, files=files) as result:
        commit_rows(target, result.rows, result.mode)
    table = target.table or DeltaTable(str(target.location))
    return {
        "rows_inserted": _total(table.get_add_actions(), "num_records") - rows_before,
        "rows_updated": result.rows_updated,
    }


def _total(adds: Any, column: str) -> int:  # noqa: ANN401 (an arro3 table)
    return sum(adds.column(column).to_pylist())


def _typed(error: Exception) -> ServerError | None:
    """Name what a caller can do something about; all else is a bug, and stays one."""
    if isinstance(error, CommitFailedError):
        return Conflict("Another writer changed the dataset meanwhile.", "Call again.")
    if re.search(r"no space left|quota exceeded|os error (28|122)\b", str(error), re.IGNORECASE):
        return LimitExceeded(
            "The disk with the data directory is full.",
            "Free some space, then call again; nothing of the dataset was changed.",
        )
    return None


def _written(target: Target, *, rows: int, details: Mapping[str, int]) -> Written:
    # A handle that has written stands at its own commit.
    table = target.table or DeltaTable(str(target.location))
    version = table.version()
    added_bytes = make_durable(target.location, version)
    adds = table.get_add_actions()
    return Written(
        version=version,
        committed_at=log.commit(target.location, version).committed_at,
        rows_written=rows,
        row_count=_total(adds, "num_records"),
        size_bytes=_total(adds, "size_bytes"),
        added_bytes=added_bytes,
        columns=columns_of(table),
        details=details or {"rows_inserted": rows},
    )
