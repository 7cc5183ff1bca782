"""Vector indexes, seen one tenant at a time."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from servicetsunami.domain.dataset import DatasetName, SyncState
from servicetsunami.domain.index import Followed, Index
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.schema import DATASETS, INDEXES
from servicetsunami.stores.scope import owned_by
from servicetsunami.stores.tenants import Tenants


class Indexes:
    """The indexes of all tenants."""

    def __init__(self, connection: AsyncConnection, tenants: Tenants) -> None:
        self._connection = connection
        self._tenants = tenants

    async def add(self, index: Index) -> None:
        """Remember a new index; raises Conflict when the tenant has one of that name."""
        await self._tenants.ensure(index.tenant, at=index.created_at)
        values = {
            "id": index.id,
            "tenant": index.tenant,
            "name": str(index.name),
            "model": index.model,
            "dimension": index.dimension,
            "follows": index.follows.as_stored() if index.follows is not None else None,
            "follows_version": index.follows_version,
            "sync_state": SyncState.OFF.value,
            "metadata_": {},
            "created_at": index.created_at,
            "updated_at": index.updated_at,
        }
        try:
            await self._connection.execute(insert(INDEXES).values(values))
        except IntegrityError as error:
            raise Conflict(
                f"An index named {index.name} was made just now.", "Call again."
            ) from error

    async def touch(
        self, index: Index, *, at: datetime, followed: tuple[Followed, int] | None = None
    ) -> None:
        """Note that documents were added, and which version of a dataset they are all of."""
        values: dict[str, Any] = {"updated_at": at}
        if followed is not None:
            values |= {"follows": followed[0].as_stored(), "follows_version": followed[1]}
        statement = update(INDEXES).where(owned_by(index.tenant, INDEXES), INDEXES.c.id == index.id)
        await self._connection.execute(statement.values(values))

    async def find(self, tenant: str, name: DatasetName) -> Index | None:
        """The index of that name, or None."""
        statement = select(INDEXES).where(owned_by(tenant, INDEXES), INDEXES.c.name == str(name))
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_index(row)

    async def get(self, tenant: str, name: DatasetName) -> Index:
        """The index of that name; raises NotFound with the nearest names."""
        found = await self.find(tenant, name)
        if found is None:
            statement = select(INDEXES.c.name).where(owned_by(tenant, INDEXES))
            names = [str(each) for each in await self._connection.scalars(statement)]
            raise NotFound.index(str(name), names)
        return found

    async def list(
        self, tenant: str, *, search: str | None, after: str | None, limit: int
    ) -> tuple[Index, ...]:
        """Indexes in the order of their names, from behind `after`."""
        statement = _matching(select(INDEXES), tenant, search)
        if after is not None:
            statement = statement.where(INDEXES.c.name > after)
        statement = statement.order_by(INDEXES.c.name).limit(limit)
        return tuple(_to_index(row) for row in await self._connection.execute(statement))

    async def count(self, tenant: str, *, search: str | None = None) -> int:
        """How many `list` would show without its limit."""
        statement = _matching(select(func.count()).select_from(INDEXES), tenant, search)
        return (await self._connection.execute(statement)).scalar_one()

    async def delete(self, tenant: str, name: DatasetName, *, at: datetime) -> Index:
        """Forget the index and free its name; raises NotFound."""
        index = await self.get(tenant, name)
        statement = update(INDEXES).where(owned_by(tenant, INDEXES), INDEXES.c.id == index.id)
        await self._connection.execute(statement.values(deleted_at=at))
        return index


def _matching(statement: Select[Any], tenant: str, search: str | None) -> Select[Any]:
    """Those that have documents: a server may have been killed before it wrote the first ones."""
    name = DATASETS.c.schema_name + "." + DATASETS.c.table_name
    filled = exists().where(owned_by(tenant, DATASETS), name == INDEXES.c.name)
    statement = statement.where(owned_by(tenant, INDEXES), filled)
    if search:
        statement = statement.where(INDEXES.c.name.icontains(search, autoescape=True))
    return statement


def _to_index(row: Row[Any]) -> Index:
    return Index(
        id=row.id,
        tenant=row.tenant,
        name=DatasetName.of(row.name),
        model=row.model,
        dimension=row.dimension,
        follows=Followed.of(row.follows) if row.follows else None,
        follows_version=row.follows_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
