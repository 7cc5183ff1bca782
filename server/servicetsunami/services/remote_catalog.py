"""Knows which tables and indexes stand in a tenant's catalog there, without making a call wait."""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import anyio

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.remote import RemoteTable
from servicetsunami.errors import ServerError
from servicetsunami.gateway.connection import Connection

if TYPE_CHECKING:
    from servicetsunami.gateway.vector_replies import RemoteIndex
    from servicetsunami.gateway.workspace import Workspace

_log = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
_TABLES_MAX: Final = 5_000
_ENDPOINTS_MAX: Final = 20
_INDEXES_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a catalog held at one moment; the errors are why there is nothing newer."""

    tables: tuple[RemoteTable, ...] = ()
    at: datetime | None = None
    error: str | None = None
    indexes: "tuple[RemoteIndex, ...]" = ()
    indexes_at: datetime | None = None
    indexes_error: str | None = None


class RemoteCatalog:
    """Looks them up in the background; readers take what is known."""

    def __init__(self, *, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, Listed] = {}

    def known(self, caller: Caller) -> Listed:
        """What was last seen in the caller's own catalog."""
        return self._known.get(caller.catalog, Listed())

    async def refresh(self, caller: Caller) -> Listed:
        """Look now; a failure keeps what was known, and says why it is not newer."""
        before = self.known(caller)
        try:
            workspace = await self._connection.workspace()
            tables = await workspace.catalogs.all_tables(caller.catalog, items_max=_TABLES_MAX)
            found = replace(before, tables=tuple(tables), at=datetime.now(UTC), error=None)
        except ServerError as error:
            found = replace(before, error=str(error))
        self._known[caller.catalog] = found
        await self.refresh_indexes(caller)
        return self.known(caller)

    async def refresh_indexes(self, caller: Caller) -> None:
        """Look at the indexes alone: a workspace without vector search has tables all the same."""
        try:
            indexes = await _indexes(await self._connection.workspace(), caller.catalog)
            new = {"indexes": indexes, "indexes_at": datetime.now(UTC), "indexes_error": None}
        except ServerError as error:
            new = {"indexes_error": str(error)}
        self._known[caller.catalog] = replace(self.known(caller), **new)

    async def keep_fresh(self, caller: Caller) -> None:
        """Look every minute, for as long as a client is served."""
        while True:
            await self.refresh(caller)
            await anyio.sleep(_EVERY_S)


async def _indexes(workspace: "Workspace", catalog: str) -> "tuple[RemoteIndex, ...]":
    """The indexes of a catalog, on whichever endpoint, with their states."""
    prefix, names = f"{catalog.lower()}.", list[str]()
    for endpoint in (await workspace.vectors.endpoints())[:_ENDPOINTS_MAX]:
        found = await workspace.vectors.indexes(endpoint.name)
        names += [each.name for each in found if each.name.lower().startswith(prefix)]
    looked = [await workspace.vectors.find(name) for name in sorted(names)[:_INDEXES_MAX]]
    return tuple(index for index in looked if index is not None)
