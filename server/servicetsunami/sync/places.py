"""Where a tenant's data stand on Databricks: its catalog, its schemas, and a volume for files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.dataset import DEFAULT_SCHEMA

if TYPE_CHECKING:
    from servicetsunami.gateway.workspace import Workspace

_COMMENT: Final = "Datasets of ServiceTsunami"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tenant's catalog, and the volume folder through which its files pass."""

    catalog: str
    volume: str

    @property
    def folder(self) -> str:
        """The root of the volume, as paths and SQL name it."""
        return f"/Volumes/{self.catalog}/{DEFAULT_SCHEMA}/{self.volume}"


class Places:
    """Creates what a tenant needs there, on the way and once per process."""

    def __init__(self, *, catalog_of: Callable[[str], str], volume: str) -> None:
        self._catalog_of = catalog_of
        self._volume = volume
        self._ready: set[tuple[str, str]] = set()

    def of(self, tenant: str) -> Place:
        """Where the tenant's data stand, whether or not it is there yet."""
        return Place(catalog=self._catalog_of(tenant), volume=self._volume)

    async def prepare(self, workspace: "Workspace", tenant: str, schema: str) -> Place:
        """Create the catalog, the schema and the volume where they are missing."""
        place = self.of(tenant)
        if (place.catalog, DEFAULT_SCHEMA) not in self._ready:
            await workspace.catalogs.ensure_catalog(place.catalog, _COMMENT)
            await workspace.catalogs.ensure_schema(place.catalog, DEFAULT_SCHEMA)
            await workspace.catalogs.ensure_volume(place.catalog, DEFAULT_SCHEMA, place.volume)
            self._ready.add((place.catalog, DEFAULT_SCHEMA))
        if (place.catalog, schema) not in self._ready:
            await workspace.catalogs.ensure_schema(place.catalog, schema)
            self._ready.add((place.catalog, schema))
        return place

    def forget(self, tenant: str) -> None:
        """Look again next time: something may have been dropped there."""
        catalog = self._catalog_of(tenant)
        self._ready = {each for each in self._ready if each[0] != catalog}
