"""The outbox: changes promised to Databricks, in the transaction of the change itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Row, Select, case, func, insert, or_, select, update

from servicetsunami.domain.outbox import AssetKind, Change, OutboxItem, Queue
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import OUTBOX
from servicetsunami.stores.scope import owned_by, remembered


class ItemState(StrEnum):
    """Where an item stands; a leased item is still waiting, until its lease has done its work.

    One that is held waits as well, for a budget.
    """

    WAITING = "waiting"
    HELD = "held"
    PARKED = "parked"
    DONE = "done"
    DROPPED = "dropped"
    SUPERSEDED = "superseded"


TO_BE_SENT = (ItemState.WAITING.value, ItemState.HELD.value)
UNFINISHED = (*TO_BE_SENT, ItemState.PARKED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much waits or is parked, and since when."""

    items: int
    oldest_at: datetime | None
    parked: int = 0


class Outbox:
    """The promised changes of all tenants, seen one tenant at a time."""

    def __init__(self, connection: Connection) -> None:
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
        return to_item((await self._connection.execute(statement)).one())

    async def pending(self, tenant: str, *, limit: int = 100) -> tuple[OutboxItem, ...]:
        """The oldest items that still wait, at most `limit` of them."""
        statement = (
            select(OUTBOX)
            .where(owned_by(tenant, OUTBOX), OUTBOX.c.state.in_(TO_BE_SENT))
            .order_by(OUTBOX.c.id)
            .limit(limit)
        )
        return tuple(map(to_item, await self._connection.execute(statement)))

    async def depth(self, tenant: str) -> Depth:
        """Count the items that still wait and those that are parked, and date the oldest."""
        return await self._depth(owned_by(tenant, OUTBOX))

    async def depth_of_all(self) -> Depth:
        """The same for all tenants together."""
        return await self._depth()

    async def _depth(self, *conditions: ColumnElement[bool]) -> Depth:
        parked = func.sum(case((OUTBOX.c.state == ItemState.PARKED, 1), else_=0))
        statement = select(func.count(), parked, func.min(OUTBOX.c.created_at)).where(
            *conditions, OUTBOX.c.state.in_(UNFINISHED)
        )
        items, held, oldest_at = (await self._connection.execute(statement)).one()
        return Depth(items=items - (held or 0), parked=held or 0, oldest_at=oldest_at)

    async def overview(self, tenant: str) -> tuple[Queue, ...]:
        """What is on its way, by kind and subject, in the order of the oldest item of each."""
        return tuple(
            Queue(
                kind=AssetKind(row.kind),
                subject=row.subject,
                waiting=row.item_count - row.parked,
                parked=row.parked,
                oldest_at=row.oldest_at,
                attempts=row.attempts,
                last_error=row.last_error,
                next_at=row.not_before,
                is_held=row.state == ItemState.HELD,
            )
            for row in await self._connection.execute(_overview(tenant))
        )

    async def requeue(
        self, tenant: str, *, kind: AssetKind | None, subject: str | None, at: datetime
    ) -> int:
        """Have unfinished items tried again now, with their attempts forgotten; how many."""
        statement = (
            update(OUTBOX)
            .where(*_chosen(tenant, kind, subject), OUTBOX.c.state.in_(UNFINISHED), _unleased(at))
            .values(state=ItemState.WAITING.value, attempts=0, not_before=None)
        )
        return (await self._connection.execute(statement)).rowcount

    async def let_go(self, tenant: str) -> int:
        """Have what a budget holds be due now, to be held again or sent; how many."""
        statement = (
            update(OUTBOX)
            .where(owned_by(tenant, OUTBOX), OUTBOX.c.state == ItemState.HELD)
            .values(not_before=None)
        )
        return (await self._connection.execute(statement)).rowcount

    async def drop(self, tenant: str, *, kind: AssetKind, subject: str, at: datetime) -> int:
        """Give up the unfinished items of one subject that nobody is delivering now; how many."""
        return await self._end(
            ItemState.DROPPED, *_chosen(tenant, kind, subject), at=at, reason="dropped by hand"
        )

    async def supersede(
        self, tenant: str, *, kind: AssetKind, asset_id: str, reason: str, at: datetime
    ) -> int:
        """End the unfinished items of an asset that a later change makes pointless; how many.

        One that is being delivered now is left to whoever does it.
        """
        return await self._end(
            ItemState.SUPERSEDED,
            *_chosen(tenant, kind, None),
            OUTBOX.c.asset_id == asset_id,
            at=at,
            reason=reason,
        )

    async def _end(
        self, state: ItemState, *conditions: ColumnElement[bool], at: datetime, reason: str
    ) -> int:
        statement = (
            update(OUTBOX)
            .where(*conditions, OUTBOX.c.state.in_(UNFINISHED), _unleased(at))
            .values(state=state.value, ended_at=at, last_error=reason)
        )
        return (await self._connection.execute(statement)).rowcount

    async def unfinished(self, tenant: str, *, kind: AssetKind, subject: str) -> int:
        """How many items of one subject wait or are parked."""
        statement = select(func.count()).where(
            *_chosen(tenant, kind, subject), OUTBOX.c.state.in_(UNFINISHED)
        )
        return (await self._connection.execute(statement)).scalar_one()


@remembered
def _overview(tenant: str) -> Select:
    counted = (
        select(
            func.min(OUTBOX.c.id).label("first_id"),
            func.min(OUTBOX.c.created_at).label("oldest_at"),
            func.sum(case((OUTBOX.c.state == ItemState.PARKED, 1), else_=0)).label("parked"),
            func.count().label("item_count"),
        )
        .where(owned_by(tenant, OUTBOX), OUTBOX.c.state.in_(UNFINISHED))
        .group_by(OUTBOX.c.kind, OUTBOX.c.subject)
        .subquery()
    )
    # The first item is the one that the others wait for: its error is what holds them up.
    return (
        select(OUTBOX)
        .add_columns(counted.c.oldest_at, counted.c.parked, counted.c.item_count)
        .join(counted, counted.c.first_id == OUTBOX.c.id)
        .order_by(OUTBOX.c.id)
    )


def _chosen(
    tenant: str, kind: AssetKind | None, subject: str | None
) -> tuple[ColumnElement[bool], ...]:
    conditions = [owned_by(tenant, OUTBOX)]
    if kind is not None:
        conditions.append(OUTBOX.c.kind == kind.value)
    if subject is not None:
        conditions.append(OUTBOX.c.subject == subject)
    return tuple(conditions)


def _unleased(at: datetime) -> ColumnElement[bool]:
    return or_(OUTBOX.c.lease_until.is_(None), OUTBOX.c.lease_until <= at)


def to_item(row: Row[tuple[object, ...]]) -> OutboxItem:
    """The item that a row stands for."""
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
