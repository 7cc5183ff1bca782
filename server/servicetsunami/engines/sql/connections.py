"""Keeps sandboxed DuckDB databases ready: one per tenant and set of table versions."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from servicetsunami.domain.dataset import Snapshot
from servicetsunami.engines.sql.views import ViewMaker, text_literal

if TYPE_CHECKING:
    import duckdb

_CONNECTIONS_MAX = 8
_NO_MACROS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class _Database:
    """A database that is open, and the names of the macros that it knows."""

    connection: "duckdb.DuckDBPyConnection"
    known: set[str] = field(default_factory=set)

    def learn(self, macros: Mapping[str, str]) -> None:
        for name, statement in macros.items():
            if name not in self.known:
                self.connection.execute(statement)
                self.known.add(name)


class Connections:
    """Opens databases in memory that can read the files of their own tables, and nothing else.

    `memory_limit_mb` and `threads` hold for each database; `spill_mb_max` bounds what one may
    write below `temp_dir`. `preparations` are statements to run before the configuration is
    locked: settings of the dialect.
    """

    def __init__(
        self,
        *,
        memory_limit_mb: int,
        threads: int,
        temp_dir: Path,
        spill_mb_max: int,
        preparations: Iterable[str],
    ) -> None:
        self._memory_limit_mb = memory_limit_mb
        self._threads = threads
        self._temp_dir = temp_dir
        self._spill_mb_max = spill_mb_max
        self._preparations = tuple(preparations)
        self._views = ViewMaker()
        self._blank: duckdb.DuckDBPyConnection | None = None
        self._open: OrderedDict[str, _Database] = OrderedDict()
        self._opened = 0

    def get(
        self, key: str, tables: Mapping[str, Snapshot], macros: Mapping[str, str] = _NO_MACROS
    ) -> "duckdb.DuckDBPyConnection":
        """Return the database in which `tables` are views, opening it when it is not there.

        `key` stands for the tenant and the tables: databases are never shared between tenants.
        `macros` are the statements that make those needed now, by their names.
        """
        database = self._open.pop(key, None) or _Database(self._locked(tables))
        self._open[key] = database
        if len(self._open) > _CONNECTIONS_MAX:
            self._open.popitem(last=False)[1].connection.close()
        database.learn(macros)
        return database.connection

    def prepare(self) -> None:
        """Have an empty database ready, which takes most of the time of opening one."""
        if self._blank is None:
            self._blank = self._opened_blank()

    def _opened_blank(self) -> "duckdb.DuckDBPyConnection":
        import duckdb  # noqa: PLC0415 - only the child process has it

        self._opened += 1
        connection = duckdb.connect(
            ":memory:",
            config={
                "threads": self._threads,
                "async_threads": 1,
                "memory_limit": f"{self._memory_limit_mb}MB",
                "temp_directory": str(self._temp_dir / str(self._opened)),
                "max_temp_directory_size": f"{self._spill_mb_max}MB",
                "python_enable_replacements": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "allow_persistent_secrets": False,
            },
        )
        for statement in (
            "SET TimeZone = 'UTC'",
            "SET parquet_metadata_cache = true",
            # Measures progress without printing it.
            "SET enable_progress_bar = true",
            "SET enable_progress_bar_print = false",
            *self._preparations,
        ):
            connection.execute(statement)
        return connection

    def _locked(self, tables: Mapping[str, Snapshot]) -> "duckdb.DuckDBPyConnection":
        connection, self._blank = self._blank or self._opened_blank(), None
        files = sorted({file for snapshot in tables.values() for file in snapshot.files})
        paths = ", ".join(map(text_literal, files))
        connection.execute(f"SET allowed_paths = [{paths}]")
        connection.execute("SET enable_external_access = false")
        for name, snapshot in tables.items():
            self._views.create(connection, name, snapshot)
        connection.execute("SET lock_configuration = true")
        return connection
