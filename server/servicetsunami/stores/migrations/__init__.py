"""Brings a metadata database to the schema of this release, once, however many start at once."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio.to_thread
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from servicetsunami.errors import ConfigurationError
from servicetsunami.stores.append_only import append_only
from servicetsunami.stores.connections import Engines
from servicetsunami.stores.locks import FileLock
from servicetsunami.stores.row_security import limit_to_visible, policies
from servicetsunami.stores.schema import HEAD_REVISION, METADATA

if TYPE_CHECKING:
    import aiosqlite

_LOCK_TIMEOUT_S = 60.0
# Any constant will do, as long as all releases lock the same one.
_ADVISORY_LOCK = 7_310_573_014


async def migrate(engines: Engines) -> None:
    """Create or upgrade the tables; returns at once when they are up to date.

    Raises ConfigurationError when a newer release has changed the database.
    """
    if not _is_new(engines.file):
        async with engines.reads.transaction() as connection:
            if await connection.run_sync(_revision) == HEAD_REVISION:
                return
    if engines.file is None:
        await _migrate_postgresql(engines)
    else:
        await _migrate_file(engines, engines.file)


def _is_new(file: Path | None) -> bool:
    # Looking into a file that another process is just creating could make that one fail.
    return file is not None and not (file.exists() and file.stat().st_size > 0)


async def _migrate_postgresql(engines: Engines) -> None:
    async with engines.write.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        # A migration may change rows of all tenants.
        await limit_to_visible(connection)
        await _bring_up_to_date(connection, engines.where)


async def _migrate_file(engines: Engines, file: Path) -> None:
    # Changing the journal mode needs the file alone, and does not wait for it: hence a lock
    # outside the database. The mode stays in the file.
    lock = await anyio.to_thread.run_sync(
        lambda: FileLock.acquire(file.with_name(f"{file.name}.lock"), timeout_s=_LOCK_TIMEOUT_S)
    )
    with lock:
        await _use_wal(engines)
        async with engines.write.begin() as connection:
            await _bring_up_to_date(connection, engines.where)


async def _use_wal(engines: Engines) -> None:
    async with engines.write.connect() as connection:
        raw = await connection.get_raw_connection()
        driver = cast("aiosqlite.Connection", raw.driver_connection)
        async with driver.execute("PRAGMA journal_mode = WAL") as cursor:
            mode = await cursor.fetchone()
    if mode is None or mode[0] != "wal":
        raise ConfigurationError(
            f"The disk of {engines.where} does not support SQLite's write-ahead log.",
            "Set SERVICETSUNAMI_DATA_DIR to a local disk, or use PostgreSQL.",
        )


async def _bring_up_to_date(connection: AsyncConnection, where: str) -> None:
    revision = await connection.run_sync(_revision)
    if revision is None:
        await connection.run_sync(_create)
    elif revision != HEAD_REVISION:
        await connection.run_sync(lambda sync: _upgrade(sync, revision, where))


def _revision(connection: Connection) -> str | None:
    """Read the revision without Alembic, whose import costs as much as the rest of the start."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _create(connection: Connection) -> None:
    """Create everything at once; a test proves it equal to all migrations, one after another."""
    METADATA.create_all(connection, checkfirst=False)
    if connection.dialect.name == "postgresql":
        for statement in policies():
            connection.exec_driver_sql(statement)
    for statement in append_only(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    statement = text("INSERT INTO alembic_version (version_num) VALUES (:revision)")
    connection.execute(statement, {"revision": HEAD_REVISION})


def _upgrade(connection: Connection, revision: str, where: str) -> None:
    # Alembic costs as much as the rest of a start, and is needed once per release.
    from servicetsunami.stores.migrations.runner import is_known, upgrade  # noqa: PLC0415

    if not is_known(revision):
        raise ConfigurationError(
            f"A newer release has changed the metadata database {where} (to {revision}).",
            "Upgrade ServiceTsunami, or use another SERVICETSUNAMI_DATA_DIR.",
        )
    upgrade(connection)
