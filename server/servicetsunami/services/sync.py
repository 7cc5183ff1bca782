"""Owns what a caller sees and steers of the way to Databricks."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName, SyncState, WriteMode
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import Conflict, InvalidInput, ServerError
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingestion import REMOTE_PREFIX, IngestRequest
from servicetsunami.services.progress import Report
from servicetsunami.services.promises import WHOLE, promise, promise_index_of
from servicetsunami.services.pulling import Pulling
from servicetsunami.services.remote_catalog import RemoteCatalog
from servicetsunami.services.revised_sync import check_connected, look_before_retry
from servicetsunami.services.sync_answers import (
    Action,
    AssetSyncAnswer,
    ManagedSync,
    SyncStatusAnswer,
    WorkspaceAnswer,
)
from servicetsunami.services.sync_lines import Sent, asset_line, find_asset, next_step
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.metadata import Metadata

_SHOWN_MAX: Final = 50
_DATASET: Final = AssetKind.DATASET


class Sync:
    """Shows what waits for Databricks, and does what a caller decides about it.

    `prepare` creates what a tenant needs there; `wake` has the worker look at once.
    """

    def __init__(
        self,
        *,
        metadata: Metadata,
        connection: Connection,
        datasets: Datasets,
        pulling: Pulling,
        remote_catalog: RemoteCatalog,
        usage: UsageMeter,
        prepare: Callable[[str], Awaitable[None]],
        wake: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._datasets = datasets
        self._pulling = pulling
        self._remote_catalog = remote_catalog
        self._usage = usage
        self._prepare = prepare
        self._wake = wake

    async def status(
        self, caller: Caller, *, name: str | None, kind: AssetKind = AssetKind.DATASET
    ) -> SyncStatusAnswer:
        """How the workspace is, what waits, and what is held up and why.

        With a name, of that kind, also whether the copy of a table is older than the table there.
        """
        asked = None if name is None else (kind, _subject(kind, name, caller.catalog))
        with self._usage.measure(caller, "sync_status") as tally:
            async with self._metadata.read() as transaction:
                queues = await transaction.outbox.overview(caller.tenant)
                by_subject = {(queue.kind, queue.subject): queue for queue in queues}
                subjects = list(by_subject) if asked is None else [asked]
                found = [
                    (*each, await find_asset(transaction, caller.tenant, *each))
                    for each in subjects[:_SHOWN_MAX]
                ]
            assets = [
                asset_line(each_kind, subject, asset, by_subject.get((each_kind, subject)))
                for each_kind, subject, asset in found
            ]
            if asked is not None:
                assets = [await self._with_origin(caller, found[0][2], assets[0])]
            tally.rows = len(assets)
        workspace = await self.workspace(caller)
        waiting, parked = sum(each.waiting for each in queues), sum(each.parked for each in queues)
        oldest_at = min((each.oldest_at for each in queues), default=None)
        return SyncStatusAnswer(
            workspace=workspace,
            catalog=caller.catalog,
            waiting=waiting,
            parked=parked,
            oldest_at=oldest_at.isoformat() if oldest_at else None,
            assets=assets,
            total=len(subjects),
            truncated=len(subjects) > _SHOWN_MAX,
            as_of=datetime.now(UTC).isoformat(),
            next=next_step(workspace, queues),
        )

    async def manage(
        self, caller: Caller, action: Action, name: str | None, report: Report
    ) -> ManagedSync:
        """Do one of the actions; see the tool for what each means.

        Raises InvalidInput without a needed name, Conflict for a pull over waiting changes,
        ConfigurationError without a workspace, NotFound, or a RemoteError.
        """
        with self._usage.measure(caller, "manage_sync"):
            if action == "initialise":
                return await self._initialise(caller)
            if action == "retry":
                return await self._retry(caller, name)
            if name is None:
                raise InvalidInput(
                    f"The action {action} needs to know of which asset.", "Give `name`."
                )
            if action == "drop":
                return await self._drop(caller, DatasetName.parse(name, catalog=caller.catalog))
            if action == "pull":
                return await self._pull(caller, name, report)
            return await self._switch(
                caller, DatasetName.parse(name, catalog=caller.catalog), is_on=action == "on"
            )

    async def _initialise(self, caller: Caller) -> ManagedSync:
        check_connected(caller)
        await self._prepare(caller.tenant)
        items = await self._requeue(caller, None)
        await self._remote_catalog.refresh(caller)
        return ManagedSync(
            action="initialise",
            items=items,
            done=f"The catalog {caller.catalog} is ready on Databricks; {items} changes are due.",
            next="Call sync_status to see them arrive.",
        )

    async def _retry(self, caller: Caller, name: str | None) -> ManagedSync:
        check_connected(caller)
        parsed = None if name is None else DatasetName.parse(name, catalog=caller.catalog)
        await look_before_retry(self._connection)
        items = await self._requeue(caller, parsed)
        return ManagedSync(
            action="retry",
            kind="dataset" if parsed else None,
            name=str(parsed) if parsed else None,
            items=items,
            done=f"{items} changes are tried again now.",
            next="Call sync_status to see what became of them.",
        )

    async def _requeue(self, caller: Caller, name: DatasetName | None) -> int:
        """Have the changes of a dataset, or all of the tenant's, be due now."""
        subject, kind = (None, None) if name is None else (str(name), _DATASET)
        async with self._metadata.begin() as transaction:
            items = await transaction.outbox.requeue(
                caller.tenant, kind=kind, subject=subject, at=datetime.now(UTC)
            )
            await transaction.datasets.unpark(caller.tenant, subject)
            if name is None:
                await transaction.notebooks.unpark(caller.tenant, None)
                await transaction.jobs.unpark(caller.tenant, None)
                await transaction.endpoints.unpark(caller.tenant, None)
                await transaction.indexes.unpark(caller.tenant, None)
        self._wake()
        return items

    async def _drop(self, caller: Caller, name: DatasetName) -> ManagedSync:
        async with self._metadata.begin() as transaction:
            items = await transaction.outbox.drop(
                caller.tenant, kind=_DATASET, subject=str(name), at=datetime.now(UTC)
            )
            dataset = await transaction.datasets.find(caller.tenant, name)
            if dataset is not None and dataset.sync_state is SyncState.PARKED:
                await transaction.datasets.set_sync(
                    caller.tenant, dataset.id, SyncState.WAITING, error="changes were dropped"
                )
        return ManagedSync(
            action="drop",
            kind="dataset",
            name=str(name),
            items=items,
            done=f"{items} changes of {name} will not be sent; they stay here as versions.",
            next="The next change sends what is needed to catch up, where that is possible.",
        )

    async def _pull(self, caller: Caller, name: str, report: Report) -> ManagedSync:
        target, table = await self._origin(caller, name)
        request = IngestRequest(
            source=f"{REMOTE_PREFIX}{table}",
            name=str(target),
            mode=WriteMode.OVERWRITE,
            keys=(),
            format=None,
            options={},
        )
        answer = await self._datasets.ingest(caller, request, report)
        async with self._metadata.read() as transaction:
            dataset = await transaction.datasets.get(caller.tenant, target)
        pulled = dataset.pulled
        return ManagedSync(
            action="pull",
            kind="dataset",
            name=str(target),
            row_count=answer.row_count,
            version=answer.version,
            pulled_from=str(table),
            pulled_version=pulled.version if pulled else None,
            done=f"{target} now holds the {answer.row_count} rows of {table}.",
            next=f"Earlier versions of {target} stay readable: VERSION AS OF.",
        )

    async def _origin(self, caller: Caller, name: str) -> tuple[DatasetName, TableAddress]:
        """The dataset to fill, and the table to fill it from."""
        parts = name.split(".")
        if len(parts) == 3 and parts[0].strip("`").lower() != caller.catalog:
            table = TableAddress.parse(name)
            request = IngestRequest(
                source=f"{REMOTE_PREFIX}{table}",
                name=None,
                mode=WriteMode.OVERWRITE,
                keys=(),
                format=None,
                options={},
            )
            return request.target(caller.catalog), table
        target = DatasetName.parse(name, catalog=caller.catalog)
        own = TableAddress(catalog=caller.catalog, schema=target.schema, table=target.table)
        async with self._metadata.read() as transaction:
            dataset = await transaction.datasets.find(caller.tenant, target)
            waiting = await transaction.outbox.unfinished(
                caller.tenant, kind=_DATASET, subject=str(target)
            )
        if waiting:
            raise Conflict(
                f"{waiting} changes of {target} have not reached Databricks, and a pull would "
                "undo them here.",
                "Wait for them, or give them up with action drop; then pull.",
            )
        pulled = dataset.pulled if dataset is not None else None
        return target, TableAddress.parse(pulled.table) if pulled else own

    async def _switch(self, caller: Caller, name: DatasetName, *, is_on: bool) -> ManagedSync:
        now = datetime.now(UTC)
        async with self._metadata.begin() as transaction:
            dataset = await transaction.datasets.get(caller.tenant, name)
            items = await transaction.outbox.supersede(
                caller.tenant,
                kind=_DATASET,
                asset_id=dataset.id,
                reason="the sync was switched " + ("on" if is_on else "off"),
                at=now,
            )
            state = SyncState.WAITING if is_on else SyncState.OFF
            await transaction.datasets.set_sync(caller.tenant, dataset.id, state)
            if is_on:
                payload = {"version": dataset.version, "operation": WHOLE}
                await promise(transaction, dataset, Change.UPSERT, payload, at=now)
            # An index follows its table there, or gets its rows from here.
            await promise_index_of(transaction, caller.tenant, name, at=now)
        self._wake()
        done = f"{name} is sent to Databricks again, as it is now."
        if not is_on:
            done = f"{name} stays on this machine; {items} waiting changes were given up."
        return ManagedSync(
            action="on" if is_on else "off",
            kind="dataset",
            name=str(name),
            items=1 if is_on else items,
            done=done,
            next="Call sync_status to see how it stands.",
        )

    async def workspace(self, caller: Caller) -> WorkspaceAnswer:
        """How the workspace is, as found within the last 30 s; one that is down fails nothing."""
        if not caller.has_databricks:
            return WorkspaceAnswer(connected=False)
        try:
            workspace = await self._connection.workspace()
        except ServerError as error:
            return WorkspaceAnswer(connected=True, error=error.what, next_step=error.next_step)
        return WorkspaceAnswer.of(workspace.host, await workspace.health.check())

    async def _with_origin(
        self, caller: Caller, dataset: Sent | None, asset: AssetSyncAnswer
    ) -> AssetSyncAnswer:
        """For a copy: which version its table has there now, if that can be asked."""
        if not isinstance(dataset, Dataset) or not dataset.pulled or not caller.has_databricks:
            return asset
        try:
            there = await self._pulling.newest_version(
                caller, TableAddress.parse(dataset.pulled.table)
            )
        except ServerError as error:
            return asset.model_copy(update={"error": str(error)})
        is_stale = None if there is None else there != dataset.pulled.version
        return asset.model_copy(update={"version_there": there, "is_stale": is_stale})


def _subject(kind: AssetKind, name: str, catalog: str) -> str:
    if kind is AssetKind.NOTEBOOK:
        return str(NotebookName.parse(name))
    if kind in {AssetKind.JOB, AssetKind.ENDPOINT}:
        return name
    return str(DatasetName.parse(name, catalog=catalog))
