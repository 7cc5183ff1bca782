from dataclasses import replace
from datetime import datetime, timedelta, timezone

import anyio
import pytest

from servicetsunami.domain.dataset import Dataset, DatasetName, SyncState
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.database import Database
from tests.stores.values import NOON, a_dataset, a_version


async def register(database: Database, dataset: Dataset, *, key: str | None = None) -> Dataset:
    async with database.begin() as transaction:
        await transaction.datasets.register(dataset, a_version(0, key=key))
    return dataset


async def test_a_registered_dataset_comes_back_as_it_was(database: Database) -> None:
    dataset = await register(
        database,
        replace(
            a_dataset(),
            sync_state=SyncState.PARKED,
            synced_version=7,
            synced_at=NOON.astimezone(timezone(timedelta(hours=5))),
            sync_error="no grant",
        ),
    )

    async with database.read() as transaction:
        found = await transaction.datasets.get("acme", dataset.name)
        assert found == dataset
        assert found.synced_at is not None
        assert found.synced_at.utcoffset() == timedelta(0)
        assert await transaction.datasets.find_by_id("acme", dataset.id) == dataset
        assert await transaction.datasets.versions("acme", dataset.id) == (a_version(0),)
        assert await transaction.tenants.list() == ("acme",)


async def test_a_naive_time_is_refused(database: Database) -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(Exception, match="no time zone"):
        await register(database, replace(a_dataset(), created_at=naive))


async def test_a_second_dataset_of_the_same_name_conflicts(database: Database) -> None:
    await register(database, a_dataset())
    with pytest.raises(Conflict, match=r"sales\.orders exists already"):
        await register(database, a_dataset())
    await register(database, a_dataset(tenant="other"))


async def test_an_update_replaces_columns_and_adds_a_version(database: Database) -> None:
    dataset = await register(database, a_dataset())
    grown = replace(dataset, version=4, row_count=6, columns=dataset.columns[:1])
    async with database.begin() as transaction:
        await transaction.datasets.update(grown, a_version(4, key="k"), base_version=0)

    async with database.read() as transaction:
        assert await transaction.datasets.get("acme", dataset.name) == grown
        newest, _ = await transaction.datasets.versions("acme", dataset.id)
        assert newest == a_version(4, key="k")
        assert await transaction.datasets.acknowledged_version("acme", dataset.id) == 4


async def test_only_one_of_two_updates_of_the_same_version_is_acknowledged(
    database: Database,
) -> None:
    dataset = await register(database, a_dataset())
    conflicts: list[Conflict] = []

    async def update(version: int) -> None:
        try:
            async with database.begin() as transaction:
                changed = replace(dataset, version=version)
                await transaction.datasets.update(changed, a_version(version), base_version=0)
        except Conflict as error:
            conflicts.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(update, 1)
        group.start_soon(update, 2)

    assert len(conflicts) == 1
    async with database.read() as transaction:
        assert len(await transaction.datasets.versions("acme", dataset.id)) == 2


async def test_a_deleted_dataset_cannot_be_updated(database: Database) -> None:
    dataset = await register(database, a_dataset())
    async with database.begin() as transaction:
        await transaction.datasets.delete("acme", dataset.name, at=NOON)
    with pytest.raises(Conflict):
        async with database.begin() as transaction:
            await transaction.datasets.update(dataset, a_version(1), base_version=0)


async def test_the_same_idempotency_key_is_never_applied_twice(database: Database) -> None:
    dataset = await register(database, a_dataset(), key="once")
    again = replace(dataset, version=1)
    with pytest.raises(Conflict, match="applied before"):
        async with database.begin() as transaction:
            await transaction.datasets.update(again, a_version(1, key="once"), base_version=0)

    async with database.read() as transaction:
        datasets = transaction.datasets
        assert await datasets.find_by_idempotency_key("acme", dataset.id, "once") == a_version(
            0, key="once"
        )
        assert await datasets.find_by_idempotency_key("acme", dataset.id, "other") is None
        assert await datasets.get("acme", dataset.name) == dataset


async def test_versions_without_a_key_do_not_collide(database: Database) -> None:
    dataset = await register(database, a_dataset())
    for version in (1, 2):
        async with database.begin() as transaction:
            changed = replace(dataset, version=version)
            await transaction.datasets.update(changed, a_version(version), base_version=version - 1)


async def test_an_unknown_name_names_the_nearest(database: Database) -> None:
    await register(database, a_dataset("orders"))
    await register(database, a_dataset("customers"))
    async with database.read() as transaction:
        with pytest.raises(NotFound, match=r"Did you mean sales\.orders, "):
            await transaction.datasets.get("acme", DatasetName(schema="sales", table="order"))


async def test_a_foreign_dataset_is_as_unknown_as_one_that_never_was(database: Database) -> None:
    foreign = await register(database, a_dataset())
    name, absent = foreign.name, DatasetName(schema="sales", table="absent")

    async with database.begin() as transaction:
        datasets = transaction.datasets
        messages = set()
        for each in (name, absent):
            for call in (
                datasets.get("intruder", each),
                datasets.delete("intruder", each, at=NOON),
            ):
                with pytest.raises(NotFound) as caught:
                    await call
                messages.add(str(caught.value).replace(str(each), "NAME"))
        assert len(messages) == 1
        assert await datasets.find("intruder", name) is None
        assert await datasets.names("intruder") == ()
        assert await datasets.count("intruder") == 0
        for dataset_id in (foreign.id, "unknown"):
            assert await datasets.find_by_id("intruder", dataset_id) is None
            assert await datasets.versions("intruder", dataset_id) == ()
            assert await datasets.acknowledged_version("intruder", dataset_id) is None
            assert await datasets.find_by_idempotency_key("intruder", dataset_id, "k") is None
            with pytest.raises(NotFound, match="Call list_assets"):
                await datasets.version("intruder", dataset_id, 0)
        with pytest.raises(Conflict):
            await datasets.update(replace(foreign, tenant="intruder"), a_version(1), base_version=0)


async def test_lists_are_paged_in_the_order_of_names(database: Database) -> None:
    for schema, table in [("b", "x"), ("a", "z_1"), ("a", "za"), ("a", "z1"), ("c", "y")]:
        await register(database, a_dataset(table, schema=schema))

    async with database.read() as transaction:
        datasets = transaction.datasets
        first = await datasets.list("acme", limit=2)
        second = await datasets.list("acme", after=first[-1].name, limit=2)
        third = await datasets.list("acme", after=second[-1].name, limit=2)
        pages = [str(each.name) for each in (*first, *second, *third)]
        assert pages == ["a.z1", "a.z_1", "a.za", "b.x", "c.y"]
        assert [str(each) for each in await datasets.names("acme")] == pages


async def test_a_search_finds_a_part_of_the_full_name_literally(database: Database) -> None:
    for table in ("orders_2024", "orders2024", "people"):
        await register(database, a_dataset(table))

    async with database.read() as transaction:
        found = await transaction.datasets.list("acme", search="S_20")
        assert [each.name.table for each in found] == ["orders_2024"]
        assert await transaction.datasets.count("acme", search="es.ord") == 2
        assert await transaction.datasets.count("acme", search="%") == 0


async def test_a_deleted_name_is_free_again_and_its_versions_are_gone(database: Database) -> None:
    first = await register(database, a_dataset())
    async with database.begin() as transaction:
        assert await transaction.datasets.delete("acme", first.name, at=NOON) == first
    second = await register(database, a_dataset())

    async with database.read() as transaction:
        assert (await transaction.datasets.get("acme", first.name)).id == second.id
        assert await transaction.datasets.versions("acme", first.id) == ()
        assert await transaction.datasets.acknowledged_version("acme", first.id) is None


async def test_time_travel_finds_only_acknowledged_versions(database: Database) -> None:
    dataset = await register(database, a_dataset())
    async with database.begin() as transaction:
        await transaction.datasets.update(replace(dataset, version=3), a_version(3), base_version=0)

    async with database.read() as transaction:
        datasets = transaction.datasets
        assert (await datasets.version("acme", dataset.id, 3)).version == 3
        just_before = NOON + timedelta(minutes=3, microseconds=-1)
        assert (await datasets.version_at("acme", dataset.id, just_before)).version == 0
        at_commit = NOON + timedelta(minutes=3)
        assert (await datasets.version_at("acme", dataset.id, at_commit)).version == 3
        with pytest.raises(NotFound, match=r"no version 2\. The newest versions are 3 \(.*0 \("):
            await datasets.version("acme", dataset.id, 2)
        with pytest.raises(NotFound, match="no version at 2026-03-01T11:59:59"):
            await datasets.version_at("acme", dataset.id, NOON - timedelta(seconds=1))
