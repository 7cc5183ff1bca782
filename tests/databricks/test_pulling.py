"""Tables are copied from Databricks: whole, in one version, with what is needed to see them age."""

import pyarrow as pa
import pytest
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import CATALOG
from tests.databricks.sending import depth, send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.notebooks.test_tasks import KnowsTasks
from tests.server.asking import ask, call, failure

ORDERS = "main.sales.orders"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def orders(count: int) -> pa.Table:
    return pa.table({"id": list(range(count)), "name": [f"order {n}" for n in range(count)]})


async def test_a_table_comes_in_chunks_and_is_whole(
    client: Client, workspace: FakeWorkspace
) -> None:
    workspace.sql.chunk_rows = 100
    workspace.put_table(ORDERS, orders(1050))

    report = await call(client, "ingest_dataset", source=f"databricks:{ORDERS}")

    assert (report["name"], report["rows_written"]) == ("sales.orders", 1050)
    assert await ask(client, "SELECT count(DISTINCT id) FROM sales.orders") == [[1050]]
    described = await call(client, "describe_asset", name="sales.orders")
    assert described["pulled"]["table"] == ORDERS
    assert described["sync"]["state"] == "off"


async def test_a_copy_is_not_sent_back(client: Client, app: App, workspace: FakeWorkspace) -> None:
    workspace.put_table(ORDERS, orders(3))
    await call(client, "ingest_dataset", source=f"databricks:{ORDERS}", name="mine")
    await call(client, "ingest_dataset", source=[{"id": 4}], name="mine", mode="append")

    await send(app)

    assert list(workspace.tables) == [ORDERS]


async def test_a_copy_says_when_its_table_has_changed_and_is_pulled_anew(
    client: Client, workspace: FakeWorkspace
) -> None:
    workspace.put_table(ORDERS, orders(3))
    await call(client, "ingest_dataset", source=f"databricks:{ORDERS}")
    fresh = await call(client, "sync_status", name="sales.orders")
    workspace.execute(f"INSERT INTO {ORDERS} VALUES (77, 'late')")

    stale = await call(client, "sync_status", name="sales.orders")
    done = await call(client, "manage_sync", action="pull", name="sales.orders")

    assert [each["assets"][0]["is_stale"] for each in (fresh, stale)] == [False, True]
    assert (done["row_count"], done["pulled_version"]) == (4, 1)
    assert await ask(client, "SELECT count(*) FROM sales.orders VERSION AS OF 0") == [[3]]


async def test_a_long_pull_goes_on_as_a_run(
    app: App, client: Client, workspace: FakeWorkspace
) -> None:
    workspace.put_table(ORDERS, orders(3))
    await call(client, "ingest_dataset", source=f"databricks:{ORDERS}")
    workspace.faults.add(Fault(path="/__store__", delay_s=2))
    # Who knows tasks is served better by a short wait.
    async with Client(LakeServer(app.services, app.caller), extensions=[KnowsTasks()]) as hurried:
        begun = await call(hurried, "manage_sync", action="pull", name="sales.orders")

    assert begun["done"] == "manage_sync took longer than 1 s, and went on as a run."
    [run] = (await call(client, "get_run"))["runs"]
    assert run["run_id"] in begun["next"]
    ended = (await call(client, "get_run", run_id=run["run_id"]))["run"]
    assert (ended["state"], ended["answer"]["row_count"]) == ("SUCCESS", 3)


async def test_links_that_expire_and_downloads_that_break_off_are_begun_anew(
    client: Client, workspace: FakeWorkspace
) -> None:
    workspace.sql.chunk_rows = 100
    workspace.put_table(ORDERS, orders(500))
    expired = b"<Error>Request has expired</Error>"
    workspace.faults.add(Fault(path="/__store__", status=403, body=expired, skip=1))
    workspace.faults.add(Fault(path="/__store__", half_body=True, after=True, skip=1))
    workspace.faults.add(Fault(path="/__store__", reset=True, skip=2))

    report = await call(client, "ingest_dataset", source=f"databricks:{ORDERS}")

    assert report["rows_written"] == 500
    assert await ask(client, "SELECT count(DISTINCT id) FROM sales.orders") == [[500]]


async def test_a_pull_that_cannot_be_finished_leaves_no_trace(
    client: Client, workspace: FakeWorkspace
) -> None:
    workspace.sql.chunk_rows = 100
    workspace.put_table(ORDERS, orders(500))
    workspace.faults.add(Fault(path="/__store__", status=404, skip=2, times=None))

    message = await failure(client, "ingest_dataset", source=f"databricks:{ORDERS}")

    assert "object store answered 404" in message
    assert (await call(client, "list_assets"))["total"] == 0


async def test_a_pull_takes_their_state_of_a_dataset_of_ours(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")
    await send(app)
    workspace.execute(f"INSERT INTO {CATALOG}.default.t VALUES (2)")

    await call(client, "manage_sync", action="pull", name="t")

    assert await ask(client, "SELECT k FROM t ORDER BY k") == [[1], [2]]
    assert (await call(client, "describe_asset", name="t"))["sync"]["state"] == "synced"
    assert await depth(client) == (0, 0)
    await call(client, "ingest_dataset", source=[{"k": 3}], name="t", mode="append")
    await send(app)
    assert workspace.rows(f"{CATALOG}.default.t") == [(1,), (2,), (3,)]


async def test_a_pull_does_not_undo_changes_that_wait(
    client: Client, workspace: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")

    message = await failure(client, "manage_sync", action="pull", name="t")

    assert "would undo them" in message


async def test_rows_may_be_appended_and_merged_from_there(
    client: Client, workspace: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"id": 0, "name": "mine"}], name="t")
    workspace.put_table(ORDERS, orders(3))
    source = f"databricks:{ORDERS}"

    await call(client, "ingest_dataset", source=source, name="t", mode="merge", keys=["id"])
    await call(client, "ingest_dataset", source=source, name="t", mode="append")

    assert await ask(client, "SELECT count(*), min(name) FROM t") == [[6, "order 0"]]


async def test_what_is_not_there_is_said_before_anything_is_read(
    client: Client, workspace: FakeWorkspace
) -> None:
    missing = await failure(client, "ingest_dataset", source="databricks:main.sales.nothing")
    nonsense = await failure(client, "ingest_dataset", source="databricks:orders")

    assert "no table main.sales.nothing" in missing
    assert "catalog.schema.table" in nonsense
