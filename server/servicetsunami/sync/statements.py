"""The SQL that carries a version of a dataset into its table on Databricks.

Every statement may be repeated: COPY INTO skips a file by its path, CREATE OR REPLACE and MERGE end
in the same rows however often they run (see docs/explanation/how-sync-works.md).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from servicetsunami.domain.dataset import Column
from servicetsunami.domain.index_there import MODEL_PROPERTY
from servicetsunami.domain.remote import TableAddress, backticked

OWNER_PROPERTY: Final = "servicetsunami.dataset"
"""The table property that tells our tables, and which dataset they belong to."""

CHANGE_FEED: Final = "delta.enableChangeDataFeed"
"""The table property without which no index can follow a table; CREATE OR REPLACE forgets it."""


def literal(text: str) -> str:
    """Write a text for Databricks SQL, in which a backslash escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def copy_into(table: TableAddress, folder: str, files: Sequence[str]) -> str:
    """Append files of a volume's folder, each once, with whatever columns they add."""
    names = ", ".join(map(literal, files))
    return (
        f"COPY INTO {table.sql} FROM {literal(folder + '/')} FILEFORMAT = PARQUET "
        f"FILES = ({names}) FORMAT_OPTIONS ('mergeSchema' = 'true') "
        "COPY_OPTIONS ('mergeSchema' = 'true', 'force' = 'false')"
    )


def replace_table(
    table: TableAddress, folder: str, columns: Sequence[Column], *, dataset_id: str
) -> str:
    """Make the table hold the rows of a folder's files, and nothing else."""
    return (
        f"CREATE OR REPLACE TABLE {table.sql} "
        f"TBLPROPERTIES ({literal(OWNER_PROPERTY)} = {literal(dataset_id)}) "
        f"AS SELECT {_names(columns)} FROM {_read(folder, columns)}"
    )


def merge_into(
    table: TableAddress, folder: str, columns: Sequence[Column], *, keys: Sequence[str]
) -> str:
    """Replace the rows whose keys are among the files' rows, and add the others."""
    on = " AND ".join(f"t.{backticked(key)} = s.{backticked(key)}" for key in keys)
    return (
        f"MERGE WITH SCHEMA EVOLUTION INTO {table.sql} AS t "
        f"USING (SELECT {_names(columns)} FROM {_read(folder, columns)}) AS s ON {on} "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )


def feed_changes(table: TableAddress, *, model: str) -> str:
    """Have the table keep what changes from now on, and say which model made its vectors."""
    return (
        f"ALTER TABLE {table.sql} SET TBLPROPERTIES ({literal(CHANGE_FEED)} = 'true', "
        f"{literal(MODEL_PROPERTY)} = {literal(model)})"
    )


def count_rows(table: TableAddress) -> str:
    """Count the rows, to compare with ours."""
    return f"SELECT count(*) AS row_count FROM {table.sql}"


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(backticked(column.name) for column in columns)


def _read(folder: str, columns: Sequence[Column]) -> str:
    # The types are spelt out, so that nothing is guessed and a file may lack a later column.
    schema = ", ".join(f"{backticked(column.name)} {column.type}" for column in columns)
    return f"read_files({literal(folder)}, format => 'parquet', schema => {literal(schema)})"


def differing(ours: Sequence[Column], theirs: Sequence[Column]) -> str | None:
    """Name the first column that is not the same on both sides; None when all are."""
    mine = {column.name.lower(): _normal(column.type) for column in ours}
    other = {column.name.lower(): _normal(column.type) for column in theirs}
    for name in (*mine, *other):
        if mine.get(name) != other.get(name):
            return f"{name} ({mine.get(name, 'missing')} here, {other.get(name, 'missing')} there)"
    return None


_SYNONYMS: Final[Mapping[str, str]] = {"long": "bigint", "integer": "int", "short": "smallint"}


def _normal(kind: str) -> str:
    lowered = "".join(kind.lower().split())
    return _SYNONYMS.get(lowered, lowered)
