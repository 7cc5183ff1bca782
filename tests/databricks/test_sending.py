"""Datasets reach Unity Catalog: each change once, in order, whatever its kind."""

import pyarrow as pa
import pytest
from mcp.client import Client

from servicetsunami.app import App
from tests.databricks.connecting import CATALOG
from tests.databricks.sending import depth, same_on_both_sides, send
from tests.fakes.databricks import FakeWorkspace, Fault, SqlError
from tests.server.asking import ask, call

pytestmark = pytest.mark.slow

TABLE = f"{CATALOG}.default.t"


async def write(client: Client, rows: list[dict], mode: str = "create", **more: object) -> dict:
    return await call(client, "ingest_dataset", source=rows, name="t", mode=mode, **more)


async def test_every_kind_of_change_arrives_as_the_statement_that_may_be_repeated(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": n, "v": f"v{n}"} for n in range(10)])
    await write(client, [{"k": 10, "v": "new", "extra": 1.5}], "append")
    await write(client, [{"k": 3, "v": "three"}, {"k": 11, "v": "x"}], "merge", keys=["k"])
    await write(client, [{"z": True}], "overwrite")

    assert (await send(app)).claimed == 0

    assert workspace.tables[TABLE].history == [
        "CREATE OR REPLACE TABLE AS SELECT",
        "COPY INTO",
        "MERGE",
        "CREATE OR REPLACE TABLE AS SELECT",
    ]
    await same_on_both_sides(client, workspace, "default.t")
    assert await depth(client) == (0, 0)
    described = await call(client, "describe_asset", name="t")
    assert (described["sync"]["state"], described["sync"]["version"]) == ("synced", 3)
    assert described["where"] == "here and on databricks"
    assert described["full_name"] == TABLE


async def test_what_was_staged_is_removed_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    await send(app)

    staged = [p for p in (workspace.state.folder / "volumes").rglob("*") if p.is_file()]
    assert staged == []


async def test_rows_that_are_the_same_twice_arrive_twice(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    for _ in range(3):
        await write(client, [{"k": 1}], "append")

    await send(app)

    assert workspace.rows(TABLE) == [(1,)] * 4


async def test_a_table_without_rows_arrives_with_its_columns(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1, "v": "x"}])
    await write(client, [{"k": 2, "v": "y"}], "overwrite")
    pulled = pa.table({"k": pa.array([], pa.int64()), "v": pa.array([], pa.string())})
    workspace.put_table("main.default.empty", pulled)
    source = "databricks:main.default.empty"
    await call(client, "ingest_dataset", source=source, name="t", mode="overwrite")

    await send(app)

    assert workspace.tables[TABLE].columns == [("k", "bigint"), ("v", "string")]
    assert workspace.rows(TABLE) == []


@pytest.mark.parametrize("mode", ["append", "overwrite", "merge"])
async def test_all_types_arrive_as_they_are(
    client: Client, app: App, workspace: FakeWorkspace, mode: str
) -> None:
    row = {
        "k": 1, "whole": 2**60, "part": 1.25, "yes": True, "day": "2026-01-31",
        "at": "2026-01-31T12:00:00Z", "list": [1, 2], "deep": {"a": "x", "b": [1.5]},
    }  # fmt: skip
    await write(client, [row])
    keys = {"keys": ["k"]} if mode == "merge" else {}
    await write(client, [{**row, "k": k} for k in (1, 2, 3)], mode, **keys)

    await send(app)

    here = await call(client, "describe_asset", name="t")
    there = workspace.tables[TABLE]
    assert [(c["name"], c["type"]) for c in here["columns"]] == there.columns
    counted = await ask(client, "SELECT count(*) FROM t", run_on="databricks")
    assert counted == await ask(client, "SELECT count(*) FROM t", run_on="local")


async def test_a_deleted_dataset_is_dropped_there_before_its_successor_comes(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    await send(app)
    await call(client, "delete_asset", name="t", confirm="t")
    await write(client, [{"other": "x"}])

    await send(app)

    assert workspace.tables[TABLE].history == ["CREATE OR REPLACE TABLE AS SELECT"]
    assert workspace.rows(TABLE) == [("x",)]
    await call(client, "delete_asset", name="t", confirm="t")
    await send(app)
    assert TABLE not in workspace.tables
    assert await depth(client) == (0, 0)


async def test_changes_of_a_dataset_that_was_deleted_meanwhile_are_not_sent(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    await call(client, "delete_asset", name="t", confirm="t")

    await send(app)

    assert await depth(client) == (0, 0)
    assert [s for s in workspace.statements if "CREATE" in s.sql] == []


async def test_a_table_of_that_name_that_is_not_ours_is_left_alone(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.put_table(TABLE, pa.table({"theirs": [1]}))
    await write(client, [{"k": 1}])
    await call(client, "ingest_dataset", source=[{"k": 1}], name="u")

    await send(app)

    assert workspace.rows(TABLE) == [(1,)]
    assert workspace.tables[TABLE].columns == [("theirs", "bigint")]
    assert await depth(client) == (0, 1)
    status = await call(client, "sync_status", name="t")
    assert "not from this dataset" in status["assets"][0]["error"]
    assert workspace.rows(f"{CATALOG}.default.u") == [(1,)]


async def test_a_table_that_was_dropped_there_is_sent_whole_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    await send(app)
    workspace.execute(f"DROP TABLE {TABLE}")
    await write(client, [{"k": 2}], "append")

    await send(app)

    assert workspace.rows(TABLE) == [(1,), (2,)]


async def test_a_table_that_was_changed_there_is_parked_until_somebody_decides(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    await send(app)
    workspace.execute(f"INSERT INTO {TABLE} VALUES (99)")
    await write(client, [{"k": 2}], "append")

    await send(app)
    assert await depth(client) == (0, 1)
    assert "changed on Databricks" in (await call(client, "sync_status"))["assets"][0]["error"]
    assert (await call(client, "describe_asset", name="t"))["sync"]["state"] == "parked"

    await call(client, "manage_sync", action="retry", name="t")
    await send(app)
    assert workspace.rows(TABLE) == [(1,), (2,)]
    assert (await call(client, "describe_asset", name="t"))["sync"]["state"] == "synced"


async def test_a_read_that_is_stale_after_a_change_is_asked_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not yet"}
    tables = "/api/2.1/unity-catalog/tables/"
    workspace.faults.add(Fault("GET", tables, status=404, body=missing, times=3))
    await write(client, [{"k": 1}])

    await send(app)

    assert await depth(client) == (0, 0)
    assert workspace.rows(TABLE) == [(1,)]


async def test_a_missing_grant_parks_with_what_to_do_and_a_retry_sends_it(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.state.denied.add(("CREATE_CATALOG", "*"))
    await write(client, [{"k": 1}])
    await send(app)
    status = await call(client, "sync_status")
    assert status["parked"] == 1
    assert "CREATE_CATALOG" in status["assets"][0]["error"]
    assert "retry" in status["next"]

    workspace.state.denied.clear()
    done = await call(client, "manage_sync", action="initialise")
    await send(app)

    assert done["items"] == 1
    await same_on_both_sides(client, workspace, "default.t")


async def test_a_conflict_there_is_tried_again_and_the_others_do_not_wait(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    conflict = SqlError("DELTA_CONCURRENT_APPEND", "Files were added.", code="ABORTED")
    workspace.sql.failures = [("CREATE OR REPLACE.*`t`", conflict)]
    await write(client, [{"k": 1}])
    await call(client, "ingest_dataset", source=[{"k": 1}], name="u")

    batch = await send(app)
    assert (batch.retried, batch.parked) in {(0, 0), (1, 0)}
    assert workspace.rows(f"{CATALOG}.default.u") == [(1,)]

    await call(client, "manage_sync", action="retry")
    await send(app)
    await same_on_both_sides(client, workspace, "default.t")


async def test_sync_can_be_switched_off_and_on_for_a_dataset(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    await call(client, "manage_sync", action="off", name="t")
    await write(client, [{"k": 2}], "append")
    await send(app)
    assert TABLE not in workspace.tables
    assert (await call(client, "tenant_usage"))["assets"][0]["off"] == 1

    await call(client, "manage_sync", action="on", name="t")
    await write(client, [{"k": 3}], "append")
    await send(app)

    assert workspace.rows(TABLE) == [(1,), (2,), (3,)]
    assert (await call(client, "tenant_usage"))["assets"][0]["synced_percent"] == 100.0


async def test_dropped_changes_are_not_sent_and_the_next_one_catches_up(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await write(client, [{"k": 1}])
    await send(app)
    workspace.faults.add(
        Fault(
            path="/api/2.1/.*",
            status=403,
            times=None,
            body={"error_code": "PERMISSION_DENIED", "message": "no"},
        )
    )
    await write(client, [{"k": 2}], "append")
    await send(app)
    assert await depth(client) == (0, 1)

    assert (await call(client, "manage_sync", action="drop", name="t"))["items"] == 1
    workspace.faults.clear()
    await write(client, [{"k": 3}], "append")
    await send(app)
    assert await depth(client) == (0, 1)  # 2 rows there, 3 here: a person decides
    await call(client, "manage_sync", action="retry")
    await send(app)

    assert workspace.rows(TABLE) == [(1,), (2,), (3,)]
