"""Finds, by DuckDB, what a merge changed, and writes the files that only Databricks needs.

Imports duckdb: for children only.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from servicetsunami.domain.dataset import Snapshot
from servicetsunami.engines.sql.views import ViewMaker, quoted, text_literal


def database(*, temp_dir: Path, memory_limit_mb: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A database of its own, which spills below `temp_dir`."""
    connection = duckdb.connect(
        config={
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": str(threads),
            "temp_directory": str(temp_dir),
            "preserve_insertion_order": "false",
        }
    )
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def write_changed(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    after: Snapshot,
    added: Sequence[str],
    removed: Sequence[str],
    keys: Sequence[str],
) -> bool:
    """Write the rows of the added files that are not in the removed ones.

    False, and the file is of no use, where a merge of them on the keys would not end in the version
    `after`: a key is NULL or names several rows. Also when they are most of it.
    """
    views = ViewMaker()
    views.create(connection, "added", _part(after, added))
    views.create(connection, "removed", _part(after, removed))
    views.create(connection, "whole", after)
    target, names = text_literal(str(path)), ", ".join(map(quoted, keys))
    connection.execute(
        f"COPY (SELECT * FROM added EXCEPT ALL SELECT * FROM removed) TO {target} (FORMAT parquet)"
    )
    [[count]] = connection.execute(f"SELECT count(*) FROM read_parquet({target})").fetchall()
    if not count or 2 * count > after.row_count:
        return False
    empty = " OR ".join(f"{quoted(key)} IS NULL" for key in keys)
    [[ambiguous]] = connection.execute(
        f"SELECT count(*) FROM (SELECT {names} FROM whole GROUP BY {names} "
        f"HAVING count(*) > 1 OR bool_or({empty}))"
    ).fetchall()
    return not ambiguous


def write_empty(connection: duckdb.DuckDBPyConnection, path: Path, *, table: Snapshot) -> None:
    """Write a file of the table's columns without rows."""
    ViewMaker().create(connection, "empty", _part(table, ()))
    connection.execute(f"COPY (SELECT * FROM empty) TO {text_literal(str(path))} (FORMAT parquet)")


def _part(snapshot: Snapshot, files: Sequence[str]) -> Snapshot:
    """Some of the files of a version, with its columns: older ones lack the later columns."""
    return replace(snapshot, files=tuple(files), deletion_vectors=())
