"""The metadata database, opened by the first who needs it.

A client that only lists the tools must not wait for a database, nor for the import of SQLAlchemy.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from servicetsunami.stores.visibility import everybody, visible

if TYPE_CHECKING:
    from servicetsunami.stores.database import Database, Transaction

_DATABASE = "servicetsunami.stores.database"


class Metadata:
    """Hands out transactions; see `Database` for what they promise."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = anyio.Lock()
        self._database: Database | None = None
        self._then: Callable[[], Awaitable[None]] | None = None
        self._when_committed: list[Callable[[str], None]] = []

    def when_opened(self, then: Callable[[], Awaitable[None]]) -> None:
        """Have something done, once, between the opening and its first use."""
        self._then = then

    @property
    def connections_in_use(self) -> int:
        """How many connections are lent out now."""
        return 0 if self._database is None else self._database.connections_in_use

    def when_committed(self, then: Callable[[str], None]) -> None:
        """Have something done after each write of this process; takes whose rows it could see."""
        self._when_committed.append(then)

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator["Transaction"]:
        """Write: all of the block is committed, or none of it."""
        database = self._database or await self._open()
        async with database.begin() as transaction:
            yield transaction
        for then in self._when_committed:
            then(visible())

    @asynccontextmanager
    async def read(self) -> AsyncGenerator["Transaction"]:
        """Read one consistent state."""
        database = self._database or await self._open()
        async with database.read() as transaction:
            yield transaction

    async def close(self) -> None:
        """Close the database, if it was ever opened."""
        if self._database is not None:
            await self._database.close()
            self._database = None

    async def _open(self) -> "Database":
        async with self._opening:
            if self._database is None:
                # In a thread, since the import takes long and others must not wait for it.
                stores = await to_thread.run_sync(import_module, _DATABASE)
                self._database = await stores.Database.open(self._url)
                if self._then is not None:
                    # Whoever comes first opens it, and it is tidied for all.
                    with everybody():
                        await self._then()
            return self._database
