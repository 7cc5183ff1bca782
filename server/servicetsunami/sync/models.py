"""Carries model endpoints to the workspace: created once, then changed from version to version."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.cost import TENANT_TAG
from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.endpoint import TAG, CatalogModel, VersionState, name_there
from servicetsunami.domain.outbox import Change, OutboxItem
from servicetsunami.errors import RemotePending, RemoteRefused
from servicetsunami.gateway.connection import Connection
from servicetsunami.stores.metadata import Metadata
from servicetsunami.sync.worker import Lease

if TYPE_CHECKING:
    from servicetsunami.gateway.serving import RemoteEndpoint, ServedEntity
    from servicetsunami.gateway.workspace import Workspace
    from servicetsunami.stores.database import Transaction

_LOOK_EVERY_S: Final = 10.0
_ASKED: Final = "asked"
"""In an item's progress: the revision that Databricks was asked to serve."""


class ModelCourier:
    """Brings endpoints to the workspace, and deletes them. `catalog_of` is a tenant's catalog."""

    def __init__(
        self, *, metadata: Metadata, connection: Connection, catalog_of: Callable[[str], str]
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._catalog_of = catalog_of

    async def deliver(self, item: OutboxItem, lease: Lease) -> None:
        """Have the endpoint serve the newest version; may be called again at any point.

        Raises BudgetUsedUp, RemotePending while Databricks works on it, RemoteRefused, with what
        to do, where it has failed, or where the name belongs to somebody else.
        """
        workspace = await self._connection.workspace()
        name = name_there(self._catalog_of(item.tenant), item.subject)
        found = await workspace.serving.find(name)
        if item.change is Change.DELETE:
            if found is not None and found.tags.get(TAG) == item.asset_id:
                await lease.confirm()
                await workspace.serving.delete(name)
            return
        model = await self._wanted(item)
        if model is None:
            return
        if found is not None and found.tags.get(TAG) != item.asset_id:
            raise RemoteRefused(
                f"The workspace has an endpoint {name} that this server did not make.",
                "Have it deleted there, then manage_sync with kind endpoint and action retry; or "
                "deploy under another name.",
            )
        if found is not None and found.tags.get(TENANT_TAG) != item.tenant:
            # Made before the tag was known, or changed by somebody: its cost would be nobody's.
            await lease.confirm()
            await workspace.serving.tag(name, {TENANT_TAG: item.tenant})
        if found is None or not await _is_done(workspace, found, model, item, lease):
            await self._ask(workspace, name, model, item, lease, is_new=found is None)

    async def _wanted(self, item: OutboxItem) -> CatalogModel | None:
        """The model that is to be served; None when there is nothing to do any more."""
        async with self._metadata.read() as transaction:
            endpoint = await transaction.endpoints.find_by_id(item.tenant, item.asset_id)
            if endpoint is None or endpoint.sync_state is SyncState.OFF:
                return None
            version = await transaction.endpoints.version(item.tenant, item.asset_id, _of(item))
        return None if version is None else CatalogModel.parse(version.source)

    async def _ask(
        self,
        workspace: "Workspace",
        name: str,
        model: CatalogModel,
        item: OutboxItem,
        lease: Lease,
        *,
        is_new: bool,
    ) -> None:
        """Have Databricks begin; how far it is, the next look tells."""
        from servicetsunami.gateway.serving import entity_of  # noqa: PLC0415 - with a workspace

        entity = entity_of(model.name, model.version)
        permit = await lease.permit()
        await lease.confirm()
        if is_new:
            await workspace.serving.create(name, entity, {TAG: item.asset_id}, permit=permit)
        else:
            await workspace.serving.change(name, entity, permit=permit)
        await _note_asked(lease, item)
        raise _pending(f"Databricks makes {name} ready.")

    async def delivered(self, transaction: "Transaction", item: OutboxItem, at: datetime) -> None:
        """Note, in the transaction that ends the item, what serves there now."""
        if item.change is Change.UPSERT:
            await transaction.endpoints.mark_synced(
                item.tenant, item.asset_id, revision=_of(item), at=at
            )
            await transaction.endpoints.settle(
                item.tenant, item.asset_id, _of(item), VersionState.READY
            )

    async def parked(self, transaction: "Transaction", item: OutboxItem, reason: str) -> None:
        """Note, in the transaction that parks the item, why the version does not serve."""
        await transaction.endpoints.set_sync(
            item.tenant, item.asset_id, SyncState.PARKED, error=reason
        )
        if item.change is Change.UPSERT:
            await transaction.endpoints.settle(
                item.tenant, item.asset_id, _of(item), VersionState.FAILED, reason=reason
            )


def _pending(what: str) -> RemotePending:
    return RemotePending(what, "It is looked at again soon.", wait_s=_LOOK_EVERY_S)


async def _is_done(
    workspace: "Workspace",
    found: "RemoteEndpoint",
    model: CatalogModel,
    item: OutboxItem,
    lease: Lease,
) -> bool:
    """Whether the model is served; False when Databricks has not been asked for it yet."""
    if found.is_updating:
        if _has(found.pending, model):
            await _note_asked(lease, item)
        raise _pending(_how_far(found))
    if found.has_failed and lease.progress.get(_ASKED) == _of(item):
        await lease.note({})
        raise await _failed(workspace, found, model)
    return found.is_ready and _has(found.served, model)


def _of(item: OutboxItem) -> int:
    return int(str(item.payload["revision"]))


def _has(served: "Sequence[ServedEntity]", model: CatalogModel) -> bool:
    return any(
        each.entity.lower() == model.name and each.version == model.version for each in served
    )


async def _note_asked(lease: Lease, item: OutboxItem) -> None:
    if lease.progress.get(_ASKED) != _of(item):
        await lease.note({_ASKED: _of(item)})


def _how_far(found: "RemoteEndpoint") -> str:
    """What Databricks is at, in its own words where it has some."""
    told = [f"{each.name} {each.state} {each.message}".strip() for each in found.pending]
    return f"Databricks makes {found.name} ready: {'; '.join(told)}."


async def _failed(
    workspace: "Workspace", found: "RemoteEndpoint", model: CatalogModel
) -> RemoteRefused:
    """Why Databricks could not serve it, with the end of its log."""
    entities = [*found.pending, *found.served]
    ours = [each for each in entities if _has([each], model)]
    served = ours[0].name if ours else f"{model.name.rpartition('.')[2]}-{model.version}"
    said = ours[0].message if ours else ""
    log = await workspace.serving.build_log(found.name, served)
    told = " ".join(f"{said} {log}".split()) or "it did not say why"
    return RemoteRefused(
        f"Databricks could not serve {model.name} version {model.version}: {told}.",
        "The version before serves on. Mend the model and deploy its next version, or "
        "manage_sync with kind endpoint and action retry.",
        found.update,
    )
