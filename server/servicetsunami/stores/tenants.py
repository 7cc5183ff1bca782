"""Tenants: whose datasets, usage and promises these are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import TENANTS

_COMMENT: Final = "catalog_comment"


class Tenants:
    """The tenants that an administrator has added, or that have ever written something."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ensure(self, tenant: str, *, at: datetime) -> None:
        """Remember the tenant; does nothing when it is known, also when two do it at once."""
        insert = postgresql.insert if self._is_postgresql() else sqlite.insert
        statement = insert(TENANTS).values(id=tenant, metadata_={}, created_at=at)
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def exists(self, tenant: str) -> bool:
        """Whether there is such a tenant."""
        statement = select(TENANTS.c.id).where(TENANTS.c.id == tenant)
        return await self._connection.scalar(statement) is not None

    async def catalog_comment(self, tenant: str) -> str | None:
        """What is said about the tenant's catalog; None where nothing is."""
        found = (await self._metadata_of(tenant)).get(_COMMENT)
        return found if isinstance(found, str) else None

    async def describe_catalog(self, tenant: str, comment: str | None) -> None:
        """Keep what is said about the tenant's catalog, or nothing any more."""
        rest = {k: v for k, v in (await self._metadata_of(tenant)).items() if k != _COMMENT}
        kept = rest if comment is None else rest | {_COMMENT: comment}
        statement = update(TENANTS).where(TENANTS.c.id == tenant).values(metadata_=kept)
        await self._connection.execute(statement)

    async def _metadata_of(self, tenant: str) -> Mapping[str, object]:
        statement = select(TENANTS.c.metadata_).where(TENANTS.c.id == tenant)
        return await self._connection.scalar(statement) or {}

    async def list(self) -> tuple[str, ...]:
        """All tenants by name: for the server's own upkeep, never for a caller."""
        found = await self._connection.scalars(select(TENANTS.c.id).order_by(TENANTS.c.id))
        return tuple(found)

    async def lock(self, tenant: str) -> None:
        """Have the rest of this transaction happen after all others that have locked the tenant.

        So that what is counted is still so when it is acted upon. SQLite has one writer anyway.
        """
        if self._is_postgresql():
            number = func.hashtextextended(tenant, 0)
            await self._connection.execute(select(func.pg_advisory_xact_lock(number)))

    def _is_postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"
