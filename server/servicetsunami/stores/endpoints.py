"""Model endpoints and their versions, seen one tenant at a time."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.endpoint import Endpoint, ModelVersion, Place, Signature, VersionState
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.datasets import StateTotals
from servicetsunami.stores.revised import RevisedAssets
from servicetsunami.stores.schema import ENDPOINT_VERSIONS, ENDPOINTS
from servicetsunami.stores.scope import ever_owned_by, owned_by


class Endpoints(RevisedAssets):
    """The endpoints of all tenants."""

    TABLE = ENDPOINTS

    async def add(self, endpoint: Endpoint) -> None:
        """Remember a new endpoint; raises Conflict when the tenant has one of that name."""
        await self._tenants.ensure(endpoint.tenant, at=endpoint.created_at)
        values = {
            "id": endpoint.id,
            "tenant": endpoint.tenant,
            "name": endpoint.name,
            "place": endpoint.place.value,
            "metadata_": {},
            "created_at": endpoint.created_at,
            **_changing(endpoint),
        }
        try:
            await self._connection.execute(insert(ENDPOINTS).values(values))
        except IntegrityError as error:
            raise Conflict(
                f"An endpoint named {endpoint.name} was deployed just now.", "Call again."
            ) from error

    async def update(self, endpoint: Endpoint, *, base_revision: int) -> None:
        """Save what a new version changes; raises Conflict when another was deployed meanwhile."""
        columns = ENDPOINTS.c
        statement = (
            update(ENDPOINTS)
            .where(
                owned_by(endpoint.tenant, ENDPOINTS),
                columns.id == endpoint.id,
                columns.revision == base_revision,
            )
            .values(_changing(endpoint))
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise Conflict(
                f"{endpoint.name} was deployed or deleted by others meanwhile.",
                "Nothing was changed: call describe_asset, then decide.",
            )

    async def add_version(self, endpoint_id: str, version: ModelVersion) -> None:
        """Remember a version of an endpoint that was written in this transaction."""
        values = {
            "endpoint_id": endpoint_id,
            "version": version.version,
            "state": version.state.value,
            "reason": version.reason,
            "flavour": version.flavour,
            "source": version.source,
            "file": version.file,
            "sha256": version.sha256,
            "size_bytes": version.size_bytes,
            "signature": asdict(version.signature),
            "created_at": version.created_at,
        }
        await self._connection.execute(insert(ENDPOINT_VERSIONS).values(values))

    async def find(self, tenant: str, name: str) -> Endpoint | None:
        """The endpoint of that name, or None."""
        statement = select(ENDPOINTS).where(owned_by(tenant, ENDPOINTS), ENDPOINTS.c.name == name)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_endpoint(row)

    async def find_by_id(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """The endpoint with that id, or None."""
        statement = select(ENDPOINTS).where(
            owned_by(tenant, ENDPOINTS), ENDPOINTS.c.id == endpoint_id
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_endpoint(row)

    async def get(self, tenant: str, name: str) -> Endpoint:
        """The endpoint of that name; raises NotFound with the nearest names."""
        found = await self.find(tenant, name)
        if found is None:
            statement = select(ENDPOINTS.c.name).where(owned_by(tenant, ENDPOINTS))
            names = [str(each) for each in await self._connection.scalars(statement)]
            raise NotFound.endpoint(name, names)
        return found

    async def version(self, tenant: str, endpoint_id: str, version: int) -> ModelVersion | None:
        """One version of an endpoint, or None."""
        statement = select(ENDPOINT_VERSIONS).where(
            owned_by(tenant, ENDPOINT_VERSIONS),
            ENDPOINT_VERSIONS.c.endpoint_id == endpoint_id,
            ENDPOINT_VERSIONS.c.version == version,
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_version(row)

    async def versions(
        self, tenant: str, endpoint_id: str, *, limit: int
    ) -> tuple[ModelVersion, ...]:
        """The versions of an endpoint, the newest first."""
        statement = (
            select(ENDPOINT_VERSIONS)
            .where(
                owned_by(tenant, ENDPOINT_VERSIONS), ENDPOINT_VERSIONS.c.endpoint_id == endpoint_id
            )
            .order_by(ENDPOINT_VERSIONS.c.version.desc())
            .limit(limit)
        )
        return tuple(_to_version(row) for row in await self._connection.execute(statement))

    async def list(
        self, tenant: str, *, search: str | None, after: str | None, limit: int
    ) -> tuple[tuple[Endpoint, int], ...]:
        """Endpoints in the order of their names, from behind `after`, each with its bytes here."""
        size = (
            select(func.coalesce(func.sum(ENDPOINT_VERSIONS.c.size_bytes), 0))
            .where(ENDPOINT_VERSIONS.c.endpoint_id == ENDPOINTS.c.id)
            .scalar_subquery()
        )
        statement = _matching(select(ENDPOINTS, size.label("size_bytes")), tenant, search)
        if after is not None:
            statement = statement.where(ENDPOINTS.c.name > after)
        statement = statement.order_by(ENDPOINTS.c.name).limit(limit)
        rows = await self._connection.execute(statement)
        return tuple((_to_endpoint(row), int(row.size_bytes)) for row in rows)

    async def count(self, tenant: str, *, search: str | None = None) -> int:
        """How many `list` would show without its limit."""
        statement = _matching(select(func.count()).select_from(ENDPOINTS), tenant, search)
        return (await self._connection.execute(statement)).scalar_one()

    async def size_bytes(self, tenant: str, endpoint_id: str) -> int:
        """The bytes of all versions of an endpoint that are here."""
        statement = select(func.coalesce(func.sum(ENDPOINT_VERSIONS.c.size_bytes), 0)).where(
            owned_by(tenant, ENDPOINT_VERSIONS), ENDPOINT_VERSIONS.c.endpoint_id == endpoint_id
        )
        return int((await self._connection.execute(statement)).scalar_one())

    async def delete(self, tenant: str, name: str, *, at: datetime) -> Endpoint:
        """Forget the endpoint and free its name; raises NotFound."""
        endpoint = await self.get(tenant, name)
        statement = update(ENDPOINTS).where(
            owned_by(tenant, ENDPOINTS), ENDPOINTS.c.id == endpoint.id
        )
        await self._connection.execute(statement.values(deleted_at=at))
        return endpoint

    async def deleted(self, tenant: str) -> frozenset[str]:
        """The ids of the tenant's endpoints that were deleted."""
        statement = select(ENDPOINTS.c.id).where(
            ever_owned_by(tenant, ENDPOINTS), ENDPOINTS.c.deleted_at.is_not(None)
        )
        return frozenset(str(each) for each in await self._connection.scalars(statement))

    async def settle(
        self,
        tenant: str,
        endpoint_id: str,
        version: int,
        state: VersionState,
        *,
        reason: str | None = None,
    ) -> None:
        """Note what became of a version on Databricks; older ones that waited were overtaken."""
        statement = update(ENDPOINT_VERSIONS).where(
            owned_by(tenant, ENDPOINT_VERSIONS),
            ENDPOINT_VERSIONS.c.endpoint_id == endpoint_id,
            ENDPOINT_VERSIONS.c.version == version,
        )
        await self._connection.execute(statement.values(state=state.value, reason=reason))
        if state is VersionState.READY:
            await self._change(tenant, endpoint_id, serving=version)
            overtaken = update(ENDPOINT_VERSIONS).where(
                owned_by(tenant, ENDPOINT_VERSIONS),
                ENDPOINT_VERSIONS.c.endpoint_id == endpoint_id,
                ENDPOINT_VERSIONS.c.version < version,
                ENDPOINT_VERSIONS.c.state == VersionState.WAITING.value,
            )
            await self._connection.execute(overtaken.values(state=VersionState.SUPERSEDED.value))

    async def totals(self, tenant: str) -> tuple[StateTotals, ...]:
        """Count and size of the endpoints, by where they stand on their way to Databricks."""
        statement = (
            select(
                ENDPOINTS.c.sync_state,
                func.count(ENDPOINTS.c.id.distinct()),
                func.coalesce(func.sum(ENDPOINT_VERSIONS.c.size_bytes), 0),
            )
            .join(ENDPOINT_VERSIONS, ENDPOINT_VERSIONS.c.endpoint_id == ENDPOINTS.c.id)
            .where(owned_by(tenant, ENDPOINTS))
            .group_by(ENDPOINTS.c.sync_state)
        )
        rows = await self._connection.execute(statement)
        return tuple(
            StateTotals(state=SyncState(state), count=count, row_count=0, size_bytes=int(size))
            for state, count, size in rows
        )


def _matching(statement: Select[Any], tenant: str, search: str | None) -> Select[Any]:
    statement = statement.where(owned_by(tenant, ENDPOINTS))
    if search:
        statement = statement.where(ENDPOINTS.c.name.icontains(search, autoescape=True))
    return statement


def _changing(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "revision": endpoint.revision,
        "serving": endpoint.serving,
        "updated_at": endpoint.updated_at,
        "sync_state": endpoint.sync_state.value,
    }


def _to_endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        place=Place(row.place),
        revision=row.revision,
        serving=row.serving,
        created_at=row.created_at,
        updated_at=row.updated_at,
        sync_state=SyncState(row.sync_state),
        synced_revision=row.synced_revision,
        synced_at=row.synced_at,
        sync_error=row.sync_error,
    )


def _to_version(row: Row[Any]) -> ModelVersion:
    return ModelVersion(
        version=row.version,
        state=VersionState(row.state),
        reason=row.reason,
        flavour=row.flavour,
        source=row.source,
        file=row.file,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        signature=Signature.of(row.signature),
        created_at=row.created_at,
    )
