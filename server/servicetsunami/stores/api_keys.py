"""API keys of all tenants: found by their hash, listed and revoked by an administrator."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from servicetsunami.domain.caller import Scope
from servicetsunami.domain.identity import ApiKey
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import API_KEYS
from servicetsunami.stores.scope import ever_owned_by
from servicetsunami.stores.tenants import Tenants


class ApiKeys:
    """The keys; they belong to the server, so they are not seen one tenant at a time."""

    def __init__(self, connection: Connection, tenants: Tenants) -> None:
        self._connection = connection
        self._tenants = tenants

    async def add(self, key: ApiKey, *, sha256: str) -> None:
        """Remember a key, and its tenant where that is new."""
        await self._tenants.ensure(key.tenant, at=key.created_at)
        values = {
            "id": key.id,
            "tenant": key.tenant,
            "name": key.name,
            "sha256": sha256,
            "scopes": sorted(key.scopes),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        await self._connection.execute(insert(API_KEYS).values(values))

    async def find(self, sha256: str) -> ApiKey | None:
        """The key of that hash, whether it is still valid or not."""
        statement = select(API_KEYS).where(API_KEYS.c.sha256 == sha256)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_key(row)

    async def list(self, tenant: str | None) -> tuple[ApiKey, ...]:
        """The keys of a tenant, or all of them, oldest first."""
        statement = select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.id)
        if tenant is not None:
            statement = statement.where(ever_owned_by(tenant, API_KEYS))
        return tuple(_to_key(row) for row in await self._connection.execute(statement))

    async def revoke(self, key_id: str, *, at: datetime) -> bool:
        """End a key now; False where there is none of that id that still opens anything."""
        statement = update(API_KEYS).where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None))
        return (await self._connection.execute(statement.values(revoked_at=at))).rowcount == 1


def _to_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
