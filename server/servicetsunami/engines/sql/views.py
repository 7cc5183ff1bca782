"""Makes one DuckDB view out of the Parquet files of a table's version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servicetsunami.domain.dataset import Snapshot
from servicetsunami.engines.sql.types import duckdb_type

if TYPE_CHECKING:
    import duckdb

_FOOTERS_MAX = 100_000
_DELETED = "servicetsunami_deleted_rows"


@dataclass(frozen=True, slots=True)
class _Group:
    """Files that one read_parquet can read: of one shape, or one with deleted rows."""

    files: tuple[str, ...]
    deleted: int | None = None
    """The number under which the deleted rows of the one file are kept."""


class ViewMaker:
    """Creates views, and remembers the shapes of files: a Parquet file of a table never changes."""

    def __init__(self) -> None:
        self._shapes: dict[str, int] = {}

    def create(
        self, connection: "duckdb.DuckDBPyConnection", name: str, snapshot: Snapshot
    ) -> None:
        """Create the view `name` with the snapshot's columns, in order and of their types.

        The files must be readable by the connection. Raises duckdb.IOException when one is gone.
        """
        parts = [
            self._select(connection, group, snapshot)
            for group in self._groups(connection, snapshot)
        ]
        body = " UNION ALL ".join(parts) or _empty(snapshot)
        connection.execute(f"CREATE VIEW {quoted(name)} AS {body}")

    def _groups(
        self, connection: "duckdb.DuckDBPyConnection", snapshot: Snapshot
    ) -> Iterator[_Group]:
        self._learn_shapes(connection, [f for f in snapshot.files if f not in self._shapes])
        deletions = {vector.file: vector.rows for vector in snapshot.deletion_vectors}
        whole: dict[int, list[str]] = {}
        for file in snapshot.files:
            if file in deletions:
                number = _keep_deleted(connection, deletions[file])
                yield _Group(files=(file,), deleted=number)
            else:
                whole.setdefault(self._shapes[file], []).append(file)
        yield from (_Group(files=tuple(files)) for files in whole.values())

    def _learn_shapes(self, connection: "duckdb.DuckDBPyConnection", files: Sequence[str]) -> None:
        if not files:
            return
        if len(self._shapes) > _FOOTERS_MAX:
            self._shapes.clear()
        shape = (
            "hash(list((name, duckdb_type, type, num_children, logical_type) ORDER BY column_id))"
        )
        rows = connection.execute(
            f"SELECT file_name, {shape} FROM parquet_schema({_listed(files)}) GROUP BY file_name"
        ).fetchall()
        self._shapes.update(rows)

    def _select(
        self, connection: "duckdb.DuckDBPyConnection", group: _Group, snapshot: Snapshot
    ) -> str:
        source = _scan(group, snapshot)
        # Every text in these statements went through quoted() or text_literal().
        found = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        there = {str(row[0]).lower() for row in found}
        columns = ", ".join(
            f"CAST({quoted(column.name) if column.name.lower() in there else 'NULL'}"
            f" AS {duckdb_type(column.type)}) AS {quoted(column.name)}"
            for column in snapshot.columns
        )
        return f"SELECT {columns} FROM {source}{_without_deleted(group)}"


def quoted(name: str) -> str:
    """Write a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Write a DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


def _listed(files: Sequence[str]) -> str:
    return f"[{', '.join(map(text_literal, files))}]"


def _scan(group: _Group, snapshot: Snapshot) -> str:
    # Without partitions, a directory that happens to be called `a=b` must not become a column.
    options = {"hive_partitioning": "false"}
    if snapshot.partition_columns:
        options = {"hive_partitioning": "true", "hive_types": _hive_types(snapshot)}
    if group.deleted is not None:
        options["file_row_number"] = "true"
    return f"read_parquet({_listed(group.files)}, {_assigned(options)})"


def _without_deleted(group: _Group) -> str:
    if group.deleted is None:
        return ""
    rows = f"(SELECT row FROM {_DELETED} WHERE file = {group.deleted})"
    return f" AS f ANTI JOIN {rows} AS d ON f.file_row_number = d.row"


def _hive_types(snapshot: Snapshot) -> str:
    partitions = {name.lower() for name in snapshot.partition_columns}
    types = (
        f"{quoted(column.name)}: {text_literal(duckdb_type(column.type))}"
        for column in snapshot.columns
        if column.name.lower() in partitions
    )
    return f"{{{', '.join(types)}}}"


def _assigned(options: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


def _empty(snapshot: Snapshot) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {duckdb_type(column.type)}) AS {quoted(column.name)}"
        for column in snapshot.columns
    )
    return f"SELECT {columns} WHERE false"


def _keep_deleted(connection: "duckdb.DuckDBPyConnection", rows: Sequence[int]) -> int:
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_DELETED} (file INTEGER, row BIGINT)")
    [number] = connection.execute(
        f"SELECT coalesce(max(file), 0) + 1 FROM {_DELETED}"
    ).fetchone() or (1,)
    connection.execute(
        f"INSERT INTO {_DELETED} SELECT ?, unnest(CAST(? AS BIGINT[]))",
        [number, list(rows)],
    )
    return int(number)
