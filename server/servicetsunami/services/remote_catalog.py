"""Knows which tables stand in a tenant's catalog on Databricks, without making a call wait."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import anyio

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.remote import RemoteTable
from servicetsunami.errors import ServerError
from servicetsunami.gateway.connection import Connection

_log = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
_TABLES_MAX: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The tables of a catalog at one moment; `error` is why there are no newer ones."""

    tables: tuple[RemoteTable, ...]
    at: datetime | None
    error: str | None = None


class RemoteCatalog:
    """Looks the tables up in the background; readers take what is known."""

    def __init__(self, *, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, Listed] = {}

    def known(self, caller: Caller) -> Listed:
        """What was last seen in the caller's own catalog."""
        return self._known.get(caller.catalog, Listed(tables=(), at=None))

    async def refresh(self, caller: Caller) -> Listed:
        """Look now; a failure keeps what was known, and says why it is not newer."""
        before = self.known(caller)
        try:
            workspace = await self._connection.workspace()
            tables = await workspace.catalogs.all_tables(caller.catalog, items_max=_TABLES_MAX)
            found = Listed(tables=tuple(tables), at=datetime.now(UTC))
        except ServerError as error:
            found = Listed(tables=before.tables, at=before.at, error=str(error))
        self._known[caller.catalog] = found
        return found

    async def keep_fresh(self, caller: Caller) -> None:
        """Look every minute, for as long as a client is served."""
        while True:
            await self.refresh(caller)
            await anyio.sleep(_EVERY_S)
