"""Opens the metadata database: SQLite as a file beside the data, or PostgreSQL by URL."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from servicetsunami.errors import ConfigurationError
from servicetsunami.stores.connection import Transactions
from servicetsunami.stores.inline_sqlite import InlineReads
from servicetsunami.stores.steady import SteadyTransactions

BUSY_TIMEOUT_S = 15.0
_CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What writes and what cannot; `where` names the database in messages.

    `write` is the engine under `writes`.
    """

    write: AsyncEngine
    writes: Transactions
    reads: Transactions
    where: str
    file: Path | None = None

    def in_use(self) -> int:
        """How many connections are lent out now."""
        # On PostgreSQL both share one pool.
        pools = {id(each.pool): each.pool for each in (self.writes, self.reads)}
        return sum(pool.checkedout() for pool in pools.values())

    async def dispose(self) -> None:
        """Close all connections."""
        await self.writes.dispose()
        await self.reads.dispose()


def connect(url: str) -> Engines:
    """Prepare engines for the URL; nothing is opened yet.

    Raises ConfigurationError for a URL of another kind than
    `sqlite+aiosqlite:///file` and `postgresql+asyncpg://user@host/database`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _unknown_url("it is not a URL") from error
    if parsed.drivername == "sqlite+aiosqlite" and parsed.database not in (None, "", ":memory:"):
        # All of it is the file's name: a folder may have a ? in its own.
        return _sqlite(URL.create(parsed.drivername, database=url.partition(":///")[2]))
    if parsed.drivername == "postgresql+asyncpg":
        return _postgresql(parsed)
    raise _unknown_url(f"it begins with {parsed.drivername!r}")


def _unknown_url(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The metadata database cannot be opened: of its URL, {reason}.",
        "Set SERVICETSUNAMI_DATABASE_URL to sqlite+aiosqlite:///path/to/file.db or to "
        "postgresql+asyncpg://user:password@host/database.",
    )


def _sqlite(url: URL) -> Engines:
    write = create_async_engine(
        url,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S},
        # SQLite has one writer: in this process the others queue here, not in a busy loop.
        pool_size=1,
        max_overflow=0,
        pool_timeout=2 * BUSY_TIMEOUT_S,
    )
    _prepare_writer(write)
    file = str(url.database)
    return Engines(
        write=write,
        writes=SteadyTransactions(write),
        reads=InlineReads(file, busy_timeout_s=BUSY_TIMEOUT_S),
        where=file,
        file=Path(file),
    )


def _prepare_writer(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 (any DB-API driver)
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.close()
        except BaseException:
            # The pool does not know this connection yet, so nobody else would end its thread.
            connection.close()
            raise

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that turns into a write fails at once when another one wrote
        # meanwhile; an immediate one waits for its turn.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engines:
    engine = create_async_engine(
        url,
        # Statements are not cancelled in the middle, so each has to end by itself.
        connect_args={"timeout": BUSY_TIMEOUT_S, "command_timeout": 4 * BUSY_TIMEOUT_S},
        pool_size=_CONNECTIONS,
        pool_timeout=2 * BUSY_TIMEOUT_S,
        pool_pre_ping=True,
    )
    return Engines(
        write=engine,
        writes=SteadyTransactions(engine),
        reads=SteadyTransactions(engine.execution_options(postgresql_readonly=True)),
        where=url.render_as_string(hide_password=True),
    )
