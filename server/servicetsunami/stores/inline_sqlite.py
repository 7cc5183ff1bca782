"""Reads SQLite where it is asked, without a thread for each statement.

Handing a statement to a thread and back takes many times longer than what it reads: a page of the
metadata is there in some 20 microseconds. So it runs in the event loop's own thread, for a few
milliseconds at most. One that takes longer is broken off by SQLite, and run again in a thread; for
what it finds that changes nothing, as a transaction that reads sees one state throughout. This is
for connections that cannot write: those never wait for a lock either.
"""

import math
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, cast

from anyio import to_thread
from anyio.lowlevel import checkpoint_if_cancelled
from sqlalchemy import (
    Connection,
    Dialect,
    Executable,
    QueuePool,
    ScalarResult,
    create_engine,
    event,
)
from sqlalchemy.exc import OperationalError

from servicetsunami.stores.connection import Parameters, Row, Rows

P = ParamSpec("P")
T = TypeVar("T")

_INLINE_S: Final = 0.003
_INSTRUCTIONS_BETWEEN_LOOKS: Final = 2_000
"""Of SQLite's virtual machine: some 50 microseconds."""
_KEPT_OPEN: Final = 8


class InlineReads:
    """The file's readers; there are as many as transactions that read at once.

    What takes longer than `inline_s` in the event loop's thread is run again in another one.
    """

    def __init__(self, file: str, *, busy_timeout_s: float, inline_s: float = _INLINE_S) -> None:
        def opened() -> sqlite3.Connection:
            made = sqlite3.connect(
                file,
                timeout=busy_timeout_s,
                isolation_level=None,
                check_same_thread=False,
                factory=_File,
            )
            made.patience_s = inline_s
            return made

        self._engine = create_engine(
            "sqlite+pysqlite://",
            creator=opened,
            poolclass=QueuePool,
            pool_size=_KEPT_OPEN,
            # Whoever waited for one in this thread would wait for ever.
            max_overflow=-1,
        )
        event.listen(self._engine, "connect", _have_it_read_only)
        event.listen(self._engine, "begin", _begin)

    @property
    def pool(self) -> QueuePool:
        """Where its connections are."""
        return cast("QueuePool", self._engine.pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["InlineConnection"]:
        """Read one consistent state."""
        await checkpoint_if_cancelled()
        with self._engine.connect() as connection, connection.begin():
            yield InlineConnection(connection)

    async def dispose(self) -> None:
        """Close all that are not lent out."""
        self._engine.dispose()


class InlineConnection:
    """Runs statements of one transaction that reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """SQLite's."""
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Parameters = None, /) -> Rows:
        """Read at once, or in a thread where that takes long."""
        try:
            return self._connection.execute(statement, parameters)
        except OperationalError as error:
            if not _was_late(error.orig):
                raise
        return await to_thread.run_sync(self._read_on, statement, parameters)

    async def scalar(self, statement: Executable, parameters: Row = None, /) -> Any:  # noqa: ANN401 - whatever the column holds
        """The first column of the first row, or None without one."""
        return (await self.execute(statement, parameters)).scalar()

    async def scalars(self, statement: Executable, parameters: Row = None, /) -> ScalarResult[Any]:
        """The first column of all rows."""
        return (await self.execute(statement, parameters)).scalars()

    async def run_sync(
        self,
        function: Callable[Concatenate[Connection, P], T],
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run a function that is written for a connection that waits."""
        return function(self._connection, *args, **options)

    def _read_on(self, statement: Executable, parameters: Parameters) -> Rows:
        """Read for as long as it takes."""
        file = cast("_File", self._connection.connection.dbapi_connection)
        with file.patient():
            return self._connection.execute(statement, parameters)


class _File(sqlite3.Connection):
    """Breaks off statements that take longer than `patience_s`, unless it is patient."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as the base has it
        super().__init__(*args, **options)
        self.patience_s = _INLINE_S
        # What begins a transaction, or ends one, is never broken off: nobody would run it again.
        self.ends_at = math.inf
        self.set_progress_handler(self._is_late, _INSTRUCTIONS_BETWEEN_LOOKS)

    def cursor(self, factory: Callable[[sqlite3.Connection], Any] | None = None) -> Any:  # noqa: ANN401 - as the base has it
        """A cursor that has all rows once its statement is run."""
        return super().cursor(factory or _Cursor)

    @contextmanager
    def patient(self) -> Generator[None]:
        """Wait for statements inside for as long as they take."""
        patience_s, self.patience_s = self.patience_s, math.inf
        try:
            yield
        finally:
            self.patience_s = patience_s

    def _is_late(self) -> bool:
        return time.perf_counter() > self.ends_at


class _Cursor(sqlite3.Cursor):
    """Fetches all rows with the statement, so that nothing is left to read later."""

    _rows: list[Any]

    def execute(self, *args: Any) -> Self:  # noqa: ANN401 - as the base has it
        file = cast("_File", self.connection)
        file.ends_at = time.perf_counter() + file.patience_s
        try:
            super().execute(*args)
            self._rows = super().fetchall()
        finally:
            file.ends_at = math.inf
        return self

    def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    def fetchone(self) -> Any:  # noqa: ANN401 - as DB-API has it
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows


def _was_late(error: BaseException | None) -> bool:
    return (
        isinstance(error, sqlite3.OperationalError)
        and error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    )


def _begin(reading: Connection) -> None:
    # Through SQLAlchemy it would take as long as a statement that is asked for.
    file = cast("_File", reading.connection.dbapi_connection)
    file.cursor(sqlite3.Cursor).execute("BEGIN")


def _have_it_read_only(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")
