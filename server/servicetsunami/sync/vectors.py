"""Carries indexes to Databricks: made once, then filled from their table, or row by row."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.dataset import Dataset, SyncState
from servicetsunami.domain.index import Index
from servicetsunami.domain.index_there import (
    MODEL_PROPERTY,
    IndexKind,
    IndexThere,
    columns_there,
    name_there,
    spec_there,
)
from servicetsunami.domain.outbox import Change, OutboxItem
from servicetsunami.domain.remote import TableAddress
from servicetsunami.engines.vectors.rows import read_changes
from servicetsunami.errors import RemoteConflict, RemoteRefused
from servicetsunami.gateway.connection import Connection
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import table_location
from servicetsunami.sync import statements as sql
from servicetsunami.sync.places import Places
from servicetsunami.sync.vector_findings import (
    ASKED,
    INDEX_S,
    REMAKE,
    behind,
    failed,
    foreign,
    is_as_made,
    is_out_of_date,
    refuse_what_is_no_index,
    still_coming,
    waiting,
)
from servicetsunami.sync.vector_rows import REFUSED, put_rows
from servicetsunami.sync.worker import Lease

if TYPE_CHECKING:
    from servicetsunami.gateway.vectors import RemoteEndpoint, RemoteIndex
    from servicetsunami.gateway.workspace import Workspace
    from servicetsunami.stores.database import Transaction

_STATEMENT_TIMEOUT_S: Final = 600.0
_PENDING_DELETION_S: Final = 900.0
_ENDPOINT_S: Final = 3600.0
_HIDDEN_S: Final = 120.0
_TOUCHED_MAX: Final = 10
"""What earlier versions have put there can be seen by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChoice:
    """The endpoint that holds the indexes, and of which kind it is made where it is missing."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """One index on its way: what it is here, and where it goes."""

    workspace: "Workspace"
    lease: Lease
    index: Index
    dataset: Dataset
    address: TableAddress
    table: TableAddress
    wanted: IndexThere
    """How it is to be there, with nothing in it yet."""

    @property
    def known(self) -> IndexThere | None:
        """What was noted of it there."""
        return IndexThere.of(self.index.metadata)


class IndexCourier:
    """Brings indexes to vector search, and their deletions."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        connection: Connection,
        places: Places,
        endpoint: EndpointChoice,
        data_dir: Path,
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._places = places
        self._endpoint = endpoint
        self._data_dir = data_dir

    async def deliver(self, item: OutboxItem, lease: Lease) -> None:
        """Make the index there hold the newest documents; may be called again at any point.

        Raises BudgetUsedUp, or a RemoteError: RemotePending while Databricks is at work on it,
        RemoteRefused, with what to do, where something of that name is there that is not ours.
        """
        workspace = await self._connection.workspace()
        if item.change is Change.DELETE:
            await self._delete(workspace, item, lease)
            return
        async with self._metadata.read() as transaction:
            index = await transaction.indexes.find_by_id(item.tenant, item.asset_id)
            if index is None or index.sync_state is SyncState.OFF:
                return
            dataset = await transaction.datasets.get(item.tenant, index.name)
        refuse_what_is_no_index(dataset)
        place = await self._places.prepare(workspace, item.tenant, index.name.schema)
        endpoint = await self._ensure_endpoint(workspace, lease)
        is_sent = dataset.sync_state is not SyncState.OFF
        delivery = _Delivery(
            workspace=workspace,
            lease=lease,
            index=index,
            dataset=dataset,
            address=name_there(place.catalog, index.name),
            table=_table(place.catalog, index),
            wanted=IndexThere(
                kind=IndexKind.DELTA_SYNC if is_sent else IndexKind.DIRECT_ACCESS,
                endpoint=endpoint.name,
                endpoint_id=endpoint.id,
                dataset_id=dataset.id,
                columns=columns_there(dataset.columns),
            ),
        )
        await (self._follow_table(delivery) if is_sent else self._put_rows(delivery))

    async def _ensure_endpoint(self, workspace: "Workspace", lease: Lease) -> "RemoteEndpoint":
        """The endpoint, made where it is missing; coming takes it minutes."""
        name = self._endpoint.name
        found = await workspace.vectors.find_endpoint(name)
        if found is None:
            permit = await lease.permit()
            await lease.confirm()
            await workspace.vectors.create_endpoint(name, self._endpoint.kind, permit=permit)
            found = await workspace.vectors.find_endpoint(name)
        if found is not None and found.is_stopped:
            raise RemoteRefused(
                f"The endpoint {name} for vector search is {found.state.lower()} on Databricks.",
                "Have it started there, then manage_sync with kind index and action retry.",
                "ENDPOINT_STOPPED",
            )
        if found is None or not found.is_usable:
            what = f"The endpoint {name} for vector search is being made on Databricks."
            raise await waiting(lease, "endpoint", what, wait_s=10.0, limit_s=_ENDPOINT_S)
        return found

    async def _follow_table(self, delivery: _Delivery) -> None:
        """Have the index read its table, once the table has arrived."""
        dataset, lease, vectors = delivery.dataset, delivery.lease, delivery.workspace.vectors
        arrived = dataset.synced_version
        if arrived is None:
            raise behind(dataset)
        found, known = await self._ensure(await self._fed_by_table(delivery))
        if known.version is None or known.version < arrived:
            if lease.progress.get(ASKED) != arrived:
                permit = await lease.permit()
                await lease.confirm()
                await self._ask_to_sync(delivery, arrived, permit)
                found = await vectors.find(str(delivery.address)) or found
            if found.has_failed:
                raise await failed(lease, found)
            if not found.is_settled:
                raise await still_coming(delivery.lease, found)
            await self._agree(delivery, replace(known, version=arrived))
        if arrived < dataset.version:
            raise behind(dataset)

    async def _ask_to_sync(self, delivery: _Delivery, version: int, permit: Permit) -> None:
        from servicetsunami.gateway.vectors import NOT_READY  # noqa: PLC0415 - lazy

        try:
            await delivery.workspace.vectors.sync(str(delivery.address), permit=permit)
        except RemoteConflict as error:
            if error.code != NOT_READY:
                raise
            raise await waiting(
                delivery.lease, "sync", error.what, wait_s=2.0, limit_s=INDEX_S
            ) from error
        await delivery.lease.note({**delivery.lease.progress, ASKED: version})

    async def _fed_by_table(self, delivery: _Delivery) -> _Delivery:
        """Have the table tell what changes in it; the index gets the columns of the table."""
        from servicetsunami.gateway.statements import StatementRequest  # noqa: PLC0415 - lazy

        table = await delivery.workspace.catalogs.get_table(delivery.table)
        if table is None or table.properties.get(sql.OWNER_PROPERTY) != delivery.dataset.id:
            what = f"The table {delivery.table} cannot be seen on Databricks as it was sent."
            raise await waiting(delivery.lease, "table", what, wait_s=2.0, limit_s=_HIDDEN_S)
        model = delivery.index.model
        wanted = {sql.CHANGE_FEED: "true", MODEL_PROPERTY: model}
        if not wanted.items() <= table.properties.items():
            permit = await delivery.lease.permit()
            await delivery.lease.confirm()
            text = sql.feed_changes(delivery.table, model=model)
            request = StatementRequest(sql=text, permit=permit)
            await delivery.workspace.statements.run(request, timeout_s=_STATEMENT_TIMEOUT_S)
        columns = {column.name: column.type for column in table.columns}
        return replace(delivery, wanted=replace(delivery.wanted, columns=columns))

    async def _put_rows(self, delivery: _Delivery) -> None:
        """Put what has changed since the version that is there, or everything."""
        _, known = await self._ensure(delivery)
        dataset, lease = delivery.dataset, delivery.lease
        if known.version == dataset.version:
            return
        permit = await lease.permit()
        read = partial(
            read_changes,
            table_location(self._data_dir, dataset.tenant, dataset.id),
            dataset.version,
            base=known.version,
            touched=known.touched,
            types=known.columns,
            dimension=delivery.index.dimension,
        )
        changes = await to_thread.run_sync(read)
        # From now on it may hold anything of all these versions, whatever ends this.
        before = () if known.version is None else (known.version,)
        touched = (*known.touched, *before, dataset.version)[-_TOUCHED_MAX:]
        await self._agree(delivery, replace(known, version=None, touched=touched))
        await put_rows(
            delivery.workspace.vectors,
            str(delivery.address),
            changes,
            lease,
            version=dataset.version,
            is_whole=known.version is None,
            permit=permit,
        )
        done = replace(known, version=dataset.version, left_out=changes.left_out, touched=())
        await self._agree(delivery, done)

    async def _ensure(self, delivery: _Delivery) -> "tuple[RemoteIndex, IndexThere]":
        """The index there, made (anew) where it is missing or not as it has to be."""
        vectors, address, lease = delivery.workspace.vectors, str(delivery.address), delivery.lease
        found, known = await vectors.find(address), delivery.known
        if found is not None:
            if known is None or not is_as_made(found, known, delivery.table, delivery.index):
                raise foreign(delivery.address, delivery.index)
            if is_out_of_date(found, known, delivery.wanted) or lease.progress.get(REMAKE):
                await lease.confirm()
                await vectors.delete(address)
                found = None
        if found is None or known is None:
            known = delivery.wanted
            # Noted first: then what is there afterwards is ours, also when the answer is lost.
            await self._agree(delivery, known)
            found = await self._create(delivery)
        if found.has_failed and not found.is_searchable:
            raise await failed(lease, found)
        if not found.is_searchable:
            raise await still_coming(delivery.lease, found)
        return found, known

    async def _create(self, delivery: _Delivery) -> "RemoteIndex":
        from servicetsunami.gateway.vectors import PENDING_DELETION  # noqa: PLC0415 - lazy

        vectors, lease = delivery.workspace.vectors, delivery.lease
        spec = spec_there(
            delivery.address,
            delivery.table,
            delivery.wanted,
            dimension=delivery.index.dimension,
        )
        permit = await lease.permit()
        await lease.note({**lease.progress, REMAKE: None, ASKED: None, REFUSED: None})
        await lease.confirm()
        try:
            await vectors.create(spec, permit=permit)
        except RemoteConflict as error:
            if error.code == PENDING_DELETION:
                raise await waiting(
                    lease, "deletion", error.what, wait_s=10.0, limit_s=_PENDING_DELETION_S
                ) from error
            if not error.code.endswith("ALREADY_EXISTS"):
                raise
        found = await vectors.find(str(delivery.address))
        if found is None:
            what = f"The index {delivery.address} cannot be seen, or its name is taken by a table."
            raise await waiting(lease, "hidden", what, wait_s=2.0, limit_s=_HIDDEN_S)
        return found

    async def _agree(self, delivery: _Delivery, there: IndexThere) -> None:
        """Remember what is there now."""
        index = delivery.index
        async with self._metadata.begin() as transaction:
            await transaction.indexes.agree(index.tenant, index.id, there)
            await transaction.indexes.mark_delivered(index.tenant, index.id, at=delivery.lease.now)

    async def _delete(self, workspace: "Workspace", item: OutboxItem, lease: Lease) -> None:
        """Delete it there, if it is still the one that we have made."""
        place = self._places.of(item.tenant)
        async with self._metadata.read() as transaction:
            index = await transaction.indexes.find_ever(item.tenant, item.asset_id)
        known = IndexThere.of(index.metadata if index is not None else {})
        if index is None or known is None:
            return
        address = str(name_there(place.catalog, index.name))
        found = await workspace.vectors.find(address)
        if found is not None and is_as_made(found, known, _table(place.catalog, index), index):
            await lease.confirm()
            await workspace.vectors.delete(address)

    async def delivered(self, transaction: "Transaction", item: OutboxItem, at: datetime) -> None:
        """Note, in the transaction that ends the item, how far the index is."""
        if item.change is Change.UPSERT:
            await transaction.indexes.mark_delivered(item.tenant, item.asset_id, at=at)

    async def parked(self, transaction: "Transaction", item: OutboxItem, reason: str) -> None:
        """Note, in the transaction that parks the item, what holds the index up."""
        await transaction.indexes.set_sync(
            item.tenant, item.asset_id, SyncState.PARKED, error=reason
        )


def _table(catalog: str, index: Index) -> TableAddress:
    return TableAddress(catalog=catalog, schema=index.name.schema, table=index.name.table)
