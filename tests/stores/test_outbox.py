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
