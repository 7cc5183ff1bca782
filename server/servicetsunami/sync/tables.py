"""Carries a dataset's changes to its table on Databricks: one version at a time, each once."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.dataset import Column, Dataset, SyncState
from servicetsunami.domain.outbox import Change, OutboxItem
from servicetsunami.domain.remote import RemoteTable, TableAddress
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.errors import RemoteConflict, RemoteNotFound, RemoteRefused
from servicetsunami.gateway.connection import Connection
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import table_location
from servicetsunami.sync import statements as sql
from servicetsunami.sync.places import Places
from servicetsunami.sync.worker import Lease

if TYPE_CHECKING:
    from servicetsunami.gateway.workspace import Workspace
    from servicetsunami.stores.database import Transaction

TAG_ITEM: Final = "servicetsunami_item"
_STAGE_TIMEOUT_S: Final = 1800.0
_STATEMENT_TIMEOUT_S: Final = 1800.0
_UPLOAD_DEADLINE_S: Final = 1800.0
_WHOLE: Final = "snapshot"
_REPLACE_NEXT: Final = "replace"
_STATEMENT: Final = "statement_id"
_STALE_PAUSES_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where one item goes: a dataset's table, and the folder its files pass through."""

    item: OutboxItem
    permit: Permit
    dataset: Dataset
    version: int
    table: TableAddress
    folder: str


class TableCourier:
    """Brings versions of datasets to Unity Catalog tables, and their deletions."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        connection: Connection,
        pool: WorkerPool,
        places: Places,
        data_dir: Path,
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._pool = pool
        self._places = places
        self._data_dir = data_dir

    async def deliver(self, item: OutboxItem, lease: Lease) -> None:
        """Make Databricks hold what the item promised; may be called again at any point.

        Raises BudgetUsedUp, or a RemoteError: RemoteRefused with what to do when the table there
        is not ours, or does not hold what it should hold afterwards.
        """
        workspace = await self._connection.workspace()
        await self._await_earlier(workspace, item, lease)
        if item.change is Change.DELETE:
            await self._delete(workspace, item, lease)
            return
        dataset = await self._dataset(item)
        if dataset is not None:
            await self._send(workspace, item, dataset, lease)

    async def delivered(self, transaction: "Transaction", item: OutboxItem, at: datetime) -> None:
        """Note, in the transaction that ends the item, how far the dataset is."""
        if item.change is Change.UPSERT:
            await transaction.datasets.mark_synced(
                item.tenant, item.asset_id, version=_version(item), at=at
            )

    async def parked(self, transaction: "Transaction", item: OutboxItem, reason: str) -> None:
        """Note, in the transaction that parks the item, what holds the dataset up."""
        await transaction.datasets.mark_parked(item.tenant, item.asset_id, error=reason)

    async def _dataset(self, item: OutboxItem) -> Dataset | None:
        """The dataset, unless it was deleted meanwhile or is not to be sent any more."""
        async with self._metadata.read() as transaction:
            found = await transaction.datasets.find_by_id(item.tenant, item.asset_id)
        return None if found is None or found.sync_state is SyncState.OFF else found

    async def _await_earlier(self, workspace: "Workspace", item: OutboxItem, lease: Lease) -> None:
        """Let a statement end that an earlier try of this item may have left running.

        It would otherwise change the table after a later item did.
        """
        if lease.is_first:
            return
        known = lease.progress.get(_STATEMENT)
        found = await workspace.statements.history(
            since=item.created_at, tags={TAG_ITEM: str(item.id)}
        )
        running = {each.statement_id for each in found if each.is_running}
        for statement_id in {*running, *([str(known)] if known else [])}:
            try:
                statement = await workspace.statements.look(statement_id)
                if not statement.is_ended:
                    await workspace.statements.follow(statement, timeout_s=_STATEMENT_TIMEOUT_S)
            except (RemoteNotFound, RemoteRefused, RemoteConflict):
                # It ended without effect: the work is done anew, and says itself what is wrong.
                continue

    async def _delete(self, workspace: "Workspace", item: OutboxItem, lease: Lease) -> None:
        place = self._places.of(item.tenant)
        table = _address(place.catalog, item.subject)
        found = await workspace.catalogs.get_table(table)
        if found is not None and found.properties.get(sql.OWNER_PROPERTY) == item.asset_id:
            await lease.confirm()
            await workspace.catalogs.delete_table(table)
        await workspace.files.remove_tree(f"{place.folder}/{item.asset_id}")

    async def _send(
        self, workspace: "Workspace", item: OutboxItem, dataset: Dataset, lease: Lease
    ) -> None:
        place = await self._places.prepare(workspace, item.tenant, dataset.name.schema)
        version = _version(item)
        permit = await lease.permit()
        target = _Target(
            item=item,
            permit=permit,
            dataset=dataset,
            version=version,
            table=_address(place.catalog, str(dataset.name)),
            folder=f"{place.folder}/{dataset.id}/{version}",
        )
        there = await workspace.catalogs.get_table(target.table)
        _refuse_foreign(there, target)
        # A table that was dropped there, or that differs, is made anew from the whole version.
        whole = there is None or bool(lease.progress.get(_REPLACE_NEXT))
        temp = self._data_dir / "tenants" / item.tenant / "sync" / str(item.id)
        try:
            staged = await self._stage(target, temp, operation=_WHOLE if whole else None)
            for file in staged["files"]:
                await self._upload(workspace, target, file, lease)
            await self._execute(workspace, _statement(target, staged), target, lease)
            await self._verify(workspace, target, staged, lease)
        finally:
            await to_thread.run_sync(partial(shutil.rmtree, temp, ignore_errors=True))
        # Without its files a late repetition of the statement fails, rather than undo later work.
        await workspace.files.remove_tree(target.folder)

    async def _stage(
        self, target: _Target, temp: Path, *, operation: str | None
    ) -> Mapping[str, Any]:
        """Have a child find what to send: files as they are, or a file of the changed rows."""
        dataset, payload = target.dataset, target.item.payload
        async with self._metadata.read() as transaction:
            base = await transaction.datasets.version_before(
                dataset.tenant, dataset.id, target.version
            )
        arguments = {
            "location": str(table_location(self._data_dir, dataset.tenant, dataset.id)),
            "version": target.version,
            "base_version": base.version if base else None,
            "operation": operation or str(payload.get("operation", _WHOLE)),
            "keys": payload.get("keys") or [],
            "folder": str(temp),
        }
        async with self._pool.acquire() as worker:
            return await worker.call("stage", arguments, timeout_s=_STAGE_TIMEOUT_S)

    async def _upload(
        self, workspace: "Workspace", target: _Target, file: Mapping[str, Any], lease: Lease
    ) -> None:
        path = f"{target.folder}/{_file_name(file)}"
        # The name is the content: what is there in full need not be sent again.
        if await workspace.files.size(path) != file["size_bytes"]:
            await lease.confirm()
            await workspace.files.upload(path, Path(file["path"]), deadline_s=_UPLOAD_DEADLINE_S)

    async def _execute(
        self, workspace: "Workspace", text: str, target: _Target, lease: Lease
    ) -> None:
        from servicetsunami.gateway.statements import StatementRequest  # noqa: PLC0415 - lazy

        async def started(statement_id: str) -> None:
            await lease.note({**lease.progress, _STATEMENT: statement_id})

        await lease.confirm()
        request = StatementRequest(
            sql=text,
            permit=target.permit,
            tags={
                "servicetsunami_dataset": target.dataset.id,
                TAG_ITEM: str(target.item.id),
            },
        )
        await workspace.statements.run(request, timeout_s=_STATEMENT_TIMEOUT_S, on_started=started)

    async def _verify(
        self, workspace: "Workspace", target: _Target, staged: Mapping[str, Any], lease: Lease
    ) -> None:
        """Read back the row count and the columns."""
        from servicetsunami.gateway.statements import StatementRequest  # noqa: PLC0415 - lazy

        request = StatementRequest(sql=sql.count_rows(target.table), permit=target.permit)
        counted = await workspace.statements.run(request, timeout_s=_STATEMENT_TIMEOUT_S)
        [[count]] = [row async for rows in workspace.statements.rows(counted) for row in rows]
        columns = [Column(**column) for column in staged["columns"]]
        difference = await _difference(workspace, target.table, columns)
        if int(count or 0) == staged["row_count"] and difference is None:
            return
        await lease.note({**lease.progress, _REPLACE_NEXT: True})
        found = f"the column {difference}" if difference else f"{count} rows there"
        raise RemoteRefused(
            f"The table {target.table} differs from version {target.version} of "
            f"{target.dataset.name}: {found}, {staged['row_count']} rows here. It was changed on "
            "Databricks.",
            "manage_sync with action retry replaces it by ours; action pull takes theirs.",
            "CHANGED_THERE",
        )


async def _difference(
    workspace: "Workspace", table: TableAddress, columns: Sequence[Column]
) -> str | None:
    """The first column that differs there; asked again for a while, since reads may be stale."""
    difference: str | None = None
    for pause_s in _STALE_PAUSES_S:
        await anyio.sleep(pause_s)
        there = await workspace.catalogs.get_table(table)
        difference = sql.differing(columns, there.columns if there else ())
        if difference is None:
            break
    return difference


def _version(item: OutboxItem) -> int:
    return int(str(item.payload["version"]))


def _address(catalog: str, subject: str) -> TableAddress:
    schema, _, table = subject.partition(".")
    return TableAddress(catalog=catalog, schema=schema, table=table)


def _file_name(file: Mapping[str, Any]) -> str:
    return f"{file['sha256']}.parquet"


def _statement(target: _Target, staged: Mapping[str, Any]) -> str:
    columns = [Column(**column) for column in staged["columns"]]
    if staged["strategy"] == "append":
        return sql.copy_into(target.table, target.folder, [_file_name(f) for f in staged["files"]])
    if staged["strategy"] == "merge":
        keys = target.item.payload["keys"]
        return sql.merge_into(target.table, target.folder, columns, keys=list(keys))  # ty: ignore
    return sql.replace_table(target.table, target.folder, columns, dataset_id=target.dataset.id)


def _refuse_foreign(there: RemoteTable | None, target: _Target) -> None:
    if there is not None and there.properties.get(sql.OWNER_PROPERTY) != target.dataset.id:
        raise RemoteRefused(
            f"On Databricks there is a {there.kind.lower()} table {target.table} that is not from "
            "this dataset: it is left alone.",
            "Rename or drop it there, then call manage_sync with action retry; or delete the "
            "dataset here.",
            "FOREIGN_TABLE",
        )
