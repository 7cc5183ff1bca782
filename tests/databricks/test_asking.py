"""Questions that Databricks answers: whole, honest, stopped when nobody waits, never a write."""

from pathlib import Path

import anyio
import pyarrow as pa
import pytest
from anyio.lowlevel import checkpoint
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import CATALOG, connected
from tests.databricks.sending import send
from tests.fakes.databricks import FakeWorkspace, SqlError
from tests.server.asking import ask, call, failure

TRIPS = "samples.nyc.trips"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def trips(workspace: FakeWorkspace) -> FakeWorkspace:
    rows = {"n": list(range(30)), "town": [f"town {n}" for n in range(30)]}
    workspace.put_table(TRIPS, pa.table(rows))
    return workspace


async def test_a_result_in_three_chunks_arrives_whole(client: Client, trips: FakeWorkspace) -> None:
    trips.sql.chunk_rows = 10

    answer = await call(client, "query_dataset", sql=f"SELECT n FROM {TRIPS} ORDER BY n")

    assert answer["rows"] == [[n] for n in range(30)]
    assert (answer["ran_on"], answer["row_count"], answer["truncated"]) == ("databricks", 30, False)
    assert answer["reason"] == f"{TRIPS} is not on this machine."


async def test_a_long_result_comes_in_pages_that_ask_databricks_nothing_more(
    client: Client, trips: FakeWorkspace
) -> None:
    page = await call(client, "query_dataset", sql=f"SELECT * FROM {TRIPS} ORDER BY n", max_rows=7)
    seen, asked = list(page["rows"]), len(trips.statements)
    while page["truncated"]:
        page = await call(client, "query_dataset", cursor=page["cursor"], max_rows=7)
        seen += page["rows"]

    assert [row[0] for row in seen] == list(range(30))
    assert len(trips.statements) == asked


async def test_the_same_statement_with_the_same_parameters_gives_the_same_answer(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    rows = [{"n": n, "price": n / 4, "name": f"n{n}"} for n in range(20)]
    await call(client, "ingest_dataset", source=rows, name="s.t")
    await send(app)
    question = {
        "sql": "SELECT n, price, name, CAST(n AS DECIMAL(10,2)) AS d, array(n, 1) AS a "
        "FROM s.t WHERE n > :least AND name <> :name ORDER BY n",
        "parameters": {"least": 3, "name": "n7"},
    }

    here = await call(client, "query_dataset", **question, run_on="local")
    there = await call(client, "query_dataset", **question, run_on="databricks")

    assert there["rows"] == here["rows"]
    assert there["columns"] == here["columns"]
    assert (here["ran_on"], there["ran_on"]) == ("local", "databricks")
    assert there["tables"][0]["version"] == 0


async def test_the_tenant_is_a_tag_of_every_statement(client: Client, trips: FakeWorkspace) -> None:
    await call(client, "query_dataset", sql=f"SELECT 1 FROM {TRIPS}")

    [statement] = trips.statements
    assert {"key": "servicetsunami_tenant", "value": "local"} in statement.tags


async def test_auto_computes_here_what_is_here_and_says_so(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")
    await send(app)
    asked = len(workspace.statements)

    answer = await call(client, "query_dataset", sql="SELECT * FROM t")

    assert answer["ran_on"] == "local"
    assert answer["reason"] == "All of its tables are on this machine."
    assert len(workspace.statements) == asked


async def test_an_answer_from_there_tells_what_has_not_arrived_yet(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")
    await send(app)
    await call(client, "ingest_dataset", source=[{"k": 2}], name="t", mode="append")

    answer = await call(client, "query_dataset", sql="SELECT * FROM t", run_on="databricks")

    assert answer["rows"] == [[1]]
    assert "have not reached Databricks" in answer["note"]


async def test_a_table_that_is_only_here_cannot_meet_one_that_is_only_there(
    client: Client, trips: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"n": 1}], name="t")

    message = await failure(client, "query_dataset", sql=f"SELECT * FROM t JOIN {TRIPS} USING (n)")

    assert "default.t is only here" in message
    assert f"databricks:{TRIPS}" in message or "databricks:" in message


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t",
        f"DELETE FROM {TRIPS}",
        "CREATE TABLE x (a INT)",
        f"INSERT INTO {TRIPS} VALUES (1, 'x')",
        f"SELECT 1 FROM {TRIPS}; DROP TABLE {TRIPS}",
        f"WITH x AS (SELECT 1) INSERT INTO {TRIPS} SELECT * FROM x",
        f"FROM {TRIPS} INSERT INTO {TRIPS} SELECT *",
        "SELECT * FROM read_files('/Volumes/main/default/v')",
        "SELECT * FROM system.billing.usage",
        f"SELECT * FROM {TRIPS} WHERE ai_query('m', 'x') = 1",
    ],
)
async def test_what_is_not_reading_is_refused_before_it_leaves(
    client: Client, trips: FakeWorkspace, sql: str
) -> None:
    for run_on in ("auto", "databricks"):
        await failure(client, "query_dataset", sql=sql, run_on=run_on)

    assert trips.statements == []
    assert trips.tables[TRIPS].history == ["WRITE"]


async def test_a_catalog_that_is_not_open_to_the_caller_is_not_asked(
    workspace: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    workspace.put_table(TRIPS, pa.table({"n": [1]}))
    settings = connected(workspace, tmp_path / "data", files)
    closed = settings.model_copy(update={"databricks_readable_catalogs": ()})
    async with (
        open_app(closed, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        asked = await failure(client, "query_dataset", sql=f"SELECT * FROM {TRIPS}")
        pulled = await failure(client, "ingest_dataset", source=f"databricks:{TRIPS}")

    assert "another catalog than yours" in asked
    assert "not open to you" in pulled
    assert workspace.statements == []


async def test_a_table_that_neither_side_has_is_named(
    client: Client, workspace: FakeWorkspace
) -> None:
    message = await failure(client, "query_dataset", sql="SELECT * FROM nowhere")

    assert f"{CATALOG}.default.nowhere" in message


async def test_a_failed_statement_tells_what_databricks_said(
    client: Client, trips: FakeWorkspace
) -> None:
    trips.sql.failures = [("trips", SqlError("DIVIDE_BY_ZERO", "Division by zero."))]

    message = await failure(client, "query_dataset", sql=f"SELECT 1 FROM {TRIPS}")

    assert "Division by zero" in message


async def test_versions_are_counted_on_each_side_so_time_travel_stays_here(
    client: Client, app: App
) -> None:
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")
    await send(app)
    sql = "SELECT * FROM t VERSION AS OF 0"

    assert "run_on local" in await failure(client, "query_dataset", sql=sql, run_on="databricks")
    assert await ask(client, sql) == [[1]]


async def test_a_statement_that_takes_long_is_handed_back_and_followed(
    workspace: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    workspace.put_table(TRIPS, pa.table({"n": [1, 2]}))
    workspace.sql.delay_s = 4.0
    settings = connected(workspace, tmp_path / "data", files)
    hasty = settings.model_copy(update={"query_timeout_s": 2.5})
    async with (
        open_app(hasty, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        answer = await call(client, "query_dataset", sql=f"SELECT n FROM {TRIPS} ORDER BY n")
        assert answer["state"] == "running"
        assert answer["row_count_is_minimum"]
        assert answer["truncated"]
        assert "still computing" in answer["note"]
        while answer.get("state") == "running":
            answer = await call(client, "query_dataset", cursor=answer["cursor"])

    assert answer["rows"] == [[1], [2]]
    assert [each.is_cancelled for each in workspace.statements] == [False]


async def cancelled(workspace: FakeWorkspace) -> None:
    with anyio.fail_after(30):
        while not workspace.statements or not workspace.statements[-1].is_cancelled:
            await checkpoint()


async def test_a_time_out_cancels_there(client: Client, trips: FakeWorkspace) -> None:
    trips.sql.delay_s = 60
    # The first child takes a while to start, and would use up the time.
    await ask(client, "SELECT 1")

    message = await failure(client, "query_dataset", sql=f"SELECT n FROM {TRIPS}", timeout_s=2)

    assert "Databricks did not end the statement within 2 s" in message
    await cancelled(trips)


async def test_a_cancelled_call_cancels_there(client: Client, trips: FakeWorkspace) -> None:
    trips.sql.delay_s = 60

    async with anyio.create_task_group() as tasks:
        question = {"sql": f"SELECT n FROM {TRIPS}"}
        tasks.start_soon(client.call_tool, "query_dataset", question)
        with anyio.fail_after(30):
            while not trips.statements:
                await checkpoint()
        tasks.cancel_scope.cancel()

    await cancelled(trips)


async def test_tables_that_are_only_there_are_listed_and_described(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.put_table(f"{CATALOG}.sales.orders", pa.table({"id": [1], "amount": [1.5]}))
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")
    await send(app)
    await app.services.remote_catalog.refresh(app.caller())

    listed = await call(client, "list_assets")
    described = await call(client, "describe_asset", name="sales.orders")

    assert listed["on_databricks"] == [{"name": "sales.orders", "kind": "MANAGED"}]
    assert [asset["name"] for asset in listed["assets"]] == ["default.t"]
    assert described["where"] == "databricks"
    assert described["columns"] == [
        {"name": "id", "type": "bigint"},
        {"name": "amount", "type": "double"},
    ]
    assert await ask(client, "SELECT amount FROM sales.orders") == [[1.5]]
