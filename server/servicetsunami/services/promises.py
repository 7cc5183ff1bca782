"""Promises changes of datasets to Databricks, in the transaction of the change itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from servicetsunami.domain.dataset import Dataset
from servicetsunami.domain.outbox import AssetKind, Change

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

WHOLE = "snapshot"
"""The operation of a promise to send a dataset as it is, whatever was sent of it before."""


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
