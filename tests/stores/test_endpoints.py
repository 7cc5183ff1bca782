from dataclasses import replace
from datetime import timedelta

import pytest

from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.endpoint import (
    Endpoint,
    ModelVersion,
    Place,
    Signature,
    TensorSpec,
    VersionState,
)
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.database import Database
from servicetsunami.stores.datasets import StateTotals
from tests.stores.values import NOON

SIGNATURE = Signature(
    inputs=(TensorSpec(name="X", type="float32", shape=(None, 2)),),
    outputs=(TensorSpec(name="Y", type="map"),),
    columns=("a", "b"),
)


def an_endpoint(name: str = "churn", *, tenant: str = "acme") -> Endpoint:
    return Endpoint(
        id=f"{tenant}-{name}",
        tenant=tenant,
        name=name,
        place=Place.DATABRICKS,
        revision=1,
        serving=None,
        created_at=NOON,
        updated_at=NOON,
        sync_state=SyncState.WAITING,
    )


def a_version(number: int = 1, *, size_bytes: int = 3_000_000_000) -> ModelVersion:
    return ModelVersion(
        version=number,
        state=VersionState.WAITING,
        flavour="onnx",
        source="churn.onnx",
        file="churn.onnx",
        sha256="ab" * 32,
        size_bytes=size_bytes,
        signature=SIGNATURE,
        created_at=NOON + timedelta(minutes=number),
    )


async def keep(database: Database, endpoint: Endpoint, *versions: ModelVersion) -> None:
    async with database.begin() as transaction:
        await transaction.endpoints.add(endpoint)
        for version in versions:
            await transaction.endpoints.add_version(endpoint.id, version)


async def test_an_endpoint_and_its_versions_come_back_as_they_were(database: Database) -> None:
    endpoint = an_endpoint()
    await keep(database, endpoint, a_version(1), a_version(2))
    async with database.read() as transaction:
        endpoints = transaction.endpoints
        assert await endpoints.get("acme", "churn") == endpoint
        assert await endpoints.find_by_id("acme", endpoint.id) == endpoint
        assert await endpoints.version("acme", endpoint.id, 2) == a_version(2)
        assert await endpoints.versions("acme", endpoint.id, limit=9) == (
            a_version(2),
            a_version(1),
        )
        assert await endpoints.size_bytes("acme", endpoint.id) == 6_000_000_000
        assert await endpoints.totals("acme") == (
            StateTotals(state=SyncState.WAITING, count=1, row_count=0, size_bytes=6_000_000_000),
        )


async def test_a_version_that_is_ready_serves(database: Database) -> None:
    endpoint = an_endpoint()
    await keep(database, endpoint, a_version(1), a_version(2))
    async with database.begin() as transaction:
        for number, state, reason in [
            (1, VersionState.READY, None),
            (2, VersionState.FAILED, "It is broken."),
        ]:
            await transaction.endpoints.settle("acme", endpoint.id, number, state, reason=reason)
            await transaction.endpoints.settle("other", endpoint.id, number, VersionState.WAITING)
    async with database.read() as transaction:
        found = await transaction.endpoints.get("acme", "churn")
        versions = await transaction.endpoints.versions("acme", endpoint.id, limit=9)
    assert found.serving == 1
    assert [(each.state, each.reason) for each in versions] == [
        (VersionState.FAILED, "It is broken."),
        (VersionState.READY, None),
    ]


async def test_only_who_knows_the_newest_version_can_add_another(database: Database) -> None:
    endpoint = an_endpoint()
    await keep(database, endpoint)
    newer = replace(endpoint, revision=2, serving=2)
    async with database.begin() as transaction:
        await transaction.endpoints.update(newer, base_revision=1)
    with pytest.raises(Conflict):
        async with database.begin() as transaction:
            await transaction.endpoints.update(newer, base_revision=1)
    with pytest.raises(Conflict):
        await keep(database, replace(endpoint, id="again"))


async def test_tenants_see_their_own_endpoints_by_name(database: Database) -> None:
    for name in ("b", "a", "B"):
        await keep(database, an_endpoint(name), a_version(1, size_bytes=5))
    await keep(database, an_endpoint("a", tenant="other"), a_version(1))
    async with database.read() as transaction:
        endpoints = transaction.endpoints
        listed = await endpoints.list("acme", search=None, after=None, limit=9)
        assert [(each.name, size) for each, size in listed] == [("B", 5), ("a", 5), ("b", 5)]
        found = await endpoints.list("acme", search="B", after="B", limit=9)
        assert [each.name for each, _ in found] == ["b"]
        assert await endpoints.count("acme", search="b") == 2
        assert await endpoints.find_by_id("other", "acme-a") is None
        assert await endpoints.version("other", "acme-a", 1) is None
        assert await endpoints.versions("other", "acme-a", limit=9) == ()


async def test_a_deleted_endpoint_frees_its_name(database: Database) -> None:
    await keep(database, an_endpoint(), a_version())
    async with database.begin() as transaction:
        await transaction.endpoints.delete("acme", "churn", at=NOON)
    await keep(database, replace(an_endpoint(), id="second"))
    async with database.read() as transaction:
        assert (await transaction.endpoints.get("acme", "churn")).id == "second"
        assert await transaction.endpoints.deleted("acme") == {"acme-churn"}
        assert await transaction.endpoints.deleted("other") == set()
        assert await transaction.endpoints.version("acme", "acme-churn", 1) is None
        with pytest.raises(NotFound, match="Did you mean churn"):
            await transaction.endpoints.get("acme", "chrun")
