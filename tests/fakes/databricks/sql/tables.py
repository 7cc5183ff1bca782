"""Tables as DuckDB sees them: views over the files of a version, and files written from queries."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Lock
from uuid import uuid4

import duckdb

from servicetsunami.domain.dataset import Column, Snapshot
from servicetsunami.engines.sql import dialect
from servicetsunami.engines.sql.dialect.macros import macro_names, macros
from servicetsunami.engines.sql.types import databricks_type, duckdb_type, parse_type
from servicetsunami.engines.sql.views import ViewMaker, quoted, text_literal
from tests.fakes.databricks.sql.failures import SqlError, not_found
from tests.fakes.databricks.state import Columns, FakeTable, State, TableVersion, split

_SHARING = Lock()


@cache
def _shared() -> duckdb.DuckDBPyConnection:
    """The database that has the macros: to make them takes 0.2 s, too long for each statement."""
    made = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "800MB"})
    for statement in macros(" ".join(macro_names())).values():
        made.execute(statement.replace(" TEMP ", " ", 1))
    return made


def connection() -> duckdb.DuckDBPyConnection:
    """A connection to a database of its own, that knows the macros."""
    name = f"own_{uuid4().hex}"
    with _SHARING:
        made = _shared().cursor()
    made.execute(f"ATTACH ':memory:' AS {name}")
    made.execute(f"SET search_path = '{name}.main,memory.main'")
    made.execute("SET enable_progress_bar = false")
    for statement in dialect.session_settings():
        made.execute(statement)
    return made


def find(state: State, name: str) -> FakeTable:
    found = state.tables().get(name)
    if found is None:
        raise not_found(name)
    return found


def at_version(table: FakeTable, version: int | None, timestamp: str | None) -> TableVersion:
    if version is not None:
        if version >= len(table.versions):
            raise SqlError("DELTA_VERSION_NOT_FOUND", f"There is no version {version}.")
        return table.versions[version]
    if timestamp is not None:
        moment = datetime.fromisoformat(timestamp)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        known = [each for each in table.versions if each.at <= moment.timestamp()]
        if not known:
            raise SqlError("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION", "Too early.")
        return known[-1]
    return table.versions[-1]


def snapshot(version: TableVersion) -> Snapshot:
    return Snapshot(
        version=0,
        created_at=datetime.now(UTC),
        columns=tuple(Column(name=name, type=kind) for name, kind in version.columns),
        files=tuple(map(str, version.files)),
        row_count=0,
        size_bytes=0,
    )


def view(db: duckdb.DuckDBPyConnection, name: str, version: TableVersion) -> None:
    ViewMaker().create(db, name, snapshot(version))


def new_file(state: State) -> Path:
    return state.folder / "data" / f"{uuid4().hex}.parquet"


def write(state: State, db: duckdb.DuckDBPyConnection, query: str) -> list[Path]:
    """The rows of a DuckDB query as a Parquet file of the workspace; none for no rows."""
    path = new_file(state)
    db.execute(f"COPY ({query}) TO {text_literal(str(path))} (FORMAT parquet)")
    [[count]] = db.execute(
        f"SELECT count(*) FROM read_parquet({text_literal(str(path))})"
    ).fetchall()
    return [path] if count else []


def columns_of(db: duckdb.DuckDBPyConnection, source: str) -> Columns:
    found = db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return [(str(row[0]), databricks_type(str(row[1]))) for row in found]


def parquet_below(state: State, path: str) -> list[Path]:
    """The Parquet files that a path of a volume means; none is an error, as it is there."""
    target = state.volume_path(path)
    files = [target] if target.is_file() else sorted(target.rglob("*.parquet"))
    if not files:
        raise SqlError("PATH_NOT_FOUND", f"Path does not exist: {path}.", code="NOT_FOUND")
    return files


def listed(files: Sequence[Path]) -> str:
    return "[" + ", ".join(text_literal(str(each)) for each in files) + "]"


def read_files(
    state: State, db: duckdb.DuckDBPyConnection, path: str, schema: str | None, name: str
) -> Columns:
    """Make the view `name` of what read_files would give."""
    source = f"read_parquet({listed(parquet_below(state, path))}, union_by_name=true)"
    there = columns_of(db, source)
    columns = there if schema is None else schema_columns(schema)
    known = {column.lower() for column, _ in there}
    items = ", ".join(
        f"CAST({quoted(column) if column.lower() in known else 'NULL'} AS {duckdb_type(kind)}) "
        f"AS {quoted(column)}"
        for column, kind in columns
    )
    db.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS SELECT {items} FROM {source}")
    return columns


def schema_columns(ddl: str) -> Columns:
    """Read `a BIGINT, `b c` STRING`: a struct's fields, written with spaces."""
    kind = parse_type(f"struct<{ddl}>")
    return [(name, str(part)) for name, part in zip(kind.names, kind.parts, strict=True)]


def schema_of(state: State, full_name: str) -> dict[str, FakeTable]:
    catalog, schema, _ = split(full_name, 3)
    found = state.catalogs.get(catalog)
    if found is None:
        raise SqlError(
            "NO_SUCH_CATALOG_EXCEPTION", f"Catalog '{catalog}' was not found.", code="NOT_FOUND"
        )
    if schema not in found.schemas:
        raise SqlError(
            "SCHEMA_NOT_FOUND", f"The schema `{schema}` cannot be found.", code="NOT_FOUND"
        )
    return found.schemas[schema].tables


def commit(
    state: State, table: FakeTable, columns: Columns, files: list[Path], operation: str
) -> None:
    table.versions.append(TableVersion(columns, files, operation, state.clock()))
