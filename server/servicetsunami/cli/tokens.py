"""Does what the commands `servicetsunami token …` ask, in the metadata database alone."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from servicetsunami.domain.identity import ApiKey
from servicetsunami.services.identities import Identities
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata


async def create(
    settings: Settings, tenant: str, name: str, scopes: Sequence[str], days: int
) -> tuple[ApiKey, str]:
    """Make a key; the record, and the key, which is shown once."""
    async with _identities(settings) as identities:
        return await identities.create_key(tenant, name, scopes=scopes, days=days)


async def keys(settings: Settings, tenant: str | None) -> tuple[ApiKey, ...]:
    """The keys of a tenant, or all."""
    async with _identities(settings) as identities:
        return await identities.keys(tenant)


async def revoke(settings: Settings, key_id: str) -> None:
    """End a key."""
    async with _identities(settings) as identities:
        await identities.revoke_key(key_id)


async def add_tenant(settings: Settings, tenant: str) -> None:
    """Have a tenant served."""
    async with _identities(settings) as identities:
        await identities.add_tenant(tenant)


@asynccontextmanager
async def _identities(settings: Settings) -> AsyncGenerator[Identities]:
    settings.make_data_dir()
    metadata = Metadata(settings.metadata_url)
    try:
        yield Identities(metadata=metadata, on_first_use=settings.tenants_on_first_use)
    finally:
        await metadata.close()
