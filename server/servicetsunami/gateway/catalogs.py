"""Unity Catalog: catalogs, schemas, volumes and tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from servicetsunami.domain.dataset import Column
from servicetsunami.domain.remote import RemoteTable, TableAddress
from servicetsunami.errors import RemoteConflict, RemoteNotFound, RemoteUnavailable
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient, paged
from servicetsunami.gateway.retry import Replay

_BASE: Final = "/api/2.1/unity-catalog"
_SCHEMAS_MAX: Final = 10_000
_HIDDEN: Final = frozenset({"information_schema"})


class Catalogs:
    """The verbs of Unity Catalog. What is to exist may exist already, what is to go may be gone."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client

    async def ensure_catalog(self, name: str, comment: str) -> None:
        """Create the catalog unless it is there."""
        await self._ensure("catalogs", name, {"name": name, "comment": comment})

    async def set_comment(self, catalog: str, comment: str) -> None:
        """Have the catalog say this of itself."""
        path = f"{_BASE}/catalogs/{quote(catalog, safe='')}"
        body = {"comment": comment}
        await self._client.send("PATCH", path, body=body, replay=Replay.SAFE)

    async def ensure_schema(self, catalog: str, schema: str) -> None:
        """Create the schema unless it is there."""
        body = {"name": schema, "catalog_name": catalog}
        await self._ensure("schemas", f"{catalog}.{schema}", body)

    async def ensure_volume(self, catalog: str, schema: str, volume: str) -> None:
        """Create the managed volume unless it is there."""
        body = {
            "catalog_name": catalog,
            "schema_name": schema,
            "name": volume,
            "volume_type": "MANAGED",
        }
        await self._ensure("volumes", f"{catalog}.{schema}.{volume}", body)

    async def _ensure(self, kind: str, full_name: str, body: Mapping[str, Any]) -> None:
        """Look first: who may use a thing may not be allowed to create it."""
        if await self._get(kind, full_name) is not None:
            return
        try:
            await self._client.send("POST", f"{_BASE}/{kind}", body=body, replay=Replay.UNSAFE)
        except RemoteConflict as error:
            if not error.code.endswith("ALREADY_EXISTS"):
                raise
        except RemoteUnavailable:
            # The answer may be lost and the work done.
            if await self._get(kind, full_name) is None:
                raise

    async def _get(
        self, kind: str, full_name: str, query: Mapping[str, bool] | None = None
    ) -> dict[str, Any] | None:
        path = f"{_BASE}/{kind}/{quote(full_name, safe='')}"
        try:
            return await self._client.send("GET", path, query=query, replay=Replay.SAFE)
        except RemoteNotFound:
            return None

    async def get_table(self, address: TableAddress) -> RemoteTable | None:
        """The table with its columns and properties; None when there is none to be seen."""
        found = await self._get("tables", str(address))
        with replies.understood(f"the question for {address}"):
            return None if found is None else _table(found)

    async def delete_table(self, address: TableAddress) -> bool:
        """Drop a table; tells whether it was there."""
        path = f"{_BASE}/tables/{quote(str(address), safe='')}"
        try:
            await self._client.send("DELETE", path, replay=Replay.SAFE)
        except RemoteNotFound:
            return False
        return True

    async def list_catalogs(self, *, items_max: int) -> list[str]:
        """The names of the catalogs that we may see."""
        found = await self._listed("catalogs", {}, items_max)
        with replies.understood("the question for catalogs"):
            return [str(each["name"]) for each in found]

    async def list_schemas(self, catalog: str, *, items_max: int = _SCHEMAS_MAX) -> list[str]:
        """The names of a catalog's schemas, without those of the system."""
        found = await self._listed("schemas", {"catalog_name": catalog}, items_max)
        with replies.understood(f"the question for schemas of {catalog}"):
            return [str(each["name"]) for each in found if each["name"] not in _HIDDEN]

    async def list_tables(self, catalog: str, schema: str, *, items_max: int) -> list[RemoteTable]:
        """The tables of a schema, without their columns."""
        query = {
            "catalog_name": catalog,
            "schema_name": schema,
            "omit_columns": True,
            "omit_properties": True,
        }
        found = await self._listed("tables", query, items_max)
        with replies.understood(f"the question for tables of {catalog}.{schema}"):
            return [_table(each) for each in found]

    async def all_tables(self, catalog: str, *, items_max: int) -> list[RemoteTable]:
        """The tables of all schemas of a catalog; none when there is no such catalog."""
        tables: list[RemoteTable] = []
        try:
            for schema in await self.list_schemas(catalog):
                if len(tables) < items_max:
                    rest = items_max - len(tables)
                    tables += await self.list_tables(catalog, schema, items_max=rest)
        except RemoteNotFound:
            return tables
        return tables

    async def _listed(
        self, kind: str, query: Mapping[str, str | bool], items_max: int
    ) -> list[dict[str, Any]]:
        # 0 asks for pages of the server's own size; without it there are none at all.
        return await paged(
            self._client,
            f"{_BASE}/{kind}",
            items=kind,
            query={**query, "max_results": 0},
            items_max=items_max,
        )


def _table(found: Mapping[str, Any]) -> RemoteTable:
    updated = found.get("updated_at")
    return RemoteTable(
        address=TableAddress(
            catalog=str(found["catalog_name"]),
            schema=str(found["schema_name"]),
            table=str(found["name"]),
        ),
        kind=str(found.get("table_type", "MANAGED")),
        columns=tuple(
            Column(
                name=str(each["name"]),
                type=str(each.get("type_text", "")),
                nullable=bool(each.get("nullable", True)),
            )
            for each in found.get("columns") or []
        ),
        properties={str(k): str(v) for k, v in (found.get("properties") or {}).items()},
        table_id=found.get("table_id"),
        updated_at=datetime.fromtimestamp(updated / 1000, UTC) if updated else None,
    )
