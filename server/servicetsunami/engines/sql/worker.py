"""The child process that parses, checks and runs SQL; `run` is its whole life."""

import errno
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from servicetsunami.domain.dataset import Column, DeletionVector, Snapshot
from servicetsunami.engines.sql import dialect, gate, results
from servicetsunami.engines.sql.connections import Connections
from servicetsunami.engines.sql.failures import duckdb_error
from servicetsunami.engines.sql.progress import ProgressTicker
from servicetsunami.engines.sql.results import PageRequest
from servicetsunami.engines.sql.scratch import Scratch
from servicetsunami.engines.sql.types import parse_type
from servicetsunami.engines.workers.channel import Channel
from servicetsunami.engines.workers.confinement import is_bloated
from servicetsunami.engines.workers.serving import Request, out_of_memory, serve
from servicetsunami.errors import LimitExceeded, NotFound, ServerError

_STATEMENTS_MAX = 64
_KEPT_SQL_MAX = 5_000
"""Characters of a statement that is kept parsed; the tree takes 100 times as much memory."""
_RESIDENT_MAX_BYTES = 300_000_000
_TRIVIAL_S = 0.02
"""A statement that was over so soon has not used much memory."""
_NO_ARROW = frozenset({"BIT", "BIGNUM", "TIME WITH TIME ZONE", "UHUGEINT", "VARIANT"})
"""Types that Arrow does not have, or that DuckDB gives it in a form only DuckDB can read."""


def run(channel: Channel, options: Mapping[str, Any]) -> None:
    """Serve the methods of SqlChild until the server closes the channel."""
    child = SqlChild(options)
    child.prepare()
    methods = {
        "begin": child.begin,
        "describe": child.describe,
        "run": child.run,
        "page": child.page,
        "remember": child.remember,
    }
    serve(channel, methods, when_idle=child.prepare)


class SqlChild:
    """What one child knows: its databases, and the statements it has admitted lately."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._result_bytes_max = int(options["result_bytes_max"])
        self._scratch = Scratch(Path(options["temp_dir"]))
        self._connections = Connections(
            memory_limit_mb=options["memory_limit_mb"],
            threads=options["threads"],
            temp_dir=self._scratch.path,
            spill_mb_max=options["spill_mb_max"],
            preparations=dialect.session_settings(),
        )
        self._ticker = ProgressTicker()
        self._confirmed: OrderedDict[str, None] = OrderedDict()
        self._statements: OrderedDict[tuple[str, ...], gate.Statement] = OrderedDict()

    def prepare(self) -> None:
        """Have a database ready before the next question comes."""
        self._connections.prepare()

    def begin(self, request: Request) -> dict[str, Any]:
        """Check the statement; one that reads no tables is also run, to save a round trip."""
        statement = self._admitted(request.arguments)
        runs = statement.kind is gate.StatementKind.SELECT and not statement.tables
        return {
            "admitted": _admission(statement),
            "result": self.run(request) if runs else None,
        }

    def describe(self, request: Request) -> dict[str, Any]:
        """Tell the columns that a query would have, without running it."""
        _, translation, _ = self._translated(request.arguments)
        return {"columns": _columns(translation)}

    def run(self, request: Request) -> dict[str, Any]:
        """Run the statement on the snapshots given, and keep its result."""
        asked = request.arguments
        started = time.perf_counter()
        statement, translation, snapshots = self._translated(asked)
        try:
            key = json.dumps([asked["tenant"], asked["snapshots"]], sort_keys=True)
            connection = self._connections.get(key, snapshots, dialect.macros(translation.sql))
            self._confirm(connection, translation.sql)
            with self._ticker.watch(connection, request):
                columns, spilled = self._executed(connection, translation, asked)
        except (duckdb.Error, OSError) as error:
            raise _explained(error, statement, snapshots, request) from None
        elapsed_s = time.perf_counter() - started
        if elapsed_s > _TRIVIAL_S:
            request.recycle = is_bloated(resident_max_bytes=_RESIDENT_MAX_BYTES)
        return {
            "columns": columns,
            "row_count": spilled.row_count,
            "limit": spilled.limit,
            "on_disk": spilled.on_disk,
            "page": spilled.page,
            "elapsed_s": elapsed_s,
        }

    def remember(self, request: Request) -> dict[str, Any]:
        """Keep rows that were computed on Databricks, as `run` keeps those computed here."""
        from servicetsunami.engines.sql import remote_rows  # noqa: PLC0415 - seldom needed

        asked = request.arguments
        types = [parse_type(kind) for _, kind in asked["columns"]]
        names = [name for name, _ in asked["columns"]]
        columns = [
            {"name": name, "type": str(kind), "key": key}
            for name, kind, key in zip(names, types, dialect.unique(names), strict=True)
        ]
        try:
            spilled = results.keep(
                remote_rows.batches(Path(asked["rows_file"]), names, types),
                columns,
                Path(asked["result_path"]),
                rows_max=asked["rows_max"],
                bytes_max=self._result_bytes_max,
                request=PageRequest(**asked["page"]),
            )
        except OSError as error:
            raise _explained_disk(error) from error
        return {
            "columns": columns,
            "row_count": spilled.row_count,
            "limit": spilled.limit,
            "on_disk": spilled.on_disk,
            "page": spilled.page,
            "elapsed_s": 0.0,
        }

    def page(self, request: Request) -> dict[str, Any]:
        """Read one page of a result that is kept on disk."""
        asked = request.arguments
        return results.read_page(Path(asked["path"]), PageRequest(**asked["page"]))

    def _admitted(self, asked: Mapping[str, Any]) -> gate.Statement:
        sql, catalog, others = asked["sql"], asked["catalog"], asked["other_catalogs"]
        key = (sql, catalog, *others)
        statement = self._statements.pop(key, None)
        statement = statement or gate.admit(sql, catalog=catalog, others=others)
        if len(sql) > _KEPT_SQL_MAX:
            return statement
        self._statements[key] = statement
        if len(self._statements) > _STATEMENTS_MAX:
            self._statements.popitem(last=False)
        return statement

    def _confirm(self, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Have the engine's parser confirm the generated SQL, once for the same text."""
        if sql not in self._confirmed:
            dialect.confirm(connection, sql)
            if len(sql) <= _KEPT_SQL_MAX:
                self._confirmed[sql] = None
            if len(self._confirmed) > _STATEMENTS_MAX:
                self._confirmed.popitem(last=False)

    def _translated(
        self, asked: Mapping[str, Any]
    ) -> tuple[gate.Statement, dialect.Translation, dict[str, Snapshot]]:
        statement = self._admitted(asked)
        snapshots = {view: _snapshot(data) for view, data in asked["snapshots"].items()}
        columns = {view: snapshot.columns for view, snapshot in snapshots.items()}
        parameters = asked["parameters"]
        translation = dialect.translate(statement, columns=columns, parameters=parameters)
        return statement, translation, snapshots

    def _executed(
        self,
        connection: duckdb.DuckDBPyConnection,
        translation: dialect.Translation,
        asked: Mapping[str, Any],
    ) -> tuple[list[dict[str, str]], results.Spilled]:
        relation = connection.sql(translation.sql)
        types = list(map(str, relation.types))
        if not _NO_ARROW.isdisjoint(types):
            relation = relation.project(", ".join(map(_as_text, range(len(types)), types)))
        columns = _columns(translation)
        # Closed also when a limit cuts it, or the rest would be computed for nobody.
        with relation.to_arrow_reader(results.BATCH_ROWS) as reader:
            spilled = results.keep(
                reader,
                columns,
                Path(asked["result_path"]),
                rows_max=asked["rows_max"],
                bytes_max=self._result_bytes_max,
                request=PageRequest(**asked["page"]),
            )
        return columns, spilled


def _admission(statement: gate.Statement) -> dict[str, Any]:
    return {
        "kind": str(statement.kind),
        "tables": [
            {
                "name": str(table.name),
                "version": table.version,
                "timestamp": None if table.timestamp is None else str(table.timestamp),
                "view": table.view,
                "catalog": table.catalog,
            }
            for table in statement.tables
        ],
        "parameters": list(statement.parameters),
        "schema": statement.schema,
        "pattern": statement.pattern,
    }


def _columns(translation: dialect.Translation) -> list[dict[str, str]]:
    # Names may repeat; `key` tells such columns apart where a row is an object.
    return [
        {"name": name, "type": kind, "key": key}
        for name, kind, key in zip(
            translation.column_names,
            translation.column_types,
            translation.result_names,
            strict=True,
        )
    ]


def _as_text(position: int, kind: str) -> str:
    column = f"#{position + 1}"
    return f"CAST({column} AS VARCHAR)" if kind in _NO_ARROW else column


def _snapshot(data: Mapping[str, Any]) -> Snapshot:
    # Only what a reader needs crosses the channel; see engine._described.
    return Snapshot(
        version=data["version"],
        created_at=datetime.min,
        columns=tuple(Column(name=name, type=kind) for name, kind in data["columns"]),
        files=tuple(data["files"]),
        row_count=0,
        size_bytes=0,
        partition_columns=tuple(data["partition_columns"]),
        deletion_vectors=tuple(
            DeletionVector(file=file, rows=tuple(rows)) for file, rows in data["deletion_vectors"]
        ),
    )


def _explained_disk(error: OSError) -> ServerError:
    if error.errno != errno.ENOSPC:
        raise error
    return LimitExceeded(
        "There is no space left on the disk for the result.",
        "Free some space, or ask for fewer rows or columns.",
    )


def _explained(
    error: Exception,
    statement: gate.Statement,
    snapshots: Mapping[str, Snapshot],
    request: Request,
) -> ServerError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return _explained_disk(error)
    found = duckdb_error(error)
    # Each of them leaves a process behind that nobody should rely on.
    request.recycle = isinstance(
        found, duckdb.OutOfMemoryException | duckdb.FatalException | duckdb.InternalException
    )
    if isinstance(found, duckdb.OutOfMemoryException):
        return out_of_memory()
    # DuckDB names a missing file in several ways, one of which is a lack of permission.
    files = (Path(file) for snapshot in snapshots.values() for file in snapshot.files)
    if not all(file.exists() for file in files):
        return NotFound(
            "Files of this version of the table are no longer on disk.",
            "Ask for a newer version: describe_asset lists those that are left.",
        )
    return dialect.explain_failure(found, statement)
