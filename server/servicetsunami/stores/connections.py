"""Opens the metadata database: SQLite as a file beside the data, or PostgreSQL by URL."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, QueuePool, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from servicetsunami.errors import ConfigurationError

BUSY_TIMEOUT_S = 15.0
_READERS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """One engine that writes and one that cannot; `where` names both in messages."""

    write: AsyncEngine
    read: AsyncEngine
    where: str
    file: Path | None = None

    def in_use(self) -> int:
        """How many connections are lent out now."""
        # On PostgreSQL both share one pool.
        pools = {id(engine.pool): engine.pool for engine in (self.write, self.read)}
        return sum(cast("QueuePool", pool).checkedout() for pool in pools.values())

    async def dispose(self) -> None:
        """Close all connections."""
        await self.write.dispose()
        await self.read.dispose()


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
    def engine(*, connections_max: int, read_only: bool) -> AsyncEngine:
        created = create_async_engine(
            url,
            connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S},
            pool_size=connections_max,
            max_overflow=0,
            pool_timeout=2 * BUSY_TIMEOUT_S,
        )
        _prepare_sqlite(created, read_only=read_only)
        return created

    # SQLite has one writer: in this process the others queue here, not in a busy loop.
    return Engines(
        write=engine(connections_max=1, read_only=False),
        read=engine(connections_max=_READERS_MAX, read_only=True),
        where=str(url.database),
        file=Path(str(url.database)),
    )


def _prepare_sqlite(engine: AsyncEngine, *, read_only: bool) -> None:
    pragmas = ("foreign_keys", "query_only") if read_only else ("foreign_keys",)

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 (any DB-API driver)
        try:
            cursor = connection.cursor()
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma} = ON")
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
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engines:
    engine = create_async_engine(
        url,
        # Statements are not cancelled in the middle, so each has to end by itself.
        connect_args={"timeout": BUSY_TIMEOUT_S, "command_timeout": 4 * BUSY_TIMEOUT_S},
        pool_size=_READERS_MAX,
        pool_timeout=2 * BUSY_TIMEOUT_S,
        pool_pre_ping=True,
    )
    return Engines(
        write=engine,
        read=engine.execution_options(postgresql_readonly=True),
        where=url.render_as_string(hide_password=True),
    )
