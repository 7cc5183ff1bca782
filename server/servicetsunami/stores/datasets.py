"""Datasets and their acknowledged versions: the truth about what is in the tables on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Select,
    case,
    cast,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from servicetsunami.domain.dataset import Dataset, DatasetName, DatasetVersion, SyncState
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.records import (
    dataset_values,
    to_dataset,
    to_version,
    version_values,
)
from servicetsunami.stores.schema import DATASET_VERSIONS, DATASETS
from servicetsunami.stores.scope import ever_owned_by, owned_by, remembered
from servicetsunami.stores.tenants import Tenants

_SHOWN_VERSIONS_MAX = 20
_SYNC_COLUMNS = frozenset({"sync_state", "synced_version", "synced_at", "sync_error"})
_STATE_AFTER_CHANGE = case(
    (DATASETS.c.sync_state == SyncState.SYNCED.value, SyncState.WAITING.value),
    else_=DATASETS.c.sync_state,
)
_VERSION_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTotals:
    """The datasets in one sync state, added up."""

    state: SyncState
    count: int
    row_count: int
    size_bytes: int


class Datasets:
    """The datasets of all tenants, seen one tenant at a time."""

    def __init__(self, connection: Connection, tenants: Tenants) -> None:
        self._connection = connection
        self._tenants = tenants

    async def register(self, dataset: Dataset, first: DatasetVersion) -> None:
        """Remember a new dataset with its first version.

        Raises Conflict when the tenant has a dataset of that name.
        """
        await self._tenants.ensure(dataset.tenant, at=dataset.created_at)
        try:
            await self._connection.execute(insert(DATASETS).values(dataset_values(dataset)))
        except IntegrityError as error:
            raise Conflict(
                f"A dataset named {dataset.name} exists already.",
                "Use mode 'append', 'overwrite' or 'merge' to change it, or choose another name.",
            ) from error
        await self._add_version(dataset, first)

    async def update(self, dataset: Dataset, change: DatasetVersion, *, base_version: int) -> None:
        """Acknowledge a new version of a dataset, if it is still at `base_version`.

        A synced dataset waits again; how far the sync is, only the worker's own words change.
        Raises Conflict when it was changed or deleted meanwhile, or when the idempotency key of
        the change was applied before.
        """
        statement = (
            update(DATASETS)
            .where(
                owned_by(dataset.tenant, DATASETS),
                DATASETS.c.id == dataset.id,
                DATASETS.c.version == base_version,
            )
            .values({**_without_sync(dataset_values(dataset)), "sync_state": _STATE_AFTER_CHANGE})
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise Conflict(
                f"The dataset {dataset.name} was changed or deleted meanwhile.",
                "Nothing was written: call again.",
            )
        await self._add_version(dataset, change)

    async def _add_version(self, dataset: Dataset, change: DatasetVersion) -> None:
        statement = insert(DATASET_VERSIONS).values(version_values(dataset.id, change))
        try:
            await self._connection.execute(statement)
        except IntegrityError as error:
            raise Conflict(
                f"This change of {dataset.name} was applied before.",
                "Do not repeat it; call describe_asset to see the dataset's versions.",
            ) from error

    async def get(self, tenant: str, name: DatasetName) -> Dataset:
        """The dataset of that name; raises NotFound with the nearest names."""
        found = await self.find(tenant, name)
        if found is None:
            raise NotFound.dataset(str(name), [str(each) for each in await self.names(tenant)])
        return found

    async def find(self, tenant: str, name: DatasetName) -> Dataset | None:
        """The dataset of that name, or None."""
        return await self._one(_named(tenant, name))

    async def find_by_id(self, tenant: str, dataset_id: str) -> Dataset | None:
        """The dataset with that id, or None."""
        own = owned_by(tenant, DATASETS)
        return await self._one(select(DATASETS).where(own, DATASETS.c.id == dataset_id))

    async def _one(self, statement: Select) -> Dataset | None:
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else to_dataset(row)

    async def list(
        self,
        tenant: str,
        *,
        search: str | None = None,
        after: DatasetName | None = None,
        limit: int = 100,
    ) -> tuple[Dataset, ...]:
        """Datasets in the order of their names, from behind `after`, at most `limit` of them.

        `search` is a part of `schema.table`, in any case.
        """
        statement = _page(tenant, search, after, limit)
        return tuple(map(to_dataset, await self._connection.execute(statement)))

    async def count(self, tenant: str, *, search: str | None = None) -> int:
        """How many datasets `list` would show without its limit."""
        statement = _matching(select(func.count()).select_from(DATASETS), tenant, search)
        return (await self._connection.execute(statement)).scalar_one()

    async def names(self, tenant: str) -> tuple[DatasetName, ...]:
        """The names of all datasets, in order."""
        statement = (
            select(DATASETS.c.schema_name, DATASETS.c.table_name)
            .where(owned_by(tenant, DATASETS))
            .order_by(DATASETS.c.schema_name, DATASETS.c.table_name)
        )
        rows = await self._connection.execute(statement)
        return tuple(DatasetName(schema=schema, table=table) for schema, table in rows)

    async def delete(self, tenant: str, name: DatasetName, *, at: datetime) -> Dataset:
        """Forget the dataset and free its name; raises NotFound.

        The row stays, marked, for the versions and promises that mention it. The files are for the
        caller to remove, after the commit.
        """
        dataset = await self.get(tenant, name)
        statement = (
            update(DATASETS)
            .where(owned_by(tenant, DATASETS), DATASETS.c.id == dataset.id)
            .values(deleted_at=at)
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise NotFound.dataset(str(name), [])
        return dataset

    async def mark_synced(
        self, tenant: str, dataset_id: str, *, version: int, at: datetime
    ) -> None:
        """Note that a version has reached Databricks; synced is only who has no newer one."""
        newest = DATASETS.c.version
        await self._sync(
            tenant,
            dataset_id,
            sync_state=case(
                (DATASETS.c.sync_state == SyncState.OFF.value, SyncState.OFF.value),
                (newest <= version, SyncState.SYNCED.value),
                else_=SyncState.WAITING.value,
            ),
            synced_version=version,
            synced_at=at,
            sync_error=None,
        )

    async def mark_parked(self, tenant: str, dataset_id: str, *, error: str) -> None:
        """Note what holds the dataset up."""
        await self._sync(tenant, dataset_id, sync_state=SyncState.PARKED.value, sync_error=error)

    async def set_sync(
        self, tenant: str, dataset_id: str, state: SyncState, *, error: str | None = None
    ) -> None:
        """Decide whether a dataset is sent."""
        await self._sync(tenant, dataset_id, sync_state=state.value, sync_error=error)

    async def _sync(self, tenant: str, dataset_id: str, **values: object) -> None:
        statement = (
            update(DATASETS)
            .where(owned_by(tenant, DATASETS), DATASETS.c.id == dataset_id)
            .values(**values)
        )
        await self._connection.execute(statement)

    async def unpark(self, tenant: str, subject: str | None) -> None:
        """Have parked datasets wait again: all of the tenant's, or the one of that name."""
        statement = update(DATASETS).where(
            owned_by(tenant, DATASETS), DATASETS.c.sync_state == SyncState.PARKED.value
        )
        if subject is not None:
            name = DATASETS.c.schema_name + "." + DATASETS.c.table_name
            statement = statement.where(name == subject)
        values = {"sync_state": SyncState.WAITING.value, "sync_error": None}
        await self._connection.execute(statement.values(values))

    async def totals(self, tenant: str) -> tuple[StateTotals, ...]:
        """Count and size of the datasets, by where they stand on their way to Databricks."""
        columns = DATASETS.c
        statement = (
            select(
                columns.sync_state,
                func.count().label("count"),
                cast(func.sum(columns.row_count), columns.row_count.type).label("row_count"),
                cast(func.sum(columns.size_bytes), columns.row_count.type).label("size_bytes"),
            )
            .where(owned_by(tenant, DATASETS))
            .group_by(columns.sync_state)
        )
        return tuple(
            StateTotals(
                state=SyncState(row.sync_state),
                count=row.count,
                row_count=row.row_count,
                size_bytes=row.size_bytes,
            )
            for row in (await self._connection.execute(statement)).all()
        )

    async def stored(self, tenant: str) -> tuple[int, int]:
        """Rows of the newest versions, and bytes of the data files of all of them."""
        columns = DATASETS.c
        statement = select(
            func.coalesce(func.sum(columns.row_count), 0),
            func.coalesce(func.sum(columns.stored_bytes), 0),
        ).where(owned_by(tenant, DATASETS))
        rows, size_bytes = (await self._connection.execute(statement)).one()
        return int(rows), int(size_bytes)

    async def version_before(
        self, tenant: str, dataset_id: str, number: int
    ) -> DatasetVersion | None:
        """The acknowledged version that a version was built on; None for the first one."""
        statement = (
            _versions(tenant, dataset_id)
            .where(DATASET_VERSIONS.c.version < number)
            .order_by(DATASET_VERSIONS.c.version.desc())
            .limit(1)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else to_version(row)

    async def versions(
        self, tenant: str, dataset_id: str, *, limit: int = 100
    ) -> tuple[DatasetVersion, ...]:
        """The acknowledged versions of a dataset, newest first."""
        statement = _versions(tenant, dataset_id).order_by(DATASET_VERSIONS.c.version.desc())
        return tuple(map(to_version, await self._connection.execute(statement.limit(limit))))

    async def version(self, tenant: str, dataset_id: str, number: int) -> DatasetVersion:
        """One acknowledged version; raises NotFound with those that exist."""
        # A number that no column can hold is unknown, too.
        row = None
        if number <= _VERSION_MAX:
            statement = _version(tenant, dataset_id, number)
            row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            raise await self._no_version(tenant, dataset_id, f"no version {number}")
        return to_version(row)

    async def version_at(self, tenant: str, dataset_id: str, timestamp: datetime) -> DatasetVersion:
        """The version that was the newest at that time; raises NotFound before the first one."""
        statement = (
            _versions(tenant, dataset_id)
            .where(DATASET_VERSIONS.c.created_at <= timestamp)
            .order_by(DATASET_VERSIONS.c.version.desc())
            .limit(1)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            missing = f"no version at {timestamp.isoformat()} yet"
            raise await self._no_version(tenant, dataset_id, missing)
        return to_version(row)

    async def find_by_idempotency_key(
        self, tenant: str, dataset_id: str, key: str
    ) -> DatasetVersion | None:
        """The version that a change with this key made, or None: then it was never applied."""
        statement = _versions(tenant, dataset_id).where(DATASET_VERSIONS.c.idempotency_key == key)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else to_version(row)

    async def acknowledged_versions(self, tenant: str) -> dict[str, int]:
        """The newest acknowledged version of every dataset, by its id."""
        statement = select(DATASETS.c.id, DATASETS.c.version).where(owned_by(tenant, DATASETS))
        return {row.id: row.version for row in await self._connection.execute(statement)}

    async def acknowledged_version(self, tenant: str, dataset_id: str) -> int | None:
        """The newest acknowledged version, or None for a dataset that nobody knows (any more)."""
        statement = select(DATASETS.c.version).where(
            owned_by(tenant, DATASETS), DATASETS.c.id == dataset_id
        )
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def was_deleted(self, tenant: str, dataset_id: str) -> bool:
        """Tell whether there was such a dataset once, and it was deleted."""
        statement = select(DATASETS.c.id).where(
            ever_owned_by(tenant, DATASETS),
            DATASETS.c.id == dataset_id,
            DATASETS.c.deleted_at.is_not(None),
        )
        return (await self._connection.execute(statement)).one_or_none() is not None

    async def _no_version(self, tenant: str, dataset_id: str, missing: str) -> NotFound:
        known = await self.versions(tenant, dataset_id, limit=_SHOWN_VERSIONS_MAX)
        if not known:
            return NotFound(f"There is {missing}.", "Call list_assets to see which datasets exist.")
        shown = ", ".join(f"{each.version} ({each.created_at.isoformat()})" for each in known)
        return NotFound(f"There is {missing}.", f"The newest versions are {shown}.")


def _without_sync(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in _SYNC_COLUMNS}


@remembered
def _named(tenant: str, name: DatasetName) -> Select:
    place = DATASETS.c.schema_name == name.schema, DATASETS.c.table_name == name.table
    return select(DATASETS).where(owned_by(tenant, DATASETS), *place)


@remembered
def _version(tenant: str, dataset_id: str, number: int) -> Select:
    return _versions(tenant, dataset_id).where(DATASET_VERSIONS.c.version == number)


def _versions(tenant: str, dataset_id: str) -> Select:
    return select(DATASET_VERSIONS).where(
        owned_by(tenant, DATASET_VERSIONS), DATASET_VERSIONS.c.dataset_id == dataset_id
    )


@remembered
def _page(tenant: str, search: str | None, after: DatasetName | None, limit: int) -> Select:
    statement = _matching(select(DATASETS), tenant, search)
    if after is not None:
        place = tuple_(DATASETS.c.schema_name, DATASETS.c.table_name)
        statement = statement.where(place > tuple_(after.schema, after.table))
    return statement.order_by(DATASETS.c.schema_name, DATASETS.c.table_name).limit(limit)


def _matching(statement: Select, tenant: str, search: str | None) -> Select:
    statement = statement.where(owned_by(tenant, DATASETS))
    if search is None:
        return statement
    name = DATASETS.c.schema_name + "." + DATASETS.c.table_name
    return statement.where(name.icontains(search, autoescape=True))
