from datetime import timedelta

import pytest

from servicetsunami.domain.outbox import AssetKind, Change, OutboxItem
from servicetsunami.errors import Conflict
from servicetsunami.stores.database import Database, Transaction
from servicetsunami.stores.outbox import Depth
from tests.stores.values import NOON, a_dataset, a_version


async def put(transaction: Transaction, asset_id: str, *, tenant: str = "acme", minute: int = 0):
    return await transaction.outbox.put(
        tenant=tenant,
        kind=AssetKind.DATASET,
        asset_id=asset_id,
        subject=f"sales.{asset_id}",
        change=Change.UPSERT,
        payload={"version": 3, "nested": [None, "ü"]},
        at=NOON + timedelta(minutes=minute),
    )


async def test_a_promise_is_kept_in_order_with_all_it_says(database: Database) -> None:
    async with database.begin() as transaction:
        first = await put(transaction, "a")
        second = await put(transaction, "b", minute=1)

    assert first == OutboxItem(
        id=first.id,
        tenant="acme",
        kind=AssetKind.DATASET,
        asset_id="a",
        subject="sales.a",
        change=Change.UPSERT,
        payload={"version": 3, "nested": [None, "ü"]},
        created_at=NOON,
    )
    assert second.id > first.id
    async with database.read() as transaction:
        assert await transaction.outbox.pending("acme") == (first, second)
        assert await transaction.outbox.pending("acme", limit=1) == (first,)
        assert await transaction.outbox.depth("acme") == Depth(items=2, oldest_at=NOON)


async def test_the_promises_of_another_tenant_are_not_seen(database: Database) -> None:
    async with database.begin() as transaction:
        await put(transaction, "a", tenant="other")

    async with database.read() as transaction:
        assert await transaction.outbox.pending("acme") == ()
        assert await transaction.outbox.depth("acme") == Depth(items=0, oldest_at=None)


async def test_a_promise_dies_with_the_change_it_belongs_to(database: Database) -> None:
    async with database.begin() as transaction:
        await transaction.datasets.register(a_dataset(), a_version(0))

    async def promise_and_fail() -> None:
        async with database.begin() as transaction:
            await put(transaction, "a")
            await transaction.datasets.register(a_dataset(), a_version(0))

    with pytest.raises(Conflict):
        await promise_and_fail()

    async with database.read() as transaction:
        assert (await transaction.outbox.depth("acme")).items == 0


async def test_unfinished_promises_can_be_counted_retried_dropped_and_superseded(
    database: Database,
) -> None:
    later = NOON + timedelta(hours=1)
    async with database.begin() as transaction:
        outbox, leases = transaction.outbox, transaction.leases
        for asset in ("a", "a", "b", "c"):
            await put(transaction, asset)
        leased = await leases.claim(owner="w", at=NOON, lease_s=60, kinds=[AssetKind.DATASET])
        assert leased is not None
        await leases.park(leased, reason="no grant")

        subject = {"kind": AssetKind.DATASET, "subject": "sales.a"}
        assert await outbox.unfinished("acme", **subject) == 2
        queues = {each.subject: each for each in await outbox.overview("acme")}
        held = queues["sales.a"]
        assert (held.waiting, held.parked, held.last_error) == (1, 1, "no grant")
        assert await outbox.depth("acme") == Depth(items=3, parked=1, oldest_at=NOON)
        assert await outbox.requeue("acme", **subject, at=later) == 2
        assert await outbox.requeue("acme", kind=None, subject=None, at=later) == 4
        assert await outbox.requeue("other", kind=None, subject=None, at=later) == 0
        assert await outbox.drop("acme", **subject, at=later) == 2
        ended = {"kind": AssetKind.DATASET, "asset_id": "b", "reason": "gone", "at": later}
        assert await outbox.supersede("acme", **ended) == 1
        assert await outbox.unfinished("acme", **subject) == 0
        assert [item.asset_id for item in await outbox.pending("acme")] == ["c"]


async def test_what_is_being_delivered_is_left_to_whoever_does_it(database: Database) -> None:
    async with database.begin() as transaction:
        await put(transaction, "a")
        leased = await transaction.leases.claim(
            owner="w", at=NOON, lease_s=60, kinds=[AssetKind.DATASET]
        )
        assert leased is not None
        again = {"kind": AssetKind.DATASET, "subject": "sales.a", "at": NOON}
        assert await transaction.outbox.drop("acme", **again) == 0
        assert await transaction.outbox.requeue("acme", **again) == 0
        assert await transaction.leases.done(leased, at=NOON)
        assert not await transaction.leases.done(leased, at=NOON)
