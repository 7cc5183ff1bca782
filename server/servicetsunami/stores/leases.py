"""Outbox items on their way: who may deliver one, until when, and how it ends.

Seen by the worker, across tenants. Every change of a leased item names its fence: when another
worker has claimed the item meanwhile, nothing is changed and the answer is False.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, not_, or_, select, update

from servicetsunami.domain.outbox import AssetKind, LeasedItem
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.outbox import TO_BE_SENT, UNFINISHED, ItemState, to_item
from servicetsunami.stores.schema import OUTBOX

_EARLIER = OUTBOX.alias("earlier")
_ERROR_CHARS_MAX = 2_000


class Leases:
    """Claims, renews and settles items, one transaction for each step."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(
        self,
        *,
        owner: str,
        at: datetime,
        lease_s: float,
        kinds: Collection[AssetKind],
        tenants: Collection[str] | None = None,
    ) -> LeasedItem | None:
        """Take the oldest item that is due and that no other item has to precede.

        Two workers never get the same one: the second finds the row claimed, and looks for the
        next. `tenants` None stands for all.
        """
        chosen = (
            select(OUTBOX.c.id)
            .where(_is_due(at), _is_first(), *_served(kinds, tenants))
            .order_by(OUTBOX.c.id)
            .limit(1)
        )
        if self._connection.dialect.name == "postgresql":
            chosen = chosen.with_for_update(skip_locked=True)
        statement = (
            update(OUTBOX)
            .where(OUTBOX.c.id == chosen.scalar_subquery(), _is_due(at))
            .values(
                state=ItemState.WAITING.value,
                lease_owner=owner,
                lease_until=at + timedelta(seconds=lease_s),
                fence=OUTBOX.c.fence + 1,
                attempts=OUTBOX.c.attempts + 1,
            )
            .returning(OUTBOX)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        return LeasedItem(
            item=to_item(row),
            fence=row.fence,
            attempts=row.attempts,
            progress=row.progress or {},
            lease_until=row.lease_until,
        )

    async def renew(self, leased: LeasedItem, *, at: datetime, lease_s: float) -> bool:
        """Keep the item for longer."""
        return await self._change(leased, lease_until=at + timedelta(seconds=lease_s))

    async def note(self, leased: LeasedItem, progress: Mapping[str, object]) -> bool:
        """Remember how far the delivery is, for whoever has to go on with it."""
        return await self._change(leased, progress=dict(progress))

    async def done(self, leased: LeasedItem, *, at: datetime) -> bool:
        """End the item well."""
        return await self._change(
            leased, state=ItemState.DONE.value, ended_at=at, last_error=None, **_FREE
        )

    async def retry(self, leased: LeasedItem, *, not_before: datetime, error: str) -> bool:
        """Have it tried again later; the attempt counts."""
        return await self._change(
            leased, not_before=not_before, last_error=error[:_ERROR_CHARS_MAX], **_FREE
        )

    async def release(
        self, leased: LeasedItem, *, not_before: datetime | None = None, error: str | None = None
    ) -> bool:
        """Give it back as if it had not been claimed: the attempt does not count."""
        return await self._change(
            leased,
            attempts=OUTBOX.c.attempts - 1,
            not_before=not_before,
            last_error=error and error[:_ERROR_CHARS_MAX],
            **_FREE,
        )

    async def hold(self, leased: LeasedItem, *, not_before: datetime, reason: str) -> bool:
        """Keep it back until there is money for it again: the attempt does not count."""
        return await self._change(
            leased,
            state=ItemState.HELD.value,
            attempts=OUTBOX.c.attempts - 1,
            not_before=not_before,
            last_error=reason[:_ERROR_CHARS_MAX],
            **_FREE,
        )

    async def park(self, leased: LeasedItem, *, reason: str) -> bool:
        """Set it aside until somebody decides."""
        return await self._change(
            leased,
            state=ItemState.PARKED.value,
            last_error=reason[:_ERROR_CHARS_MAX],
            **_FREE,
        )

    async def _change(self, leased: LeasedItem, **values: Any) -> bool:  # noqa: ANN401 - of columns
        statement = (
            update(OUTBOX)
            .where(
                OUTBOX.c.id == leased.item.id,
                OUTBOX.c.state.in_(TO_BE_SENT),
                OUTBOX.c.fence == leased.fence,
            )
            .values(**values)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def next_due(
        self,
        *,
        at: datetime,
        kinds: Collection[AssetKind],
        tenants: Collection[str] | None = None,
    ) -> datetime | None:
        """When the next item can be claimed, if nothing new comes; None when none waits."""
        due = func.coalesce(OUTBOX.c.not_before, at)
        free = func.coalesce(OUTBOX.c.lease_until, at)
        statement = select(due.label("due"), free.label("free")).where(
            OUTBOX.c.state.in_(TO_BE_SENT), _is_first(), *_served(kinds, tenants)
        )
        moments = [max(row.due, row.free) for row in await self._connection.execute(statement)]
        return min(moments, default=None)

    async def prune(self, *, before: datetime) -> int:
        """Delete items that ended before that; how many."""
        statement = delete(OUTBOX).where(OUTBOX.c.ended_at < before)
        return (await self._connection.execute(statement)).rowcount


_FREE: Mapping[str, None] = {"lease_owner": None, "lease_until": None}


def _is_due(at: datetime) -> ColumnElement[bool]:
    return and_(
        OUTBOX.c.state.in_(TO_BE_SENT),
        or_(OUTBOX.c.lease_until.is_(None), OUTBOX.c.lease_until <= at),
        or_(OUTBOX.c.not_before.is_(None), OUTBOX.c.not_before <= at),
    )


def _is_first() -> ColumnElement[bool]:
    """No earlier item of the same name is unfinished, parked ones included."""
    earlier = _EARLIER.c
    return not_(
        exists().where(
            earlier.tenant == OUTBOX.c.tenant,
            earlier.kind == OUTBOX.c.kind,
            earlier.subject == OUTBOX.c.subject,
            earlier.id < OUTBOX.c.id,
            earlier.state.in_(UNFINISHED),
        )
    )


def _served(
    kinds: Collection[AssetKind], tenants: Collection[str] | None
) -> list[ColumnElement[bool]]:
    conditions = [OUTBOX.c.kind.in_([kind.value for kind in kinds])]
    if tenants is not None:
        conditions.append(OUTBOX.c.tenant.in_(list(tenants)))
    return conditions
