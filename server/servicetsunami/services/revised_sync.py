"""Steers the way of notebooks, jobs, endpoints and indexes to Databricks."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import DatasetName, SyncState
from servicetsunami.domain.endpoint import Endpoint
from servicetsunami.domain.index import Index
from servicetsunami.domain.job import Job
from servicetsunami.domain.notebook import Notebook, NotebookName
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.errors import ConfigurationError, InvalidInput
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.promises import promise_newest
from servicetsunami.services.sync_answers import Action, ManagedSync, SyncKind
from servicetsunami.services.sync_lines import find_asset
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction
    from servicetsunami.stores.revised import SentAssets

Steered: TypeAlias = Notebook | Job | Index | Endpoint
Pull = Callable[[Caller, str | None], Awaitable[ManagedSync]]


def check_connected(caller: Caller) -> None:
    """Raise ConfigurationError for a tenant without a workspace."""
    if not caller.has_databricks:
        raise ConfigurationError(
            "No Databricks workspace is connected.",
            "Have DATABRICKS_ENABLED and its companions set; "
            "docs/how-to/connect-databricks.md shows how.",
        )


async def look_before_retry(connection: Connection) -> None:
    """Look at the workspace, which closes the breaker: the worker would find it still open."""
    workspace = connection.opened
    if workspace is not None:
        await workspace.health.check(fresh=True)


class RevisedSync:
    """Does the actions of one kind; `wake` has the worker look at once."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        connection: Connection,
        kind: SyncKind,
        wake: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._kind = kind
        self._outbox_kind = AssetKind(kind)
        self._wake = wake

    async def manage(
        self, caller: Caller, action: Action, given: str | None, *, pull: Pull
    ) -> ManagedSync:
        """Do an action; see the tool for what each means.

        Raises InvalidInput without a needed name, ConfigurationError without a workspace.
        """
        name = given
        if given is not None and self._outbox_kind is AssetKind.NOTEBOOK:
            name = str(NotebookName.parse(given))
        if given is not None and self._outbox_kind is AssetKind.INDEX:
            name = str(DatasetName.parse(given, catalog=caller.catalog))
        if action in {"initialise", "retry", "pull"}:
            check_connected(caller)
        if action in {"initialise", "retry"}:
            return await self._retry(caller, name)
        if action == "pull":
            return await pull(caller, name)
        if name is None:
            raise InvalidInput(
                f"The action {action} needs to know of which {self._kind}.", "Give `name`."
            )
        if action == "drop":
            return await self._drop(caller, name)
        return await self._switch(caller, name, is_on=action == "on")

    async def _retry(self, caller: Caller, name: str | None) -> ManagedSync:
        await look_before_retry(self._connection)
        async with self._metadata.begin() as transaction:
            items = await transaction.outbox.requeue(
                caller.tenant, kind=self._outbox_kind, subject=name, at=datetime.now(UTC)
            )
            await self._store(transaction).unpark(caller.tenant, name)
        self._wake()
        return self.managed("retry", name, items=items, done=f"{items} changes are tried again.")

    async def _drop(self, caller: Caller, name: str) -> ManagedSync:
        async with self._metadata.begin() as transaction:
            items = await transaction.outbox.drop(
                caller.tenant, kind=self._outbox_kind, subject=name, at=datetime.now(UTC)
            )
            asset = await find_asset(transaction, caller.tenant, self._outbox_kind, name)
            if asset is not None and asset.sync_state is SyncState.PARKED:
                await self._store(transaction).set_sync(
                    caller.tenant, asset.id, SyncState.WAITING, error="changes were dropped"
                )
        return self.managed("drop", name, items=items, done=f"{items} changes will not be sent.")

    async def _switch(self, caller: Caller, name: str, *, is_on: bool) -> ManagedSync:
        state = SyncState.WAITING if is_on else SyncState.OFF
        async with self._metadata.begin() as transaction:
            asset = await self._get(transaction, caller, name)
            await self._store(transaction).set_sync(caller.tenant, asset.id, state)
            newest = replace(asset, sync_state=state)
            await promise_newest(transaction, newest, Change.UPSERT, at=datetime.now(UTC))
        self._wake()
        done = "is sent to Databricks again" if is_on else "stays on this machine"
        return self.managed("on" if is_on else "off", name, done=f"{name} {done}.")

    def managed(
        self, action: Action, name: str | None, *, done: str, items: int | None = None
    ) -> ManagedSync:
        """Say what was done."""
        return ManagedSync(
            action=action,
            kind=self._kind,
            name=name,
            items=items,
            done=done,
            next="Call sync_status to see how it stands.",
        )

    def _store(self, transaction: "Transaction") -> "SentAssets":
        stores = {
            AssetKind.NOTEBOOK: transaction.notebooks,
            AssetKind.JOB: transaction.jobs,
            AssetKind.INDEX: transaction.indexes,
            AssetKind.ENDPOINT: transaction.endpoints,
        }
        return stores[self._outbox_kind]

    async def _get(self, transaction: "Transaction", caller: Caller, name: str) -> Steered:
        if self._outbox_kind is AssetKind.JOB:
            return await transaction.jobs.get(caller.tenant, name)
        if self._outbox_kind is AssetKind.INDEX:
            return await transaction.indexes.get(caller.tenant, DatasetName.of(name))
        if self._outbox_kind is AssetKind.ENDPOINT:
            return await transaction.endpoints.get(caller.tenant, name)
        return await transaction.notebooks.get(caller.tenant, NotebookName(name))
