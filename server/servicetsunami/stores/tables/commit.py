"""Hands rows to delta-rs as one commit, and puts that commit on the disk itself.

Imports deltalake: for the processes that write, not for the server.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake

from servicetsunami.domain.dataset import WriteMode
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.statistics import INDEXED_COLUMNS_MAX

if TYPE_CHECKING:
    import pyarrow as pa

_FILE_BYTES = 128 * 1024 * 1024
_ROW_GROUP_ROWS = 1024 * 1024
"""Each row group builds its dictionaries anew: smaller ones cost an ingest up to a fifth."""
_CONFIGURATION = {"delta.dataSkippingNumIndexedCols": str(INDEXED_COLUMNS_MAX)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is written to: `table` is None while it does not exist yet."""

    location: Path
    table: DeltaTable | None
    properties: CommitProperties


def commit_rows(target: Target, rows: "pa.RecordBatchReader", mode: WriteMode) -> None:
    """Create the table, append to it or replace it and its schema, in one commit."""
    writer = WriterProperties(max_row_group_size=_ROW_GROUP_ROWS, compression="SNAPPY")
    if target.table is not None and mode is WriteMode.OVERWRITE:
        write_deltalake(
            target.table,
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            target_file_size=_FILE_BYTES,
            writer_properties=writer,
            commit_properties=target.properties,
        )
        return
    is_new = target.table is None
    write_deltalake(
        str(target.location) if target.table is None else target.table,
        rows,
        mode="error" if is_new else "append",
        schema_mode=None if is_new else "merge",
        configuration=_CONFIGURATION if is_new else None,
        target_file_size=_FILE_BYTES,
        writer_properties=writer,
        commit_properties=target.properties,
    )


def make_durable(location: Path, version: int) -> int:
    """Make the commit survive a power failure, as what is acknowledged must.

    Data files become read-only on the way: nothing ever writes to one again. Returns the bytes
    that the commit has added, in data files.
    """
    added = [
        log.local_file(location, action["add"]["path"])
        for action in log.actions(location, version)
        if "add" in action
    ]
    for file in added:
        file.chmod(0o444)
    directories = {each.parent for each in added} | {location, location.parent}
    _sync((*added, log.commit_file(location, version), log.log_dir(location), *directories))
    return sum(file.stat().st_size for file in added)


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
