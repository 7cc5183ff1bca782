"""The outbox: changes promised to Databricks, in the transaction of the change itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from servicetsunami.domain.outbox import AssetKind, Change, OutboxItem
from servicetsunami.stores.schema import OUTBOX
from servicetsunami.stores.scope import owned_by


class ItemState(StrEnum):
    """Where an item stands; a leased item is still waiting, until its lease has done its work."""

    WAITING = "waiting"
    DONE = "done"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much waits, and since when."""

    items: int
    oldest_at: datetime | None


class Outbox:
    """The promised changes of all tenants, seen one tenant at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(
        self,
        *,
        tenant: str,
        kind: AssetKind,
        asset_id: str,
        subject: str,
        change: Change,
        payload: Mapping[str, object],
        at: datetime,
    ) -> OutboxItem:
        """Promise a change; it is kept if and only if the transaction commits.

        Call it after the asset's own row was written in the same transaction: that row's lock is
        what makes the items of one asset get their ids in the order of their commits.
        """
        values = {
            "tenant": tenant,
            "kind": kind.value,
            "asset_id": asset_id,
            "subject": subject,
            "change": change.value,
            "payload": dict(payload),
            "created_at": at,
            "state": ItemState.WAITING.value,
            "attempts": 0,
            "fence": 0,
        }
        statement = insert(OUTBOX).values(values).returning(OUTBOX)
        return _item((await self._connection.execute(statement)).one())

    async def pending(self, tenant: str, *, limit: int = 100) -> tuple[OutboxItem, ...]:
        """The oldest items that still wait, at most `limit` of them."""
        statement = (
            select(OUTBOX)
            .where(owned_by(tenant, OUTBOX), OUTBOX.c.state == ItemState.WAITING)
            .order_by(OUTBOX.c.id)
            .limit(limit)
        )
        return tuple(map(_item, await self._connection.execute(statement)))

    async def depth(self, tenant: str) -> Depth:
        """Count the items that still wait, and date the oldest."""
        statement = select(func.count(), func.min(OUTBOX.c.created_at)).where(
            owned_by(tenant, OUTBOX), OUTBOX.c.state == ItemState.WAITING
        )
        items, oldest_at = (await self._connection.execute(statement)).one()
        return Depth(items=items, oldest_at=oldest_at)


def _item(row: Row[tuple[object, ...]]) -> OutboxItem:
    return OutboxItem(
        id=row.id,
        tenant=row.tenant,
        kind=AssetKind(row.kind),
        asset_id=row.asset_id,
        subject=row.subject,
        change=Change(row.change),
        payload=row.payload,
        created_at=row.created_at,
    )
