"""Rows that go into tables, and what readers find there."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from servicetsunami.domain.dataset import Snapshot, WriteMode
from servicetsunami.stores.tables.snapshot import TableReader
from servicetsunami.stores.tables.write import Written, write


def put(
    location: Path,
    rows: pa.Table,
    *,
    base: Written | int | None = None,
    mode: WriteMode | None = None,
    keys: Sequence[str] = (),
) -> Written:
    """Write as a child process would; the mode is create or append unless it is given."""
    return write(
        location,
        rows.to_reader(),
        mode=mode or (WriteMode.CREATE if base is None else WriteMode.APPEND),
        keys=keys,
        base_version=base.version if isinstance(base, Written) else base,
        commit_info={"subject": "ann"},
    )


def snapshot(location: Path, version: Written | int) -> Snapshot:
    number = version.version if isinstance(version, Written) else version
    return TableReader().snapshot(location, version=number)


def values(location: Path, version: Written | int, column: str = "id") -> list[object]:
    """One column of a version, sorted, NULLs first; read from the snapshot's files alone."""
    found: list[object] = []
    for file in snapshot(location, version).files:
        table = pq.ParquetFile(file).read()
        if column in table.column_names:
            found += table.column(column).to_pylist()
        else:
            found += [None] * table.num_rows
    return sorted(found, key=lambda value: (value is not None, value))


def types(written: Written) -> dict[str, str]:
    return {each.name: each.type for each in written.columns}
