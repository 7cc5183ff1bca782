"""Promises changes to Databricks, in the transaction of the change itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from servicetsunami.domain.dataset import Dataset, DatasetName, SyncState
from servicetsunami.domain.endpoint import Endpoint
from servicetsunami.domain.index import Index
from servicetsunami.domain.job import Job
from servicetsunami.domain.notebook import Notebook
from servicetsunami.domain.outbox import AssetKind, Change

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

WHOLE = "snapshot"
"""The operation of a promise to send a dataset as it is, whatever was sent of it before."""
_KINDS: dict[type, AssetKind] = {
    Notebook: AssetKind.NOTEBOOK,
    Job: AssetKind.JOB,
    Endpoint: AssetKind.ENDPOINT,
    Index: AssetKind.INDEX,
}


async def promise(
    transaction: "Transaction",
    dataset: Dataset,
    change: Change,
    payload: Mapping[str, object],
    *,
    at: datetime,
) -> None:
    """Put one outbox item, after the dataset's own row was written in this transaction."""
    await transaction.outbox.put(
        tenant=dataset.tenant,
        kind=AssetKind.DATASET,
        asset_id=dataset.id,
        subject=str(dataset.name),
        change=change,
        payload=payload,
        at=at,
    )


async def promise_newest(
    transaction: "Transaction",
    asset: Notebook | Job | Endpoint | Index,
    change: Change,
    *,
    at: datetime,
) -> None:
    """Promise an asset as it is, or its removal, to Databricks, instead of what waited before."""
    kind = _KINDS[type(asset)]
    await transaction.outbox.supersede(
        asset.tenant, kind=kind, asset_id=asset.id, reason=f"a later change of the {kind}", at=at
    )
    if asset.sync_state is not SyncState.OFF:
        await transaction.outbox.put(
            tenant=asset.tenant,
            kind=kind,
            asset_id=asset.id,
            subject=str(asset.name),
            change=change,
            payload=_payload(asset),
            at=at,
        )


def _payload(asset: Notebook | Job | Endpoint | Index) -> dict[str, object]:
    """Which revision it is, and what a removal has to know, when the asset itself is gone here."""
    if isinstance(asset, Index):
        return {}
    known: dict[str, object] = {"revision": asset.revision}
    if isinstance(asset, Notebook):
        return known | {"sha256_there": asset.there.sha256 if asset.there else None}
    return known | (asset.there.as_metadata() if isinstance(asset, Job) and asset.there else {})


async def promise_index_of(
    transaction: "Transaction", tenant: str, name: DatasetName, *, at: datetime
) -> None:
    """After a dataset was changed: if it holds the documents of an index, that is promised too."""
    index = await transaction.indexes.find(tenant, name)
    if index is not None:
        await transaction.indexes.await_delivery(tenant, index.id)
        await promise_newest(transaction, index, Change.UPSERT, at=at)


async def forget_index_of(
    transaction: "Transaction", tenant: str, name: DatasetName, *, at: datetime
) -> None:
    """With a dataset that is deleted, the index whose documents it holds goes, here and there."""
    index = await transaction.indexes.find(tenant, name)
    if index is not None:
        await transaction.indexes.delete(tenant, name, at=at)
        await promise_newest(transaction, index, Change.DELETE, at=at)
