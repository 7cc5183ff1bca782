"""SELECT, through the product's own gate and translator, over the fake's tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from servicetsunami.domain.dataset import Column
from servicetsunami.engines.sql import dialect, gate
from servicetsunami.engines.sql.failures import duckdb_error
from servicetsunami.errors import ServerError
from tests.fakes.databricks.sql import tables
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.state import Columns, State, TableVersion

BATCH_ROWS = 50_000


@dataclass
class Spilled:
    """A result on disk: an Arrow file each of whose batches is one chunk."""

    path: Path
    columns: Columns
    counts: list[int]
    is_truncated: bool = False

    @property
    def row_count(self) -> int:
        return sum(self.counts)

    def batch(self, index: int) -> pa.RecordBatch:
        with pa.memory_map(str(self.path)) as source:
            return pa.ipc.open_file(source).get_batch(index)


@dataclass
class Compiled:
    """A query as DuckDB runs it, on a connection that has its views."""

    db: duckdb.DuckDBPyConnection
    sql: str
    columns: Columns


def compile_select(state: State, sql: str, catalog: str, parameters: Mapping[str, Any]) -> Compiled:
    try:
        statement = gate.admit(sql, catalog=catalog, others=("*",))
        versions = {each.view: _version(state, each, catalog) for each in statement.tables}
        columns = {
            name: [Column(name=column, type=kind) for column, kind in version.columns]
            for name, version in versions.items()
        }
        found = dialect.translate(statement, columns=columns, parameters=parameters)
    except ServerError as error:
        raise SqlError("PARSE_SYNTAX_ERROR", error.what) from error
    db = tables.connection()
    for name, version in versions.items():
        tables.view(db, name, version)
    pairs = list(zip(found.column_names, found.column_types, strict=True))
    return Compiled(db, found.sql, pairs)


def _version(state: State, ref: gate.TableRef, catalog: str) -> TableVersion:
    table = tables.find(state, f"{ref.catalog or catalog.lower()}.{ref.name}")
    timestamp = None if ref.timestamp is None else str(ref.timestamp)
    return tables.at_version(table, ref.version, timestamp)


def spill(compiled: Compiled, path: Path, *, chunk_rows: int, row_limit: int | None) -> Spilled:
    """Run the query, and keep its result chunk by chunk."""
    try:
        with compiled.db.sql(compiled.sql).to_arrow_reader(BATCH_ROWS) as reader:
            return _kept(reader, compiled.columns, path, chunk_rows, row_limit)
    except (duckdb.Error, OSError) as error:
        message = str(duckdb_error(error)).splitlines()[0]
        raise SqlError("RUNTIME_ERROR", message) from error
    finally:
        compiled.db.close()


def spill_table(table: pa.Table, columns: Columns, path: Path) -> Spilled:
    """Keep a small result that no query made."""
    return _kept(table.to_reader(), columns, path, BATCH_ROWS, None)


def _kept(
    reader: pa.RecordBatchReader,
    columns: Columns,
    path: Path,
    chunk_rows: int,
    row_limit: int | None,
) -> Spilled:
    counts: list[int] = []
    is_truncated = False
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
        for piece in _pieces(reader, chunk_rows):
            rest = piece.num_rows if row_limit is None else row_limit - sum(counts)
            is_truncated = rest < piece.num_rows
            kept = piece.slice(0, rest)
            if kept.num_rows:
                writer.write_batch(kept)
                counts.append(kept.num_rows)
            if is_truncated:
                break
    return Spilled(path, columns, counts, is_truncated)


def _pieces(reader: pa.RecordBatchReader, chunk_rows: int) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        for at in range(0, batch.num_rows, chunk_rows):
            yield batch.slice(at, chunk_rows)
