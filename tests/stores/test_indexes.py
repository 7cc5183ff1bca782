"""Indexes know the newest version of their documents, and which one is delivered."""

import uuid
from dataclasses import replace

import pytest

from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.index import Index
from servicetsunami.domain.index_there import IndexKind, IndexThere
from servicetsunami.errors import NotFound
from servicetsunami.stores.database import Database
from tests.stores.values import NOON, a_dataset, a_version

THERE = IndexThere(
    kind=IndexKind.DIRECT_ACCESS,
    endpoint="e",
    endpoint_id="1",
    dataset_id="d",
    columns={"id": "string", "vector": "array<float>"},
    version=0,
    touched=(3, 4),
)


@pytest.fixture
async def index(database: Database) -> Index:
    """An index with documents, of a tenant who has another one without any."""
    dataset = a_dataset()
    made = Index(
        id=uuid.uuid4().hex,
        tenant="acme",
        name=dataset.name,
        model="m",
        dimension=2,
        created_at=NOON,
        updated_at=NOON,
    )
    empty = replace(made, id="empty", name=a_dataset("empty").name)
    async with database.begin() as transaction:
        await transaction.datasets.register(dataset, a_version(0))
        await transaction.indexes.add(made)
        await transaction.indexes.add(empty)
    return made


async def test_an_index_has_the_version_of_its_documents(database: Database, index: Index) -> None:
    async with database.read() as transaction:
        found = await transaction.indexes.get("acme", index.name)
        assert found == replace(index, version=0)
        assert await transaction.indexes.find_by_id("acme", index.id) == found
        empty = await transaction.indexes.find_by_id("acme", "empty")
        assert empty is not None
        assert empty.version is None
        listed = await transaction.indexes.list("acme", search=None, after=None, limit=9)
        assert listed == (found,)
        assert await transaction.indexes.find_by_id("other", index.id) is None
        with pytest.raises(NotFound, match=r"sales\.orders"):
            await transaction.indexes.get("acme", a_dataset("order").name)


async def test_what_is_known_of_it_there_outlives_its_deletion(
    database: Database, index: Index
) -> None:
    async with database.begin() as transaction:
        await transaction.indexes.delete("acme", index.name, at=NOON)
        await transaction.indexes.agree("acme", index.id, THERE)
    async with database.read() as transaction:
        assert await transaction.indexes.find_by_id("acme", index.id) is None
        found = await transaction.indexes.find_ever("acme", index.id)
        assert found is not None
        assert IndexThere.of(found.metadata) == THERE
        assert await transaction.indexes.find_ever("other", index.id) is None


@pytest.mark.parametrize(
    ("delivered", "newest", "before", "after"),
    [
        (0, 0, SyncState.WAITING, SyncState.SYNCED),
        (0, 1, SyncState.WAITING, SyncState.WAITING),
        (0, 0, SyncState.PARKED, SyncState.SYNCED),
        (0, 0, SyncState.OFF, SyncState.OFF),
        (None, 0, SyncState.WAITING, SyncState.WAITING),
    ],
)
async def test_synced_is_only_what_has_nothing_newer(
    database: Database,
    index: Index,
    *,
    delivered: int | None,
    newest: int,
    before: SyncState,
    after: SyncState,
) -> None:
    async with database.begin() as transaction:
        dataset = await transaction.datasets.get("acme", index.name)
        if newest:
            changed = replace(dataset, version=newest)
            await transaction.datasets.update(changed, a_version(newest), base_version=0)
        await transaction.indexes.set_sync("acme", index.id, before)
        await transaction.indexes.agree("acme", index.id, replace(THERE, version=delivered))
        await transaction.indexes.mark_delivered("acme", index.id, at=NOON)
    async with database.read() as transaction:
        found = await transaction.indexes.get("acme", index.name)
        assert (found.sync_state, found.synced_version) == (after, delivered)
        [total] = await transaction.indexes.totals("acme")
        assert (total.state, total.count) == (after, 1)


async def test_a_change_waits_unless_the_index_stays_here(database: Database, index: Index) -> None:
    for before, after in (
        (SyncState.SYNCED, SyncState.WAITING),
        (SyncState.PARKED, SyncState.WAITING),
        (SyncState.OFF, SyncState.OFF),
    ):
        async with database.begin() as transaction:
            await transaction.indexes.set_sync("acme", index.id, before, error="broken")
            await transaction.indexes.await_delivery("acme", index.id)
        async with database.read() as transaction:
            assert (await transaction.indexes.get("acme", index.name)).sync_state is after
