"""Unity Catalog: what is created once though the answer is lost, and what may not be created."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import RemoteConflict, RemoteDenied, RemoteUnavailable
from servicetsunami.gateway.catalogs import Catalogs
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.workspace import open_workspace
from tests.fakes.databricks import FakeWorkspace, Fault

BASE = "/api/2.1/unity-catalog"
ENSURES: dict[str, Callable[[Catalogs], Awaitable[None]]] = {
    "catalogs": lambda c: c.ensure_catalog("mine", "for a test"),
    "schemas": lambda c: c.ensure_schema("main", "mine"),
    "volumes": lambda c: c.ensure_volume("main", "default", "mine"),
}
each_kind = pytest.mark.parametrize("kind", ENSURES)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as fake:
        yield fake


@pytest.fixture
def fake(running: FakeWorkspace) -> Iterator[FakeWorkspace]:
    yield running
    running.faults.clear()
    running.state.denied.clear()
    running.state.catalogs.pop("mine", None)
    main = running.state.catalogs["main"]
    main.schemas.pop("mine", None)
    if main.schemas["default"].volumes.pop("mine", None):
        (running.state.folder / "volumes/main/default/mine").rmdir()


@pytest.fixture
async def catalogs(fake: FakeWorkspace) -> AsyncIterator[Catalogs]:
    given = Given(host=fake.url, token=fake.token)
    config = resolve(given, requests_per_s=1000, user_agent="test")
    opened = open_workspace(replace(config, call_timeout_s=2.0, deadline_s=4.0))
    yield opened.catalogs
    await opened.aclose()


def posts(fake: FakeWorkspace, since: int) -> int:
    return sum(each.method == "POST" for each in fake.requests[since:])


@each_kind
@pytest.mark.parametrize("lost", [{"reset": True}, {"status": 504}, {"half_body": True}], ids=str)
async def test_a_create_whose_answer_is_lost_is_looked_up_and_not_repeated(
    fake: FakeWorkspace, catalogs: Catalogs, kind: str, lost: dict
) -> None:
    fake.faults.add(Fault("POST", f"{BASE}/{kind}", after=True, **lost))
    before = len(fake.requests)
    await ENSURES[kind](catalogs)

    assert posts(fake, before) == 1
    await ENSURES[kind](catalogs)
    assert posts(fake, before) == 1


@each_kind
async def test_a_create_that_was_never_done_is_told_as_unavailable(
    fake: FakeWorkspace, catalogs: Catalogs, kind: str
) -> None:
    fake.faults.add(Fault("POST", f"{BASE}/{kind}", status=502, body="<title>Bad</title>"))
    before = len(fake.requests)
    with pytest.raises(RemoteUnavailable, match="502"):
        await ENSURES[kind](catalogs)

    assert posts(fake, before) == 1


@each_kind
async def test_somebody_else_may_have_been_quicker(
    fake: FakeWorkspace, catalogs: Catalogs, kind: str
) -> None:
    missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not yet"}
    await ENSURES[kind](catalogs)
    stale = fake.faults.add(Fault("GET", f"{BASE}/{kind}/", status=404, body=missing))
    before = len(fake.requests)
    await ENSURES[kind](catalogs)

    assert (stale.hits, posts(fake, before)) == (1, 1)


async def test_another_conflict_is_not_taken_for_success(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    body = {"error_code": "ABORTED", "message": "busy"}
    fake.faults.add(Fault("POST", f"{BASE}/catalogs", status=409, body=body))
    with pytest.raises(RemoteConflict, match="busy"):
        await catalogs.ensure_catalog("mine", "")


async def test_a_refusal_is_never_read_as_a_thing_that_is_missing(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    fake.state.denied.add(("USE_CATALOG", "main"))
    before = len(fake.requests)
    with pytest.raises(RemoteDenied):
        await catalogs.get_table(TableAddress.parse("main.default.t"))
    with pytest.raises(RemoteDenied):
        await catalogs.ensure_schema("main", "mine")

    assert posts(fake, before) == 0


async def test_what_exists_is_used_without_the_right_to_create_it(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    fake.state.denied |= {("CREATE_CATALOG", "*"), ("CREATE_SCHEMA", "*")}
    await catalogs.ensure_catalog("main", "")
    await catalogs.ensure_schema("main", "default")

    with pytest.raises(RemoteDenied):
        await catalogs.ensure_catalog("mine", "")


async def test_a_listing_goes_on_past_its_empty_first_page(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    for n in range(7):
        fake.put_table(f"mine.s.t{n}", pa.table({"n": [n]}))
    before = len(fake.requests)

    tables = await catalogs.list_tables("mine", "s", items_max=100)

    assert [each.address.table for each in tables] == [f"t{n}" for n in range(7)]
    assert all(each.columns == () for each in tables)
    asked = [each.query for each in fake.requests[before:]]
    assert all("max_results=0" in query and "omit_columns=true" in query for query in asked)
    assert ["page_token" in query for query in asked] == [False, True, True, True]


async def test_a_page_that_breaks_off_is_asked_for_again_and_counted_once(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    for n in range(7):
        fake.put_table(f"mine.s.t{n}", pa.table({"n": [n]}))
    fake.faults.add(Fault(path=f"{BASE}/tables", half_body=True, after=True, skip=2))

    assert len(await catalogs.list_tables("mine", "s", items_max=100)) == 7


async def test_a_drop_whose_answer_is_lost_has_dropped_the_table(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    fake.put_table("mine.s.t", pa.table({"n": [1]}))
    address = TableAddress.parse("mine.s.t")
    fake.faults.add(Fault("DELETE", f"{BASE}/tables", reset=True, after=True))
    await catalogs.delete_table(address)

    assert await catalogs.get_table(address) is None


async def test_a_table_is_told_with_its_properties_and_its_time(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    fake.put_table("mine.s.t", pa.table({"n": [1], "t": ["x"]})).properties["a"] = "b"

    table = await catalogs.get_table(TableAddress.parse("mine.s.t"))

    assert table is not None
    assert [(c.name, c.type) for c in table.columns] == [("n", "bigint"), ("t", "string")]
    assert table.properties["a"] == "b"
    assert table.updated_at is not None
    assert abs((datetime.now(UTC) - table.updated_at).total_seconds()) < 60


async def test_an_answer_without_a_name_is_no_answer(
    fake: FakeWorkspace, catalogs: Catalogs
) -> None:
    fake.faults.add(Fault(path=f"{BASE}/tables/", status=200, body={"columns": None}))
    with pytest.raises(RemoteUnavailable, match="catalog_name"):
        await catalogs.get_table(TableAddress.parse("mine.s.t"))
