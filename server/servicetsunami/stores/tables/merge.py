"""Replaces the rows of a table whose keys match, and adds the others.

Imports pyarrow and duckdb: for the processes that write, not for the server.
"""

import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from servicetsunami.domain.dataset import WriteMode
from servicetsunami.errors import InvalidInput
from servicetsunami.stores.tables.conform import conform_to
from servicetsunami.stores.tables.location import spool_dir

_SHOWN_MAX = 3
_MEMORY_BYTES = 256 * 1024 * 1024
_BATCH_ROWS = 16_384


def resolve_keys(keys: Sequence[str], incoming: Sequence[str], table: Sequence[str]) -> list[str]:
    """The keys under the names of the columns they mean.

    Raises InvalidInput when there is none, or for one that is not on both sides.
    """
    if not keys:
        raise InvalidInput("Mode 'merge' needs key columns.", "Name them in `keys`.")
    found: list[str] = []
    for side, names in (("the new rows", incoming), ("the dataset", table)):
        by_name = {each.lower(): each for each in names}
        missing = [each for each in keys if each.lower() not in by_name]
        if missing:
            raise InvalidInput(
                f"The key {missing[0]!r} is not a column of {side}.",
                f"Its columns are {', '.join(names)}.",
            )
        found = [by_name[each.lower()] for each in keys]
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge comes to: the rows to commit, and how."""

    rows: pa.RecordBatchReader
    rows_updated: int

    @property
    def mode(self) -> WriteMode:
        """Without any known key, the new rows are simply added."""
        return WriteMode.OVERWRITE if self.rows_updated else WriteMode.APPEND


@contextmanager
def merged(
    location: Path,
    incoming: pa.RecordBatchReader,
    *,
    keys: Sequence[str],
    table: pa.Schema,
    files: Sequence[Path],
) -> Generator[Merged]:
    """Join the incoming rows with those of the table's files, in flat memory.

    A column that the incoming rows lack keeps its value where a row is updated, and is NULL in a
    new row. `table` has the columns that the table will have. The incoming rows wait in a file
    while they are checked; raises InvalidInput, with examples, when one has no key or the key of
    another: Databricks refuses that too, rather than choose one of them.

    DuckDB joins, because it spills to disk: the merge of delta-rs keeps the table in memory.
    """
    spool = spool_dir(location)
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    source = spool / "rows.parquet"
    try:
        with pq.ParquetWriter(source, incoming.schema) as writer:
            for batch in incoming:
                writer.write_batch(batch)
        with duckdb.connect(config=_configuration(spool)) as connection:
            # The bar is drawn on standard output, where a server may be speaking its protocol.
            connection.execute("SET enable_progress_bar = false")
            _name_rows(connection, source, files)
            _check_keys(connection, keys)
            updated = _count_matches(connection, keys) if files else 0
            statement = _join(connection, table.names, keys) if updated else "FROM s"
            found = connection.sql(statement).to_arrow_reader(_BATCH_ROWS)
            plan = conform_to(found.schema, table, fill_missing=True)
            rows = pa.RecordBatchReader.from_batches(table, plan.batches(found))
            yield Merged(rows, updated)
    finally:
        shutil.rmtree(spool, ignore_errors=True)


def _configuration(spool: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": f"{_MEMORY_BYTES}B",
        "threads": "2",
        "temp_directory": str(spool / "spilled"),
        "preserve_insertion_order": "false",
    }


def _name_rows(connection: duckdb.DuckDBPyConnection, source: Path, files: Sequence[Path]) -> None:
    connection.read_parquet(str(source)).create_view("s")
    if files:
        # A file that is older than a column lacks it: columns meet by name.
        rows = connection.read_parquet([str(each) for each in files], union_by_name=True)
        rows.create_view("t")


def _check_keys(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> None:
    rows = connection.view("s")
    empty = rows.filter(" OR ".join(f"{_quoted(each)} IS NULL" for each in keys))
    without = empty.count("*").fetchall()[0][0]
    if without:
        raise InvalidInput(
            f"{without} of the new rows have no value in a key column ({', '.join(keys)}).",
            "Give every row a key, or use mode 'append'.",
        )
    names = ", ".join(map(_quoted, keys))
    counted = rows.aggregate(f"{names}, count(*) AS n", names)
    texts = ", ".join(f"CAST({_quoted(each)} AS VARCHAR)" for each in keys)
    repeated = counted.filter("n > 1").limit(_SHOWN_MAX).project(f"{texts}, n").fetchall()
    if repeated:
        shown = "; ".join(_example(keys, each) for each in repeated)
        raise InvalidInput(
            f"Several of the new rows have the same key: {shown}.",
            "Keep one row for each key, or name more key columns.",
        )


def _example(keys: Sequence[str], values: Sequence[object]) -> str:
    pairs = ", ".join(f"{key}={value}" for key, value in zip(keys, values, strict=False))
    return f"{pairs} ({values[-1]} times)"


def _count_matches(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> int:
    joined = connection.view("t").join(connection.view("s"), _same_key(keys), how="semi")
    return joined.count("*").fetchall()[0][0]


def _join(connection: duckdb.DuckDBPyConnection, names: Sequence[str], keys: Sequence[str]) -> str:
    new, old = connection.view("s").columns, connection.view("t").columns
    present = [each for each in names if each in new or each in old]
    added = (_value("s", each, new) for each in present)
    updated = (
        # No key of s is NULL, so a NULL means that this row of t has no partner there.
        f"CASE WHEN s.{_quoted(keys[0])} IS NULL THEN {_value('t', each, old)} "
        f"ELSE s.{_quoted(each)} END AS {_quoted(each)}"
        if each in new
        else _value("t", each, old)
        for each in present
    )
    return f"""
        SELECT {", ".join(updated)} FROM t LEFT JOIN s ON {_same_key(keys)}
        UNION ALL
        SELECT {", ".join(added)} FROM s ANTI JOIN t ON {_same_key(keys)}
    """  # noqa: S608 (every name is quoted)


def _value(side: str, column: str, there: Sequence[str]) -> str:
    return f"{side}.{_quoted(column)}" if column in there else "NULL"


def _same_key(keys: Sequence[str]) -> str:
    return " AND ".join(f"t.{_quoted(each)} = s.{_quoted(each)}" for each in keys)


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
