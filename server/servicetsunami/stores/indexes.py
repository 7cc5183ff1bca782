"""Vector indexes, seen one tenant at a time."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from servicetsunami.domain.dataset import DatasetName, SyncState
from servicetsunami.domain.index import Followed, Index
from servicetsunami.domain.index_there import IndexThere
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.datasets import StateTotals
from servicetsunami.stores.revised import SentAssets
from servicetsunami.stores.schema import DATASETS, INDEXES
from servicetsunami.stores.scope import ever_owned_by, owned_by

_NAME = DATASETS.c.schema_name + "." + DATASETS.c.table_name
_VERSION = (
    select(DATASETS.c.version)
    .where(DATASETS.c.tenant == INDEXES.c.tenant, DATASETS.c.deleted_at.is_(None))
    .where(INDEXES.c.name == _NAME)
    .scalar_subquery()
)
"""The newest version of an index's documents."""
_FOUND = select(INDEXES, _VERSION.label("version"))


class Indexes(SentAssets):
    """The indexes of all tenants."""

    TABLE = INDEXES

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
            "sync_state": index.sync_state.value,
            "metadata_": dict(index.metadata),
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
        statement = _FOUND.where(owned_by(tenant, INDEXES), INDEXES.c.name == str(name))
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_index(row)

    async def find_by_id(self, tenant: str, index_id: str) -> Index | None:
        """The index with that id, or None."""
        statement = _FOUND.where(owned_by(tenant, INDEXES), INDEXES.c.id == index_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_index(row)

    async def get(self, tenant: str, name: DatasetName) -> Index:
        """The index of that name; raises NotFound with the nearest names."""
        found = await self.find(tenant, name)
        if found is None:
            raise NotFound.index(str(name), await self.names(tenant))
        return found

    async def names(self, tenant: str) -> tuple[str, ...]:
        """The names of all indexes, in order."""
        statement = select(INDEXES.c.name).where(owned_by(tenant, INDEXES)).order_by(INDEXES.c.name)
        return tuple(str(name) for name in await self._connection.scalars(statement))

    async def list(
        self, tenant: str, *, search: str | None, after: str | None, limit: int
    ) -> tuple[Index, ...]:
        """Indexes in the order of their names, from behind `after`."""
        statement = _matching(_FOUND, tenant, search)
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

    async def find_ever(self, tenant: str, index_id: str) -> Index | None:
        """The index with that id, also when it was deleted here: it may still be elsewhere."""
        statement = _FOUND.where(ever_owned_by(tenant, INDEXES), INDEXES.c.id == index_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_index(row)

    async def agree(self, tenant: str, index_id: str, there: IndexThere) -> None:
        """Remember what is known of it on Databricks, also when it was deleted here meanwhile."""
        statement = update(INDEXES).where(ever_owned_by(tenant, INDEXES), INDEXES.c.id == index_id)
        await self._connection.execute(statement.values(metadata_=there.as_metadata()))

    async def mark_delivered(self, tenant: str, index_id: str, *, at: datetime) -> None:
        """Note that what is known of it there has arrived; synced is who has nothing newer."""
        index = await self.find_by_id(tenant, index_id)
        there = IndexThere.of(index.metadata if index is not None else {})
        if index is None or there is None or there.version is None:
            return
        is_newest = index.version is not None and index.version <= there.version
        state = SyncState.SYNCED if is_newest else SyncState.WAITING
        await self._change(
            tenant,
            index_id,
            sync_state=case(
                (INDEXES.c.sync_state == SyncState.OFF.value, SyncState.OFF.value),
                else_=state.value,
            ),
            synced_version=there.version,
            synced_at=at,
            sync_error=None,
        )

    async def await_delivery(self, tenant: str, index_id: str) -> None:
        """Note that a change waits, in the place of what was there or was held up before."""
        statement = update(INDEXES).where(
            owned_by(tenant, INDEXES),
            INDEXES.c.id == index_id,
            INDEXES.c.sync_state != SyncState.OFF.value,
        )
        values = {"sync_state": SyncState.WAITING.value, "sync_error": None}
        await self._connection.execute(statement.values(values))

    async def totals(self, tenant: str) -> tuple[StateTotals, ...]:
        """Count of the indexes, by where they stand on their way to Databricks."""
        statement = (
            select(INDEXES.c.sync_state, func.count())
            .where(owned_by(tenant, INDEXES), _has_documents(tenant))
            .group_by(INDEXES.c.sync_state)
        )
        rows = await self._connection.execute(statement)
        return tuple(
            StateTotals(state=SyncState(state), count=count, row_count=0, size_bytes=0)
            for state, count in rows
        )


def _has_documents(tenant: str) -> ColumnElement[bool]:
    """A server may have been killed before it wrote the first documents of an index."""
    return exists().where(owned_by(tenant, DATASETS), INDEXES.c.name == _NAME)


def _matching(statement: Select[Any], tenant: str, search: str | None) -> Select[Any]:
    statement = statement.where(owned_by(tenant, INDEXES), _has_documents(tenant))
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
        version=row.version,
        sync_state=SyncState(row.sync_state),
        synced_version=row.synced_version,
        synced_at=row.synced_at,
        sync_error=row.sync_error,
        metadata=row.metadata_,
    )
