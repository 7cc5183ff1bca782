"""Indexes are on Databricks as they are here: made once, changed, and deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import CATALOG, connected
from tests.databricks.indexing import (
    DOCUMENTS,
    TABLE,
    THERE,
    arrive,
    index_documents,
    look_again,
    manage,
    status,
    there,
)
from tests.databricks.sending import depth, send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.fakes.databricks.vectors import Index
from tests.server.asking import call, failure

pytestmark = pytest.mark.slow


async def test_an_index_follows_its_table_changes_and_is_deleted(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    assert (await status(client))["state"] == "waiting"
    await arrive(client, app)

    made = there(workspace)
    assert made.spec["index_type"] == "DELTA_SYNC"
    assert made.inner["source_table"] == TABLE
    assert sorted(made.rows) == ["E42", "bill", "pw"]
    synced = await status(client)
    assert (synced["state"], synced["version"], synced["synced_version"]) == ("synced", 0, 0)

    await index_documents(client, {"id": "pw", "text": "Call us.", "n": 4}, {"text": "New."})
    await arrive(client, app)
    assert len(there(workspace).rows) == 4
    assert there(workspace).rows["pw"]["text"] == "Call us."
    assert there(workspace) is made
    usage = await call(client, "tenant_usage")
    [kind] = [each for each in usage["assets"] if each["kind"] == "index"]
    assert (kind["count"], kind["synced"], kind["synced_percent"]) == (1, 1, 100.0)

    await call(client, "delete_asset", kind="index", name="help", confirm="help")
    await arrive(client, app)
    assert workspace.vectors.indexes == {}
    assert TABLE not in workspace.tables


async def test_rows_are_put_where_the_table_is_not_sent(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await manage(client, "off", "dataset")
    await arrive(client, app)
    made = there(workspace)
    assert made.spec["index_type"] == "DIRECT_ACCESS"
    assert {key: row["text"] for key, row in made.rows.items()} == {
        each["id"]: each["text"] for each in DOCUMENTS
    }
    assert TABLE not in workspace.tables

    delete = {"task_key": "d", "sql_task": {"statement": "DELETE FROM help WHERE id = 'pw'"}}
    await call(client, "create_job", name="clean", tasks=[delete])
    assert (await call(client, "run_job", name="clean"))["run"]["state"] == "SUCCESS"
    await arrive(client, app)
    assert sorted(made.rows) == ["E42", "bill"]
    assert there(workspace) is made


async def test_what_a_broken_delivery_has_left_is_taken_out(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await manage(client, "off", "dataset")
    await arrive(client, app)
    broken = {"error_code": "BAD_REQUEST", "message": "broken"}
    workspace.faults.add(Fault("POST", ".*/upsert-data$", status=400, body=broken, after=True))
    await index_documents(client, {"id": "new", "text": "Only for a while.", "n": 4})
    await arrive(client, app, parked=1)
    # Nobody sees yet what was put: a scan alone would not find it to be there.
    workspace.vectors.late_reads = 100
    there(workspace).late.append(("new", there(workspace).rows.pop("new")))
    there(workspace).reads_left = 100

    delete = {"task_key": "d", "sql_task": {"statement": "DELETE FROM help WHERE id = 'new'"}}
    await call(client, "create_job", name="clean", tasks=[delete])
    assert (await call(client, "run_job", name="clean"))["run"]["state"] == "SUCCESS"
    await manage(client, "retry")
    await arrive(client, app)
    there(workspace).reads_left = 0
    assert sorted(there(workspace).seen()) == ["E42", "bill", "pw"]


async def test_an_index_is_made_anew_when_its_way_changes(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    await manage(client, "off", "dataset")
    await arrive(client, app)
    assert there(workspace).spec["index_type"] == "DIRECT_ACCESS"
    assert len(there(workspace).rows) == 3

    await index_documents(client, {"id": "new", "text": "More columns.", "n": 4, "tag": "x"})
    await arrive(client, app)
    assert there(workspace).columns["tag"] == "string"
    assert len(there(workspace).rows) == 4
    await manage(client, "on", "dataset")
    await arrive(client, app)
    assert there(workspace).spec["index_type"] == "DELTA_SYNC"
    assert len(there(workspace).rows) == 4


async def test_an_index_whose_endpoint_was_made_anew_is_made_anew(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    before = there(workspace)
    workspace.vectors.endpoints.clear()
    await index_documents(client, {"text": "New."})
    await arrive(client, app)

    assert there(workspace) is not before
    assert not workspace.vectors.is_orphan(there(workspace))
    assert len(there(workspace).rows) == 4


@pytest.mark.parametrize("way", ["DELTA_SYNC", "DIRECT_ACCESS"])
async def test_an_index_there_that_is_not_ours_is_left_alone(
    client: Client, app: App, workspace: FakeWorkspace, way: str
) -> None:
    await index_documents(client)
    await arrive(client, app)
    theirs = there(workspace)
    await call(client, "delete_asset", kind="index", name="help", confirm="help")
    await arrive(client, app)
    workspace.vectors.indexes[THERE] = theirs
    await index_documents(client)
    if way == "DIRECT_ACCESS":
        await manage(client, "off", "dataset")
    await arrive(client, app, parked=1)
    held = await status(client)
    assert held["state"] == "parked"
    assert "not from here" in held["error"]
    await call(client, "delete_asset", kind="index", name="help", confirm="help")
    await manage(client, "retry")
    await arrive(client, app)
    assert there(workspace) is theirs


async def test_one_that_somebody_has_put_into_the_place_of_ours_is_left_alone(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    ours = there(workspace)
    spec = {**ours.spec, "primary_key": "n"}
    theirs = Index(spec, ours.endpoint_id, -1, dict(ours.columns), dict(ours.rows))
    workspace.vectors.indexes[THERE] = theirs
    await index_documents(client, {"text": "New."})
    await arrive(client, app, parked=1)
    assert "not from here" in (await status(client))["error"]
    await call(client, "delete_asset", kind="index", name="help", confirm="help")
    await manage(client, "retry")
    await arrive(client, app)
    assert there(workspace) is theirs
    assert len(theirs.rows) == 3


async def test_a_name_that_is_pending_deletion_is_waited_for_up_to_a_quarter_of_an_hour(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.vectors.deletion_tries = 3
    await index_documents(client)
    await arrive(client, app)
    await call(client, "delete_asset", kind="index", name="help", confirm="help")
    await index_documents(client)
    await arrive(client, app)
    assert len(there(workspace).rows) == 3

    workspace.vectors.deletion_tries = 1_000
    await call(client, "delete_asset", kind="index", name="help", confirm="help")
    await index_documents(client)
    for _ in range(3):
        await send(app)
        await look_again(app)
    waiting = await status(client)
    assert (waiting["state"], waiting["waiting"]) == ("waiting", 1)
    assert "pending deletion" in waiting["error"]
    assert app.worker is not None
    app.worker.clock = lambda: datetime.now(UTC) + timedelta(minutes=16)
    await send(app)
    held = await status(client)
    assert held["state"] == "parked"
    assert "15 minutes" in held["error"]

    workspace.vectors.pending_deletion.clear()
    await manage(client, "retry")
    await arrive(client, app)
    assert len(there(workspace).rows) == 3


async def test_rows_that_are_refused_are_sent_again_and_named_in_the_end(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.vectors.refused = {"pw": 2, "bill": 1}
    await index_documents(client)
    await manage(client, "off", "dataset")
    await arrive(client, app)
    assert sorted(there(workspace).rows) == ["E42", "bill", "pw"]

    workspace.vectors.refused = {"E42": 1_000}
    await index_documents(client, {**DOCUMENTS[2], "n": 30}, {"id": "new", "text": "New.", "n": 4})
    assert app.worker is not None
    later = datetime.now(UTC)
    while (await depth(client))[0]:
        later += timedelta(minutes=10)
        app.worker.clock = lambda: later  # noqa: B023 - the newest one is meant
        await send(app)
    held = await status(client)
    assert held["state"] == "parked"
    assert "E42" in held["error"]
    assert "did not take 1 rows" in held["error"]
    assert sorted(there(workspace).rows) == ["E42", "bill", "new", "pw"]

    workspace.vectors.refused = {}
    await manage(client, "retry")
    await arrive(client, app)
    assert there(workspace).rows["E42"]["n"] == 30
    assert (await status(client))["state"] == "synced"


FAULTS: list[dict[str, Any]] = [
    {"method": "POST", "path": "/api/2.0/vector-search/endpoints$", "reset": True, "after": True},
    {"method": "POST", "path": "/api/2.0/vector-search/indexes$", "reset": True, "after": True},
    {"method": "POST", "path": "/api/2.0/vector-search/indexes$", "status": 503, "after": True},
    {"method": "POST", "path": ".*/sync$", "reset": True, "after": True},
    {"path": "/api/2.0/vector-search", "status": 429, "headers": {"Retry-After": "0"}, "times": 9},
    {"path": "/api/2.0/vector-search", "status": 503, "body": {"message": "down"}, "times": 5},
    {"method": "POST", "path": ".*/upsert-data$", "reset": True, "after": True},
    {"method": "POST", "path": ".*/scan$", "half_body": True},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: f"{each['path'][-12:]} {len(each)}")
async def test_lost_and_refused_answers_cost_nothing(
    client: Client, app: App, workspace: FakeWorkspace, fault: dict[str, Any]
) -> None:
    workspace.faults.add(Fault(**fault))
    await index_documents(client)
    if "upsert" in fault["path"] or "scan" in fault["path"]:
        await manage(client, "off", "dataset")
    await call(client, "manage_sync", action="retry")
    await arrive(client, app)

    assert list(workspace.vectors.indexes) == [THERE]
    assert list(workspace.vectors.endpoints) == ["servicetsunami"]
    assert sorted(there(workspace).rows) == ["E42", "bill", "pw"]
    assert (await status(client))["state"] == "synced"


async def test_a_failed_index_is_made_anew_when_somebody_says_so(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    there(workspace).failure = "Source table was dropped."
    await index_documents(client, {"text": "New."})
    await arrive(client, app, parked=1)
    assert "Source table was dropped" in (await status(client))["error"]
    await manage(client, "retry")
    await arrive(client, app)
    assert len(there(workspace).rows) == 4


async def test_an_update_that_failed_is_asked_for_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    there(workspace).failing = 2
    await index_documents(client, {"text": "New."})
    await arrive(client, app)
    assert len(there(workspace).rows) == 4


async def test_a_table_that_was_replaced_meanwhile_is_given_its_change_feed_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    body = {"error_code": "INVALID_PARAMETER_VALUE", "message": "Change data feed is not enabled."}
    workspace.faults.add(Fault("POST", ".*/sync$", status=400, body=body))
    workspace.tables[TABLE].properties.pop("delta.enableChangeDataFeed")
    await index_documents(client, {"text": "New."})
    await arrive(client, app)
    assert workspace.tables[TABLE].properties["delta.enableChangeDataFeed"] == "true"
    assert len(there(workspace).rows) == 4


async def test_a_new_change_takes_the_place_of_one_that_was_held_up(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    there(workspace).failure = "Broken."
    await index_documents(client, {"text": "New."})
    await arrive(client, app, parked=1)
    there(workspace).failure = None
    await index_documents(client, {"text": "Newer."})
    assert (await status(client))["state"] == "waiting"
    await arrive(client, app)
    assert len(there(workspace).rows) == 5
    assert (await status(client))["state"] == "synced"


async def test_the_endpoint_is_made_as_the_settings_say(
    workspace: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    chosen = {
        "databricks_vector_endpoint": "shared",
        "databricks_vector_endpoint_type": "STORAGE_OPTIMIZED",
    }
    settings = connected(workspace, tmp_path / "data", files).model_copy(update=chosen)
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller), raise_exceptions=True) as client,
    ):
        await index_documents(client)
        await arrive(client, app)
    [endpoint] = workspace.vectors.endpoints.values()
    assert (endpoint.name, endpoint.kind) == ("shared", "STORAGE_OPTIMIZED")
    assert there(workspace).spec["endpoint_name"] == "shared"


async def test_a_stopped_endpoint_is_named(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    workspace.vectors.endpoints["servicetsunami"].state = "STOPPED"
    await index_documents(client, {"text": "New."})
    await arrive(client, app, parked=1)
    assert "is stopped" in (await status(client))["error"]


async def test_an_index_waits_for_a_table_that_is_held_up(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.state.create_catalog(CATALOG)
    workspace.execute(f"CREATE TABLE {TABLE} (a INT)")
    await index_documents(client)
    await send(app)
    await look_again(app)
    await send(app)
    waiting = await status(client)
    assert (waiting["state"], waiting["waiting"]) == ("waiting", 1)
    assert "has not reached Databricks" in waiting["error"]
    workspace.execute(f"DROP TABLE {TABLE}")
    await call(client, "manage_sync", action="retry")
    await arrive(client, app)
    assert len(there(workspace).rows) == 3


async def test_the_sync_of_an_index_is_switched_off_dropped_and_on_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await manage(client, "off")
    await arrive(client, app)
    assert workspace.vectors.indexes == {}
    assert (await status(client))["state"] == "off"
    await manage(client, "on")
    assert (await manage(client, "drop"))["items"] == 1
    await manage(client, "on")
    await arrive(client, app)
    assert (await status(client))["state"] == "synced"
    refused = await failure(client, "manage_sync", action="pull", kind="index", name="help")
    assert "Indexes are not pulled" in refused
    missing = await failure(client, "manage_sync", action="on", kind="index", name="halp")
    assert "default.help" in missing


async def test_what_can_be_no_index_any_more_says_so(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    await arrive(client, app)
    await call(client, "ingest_dataset", source=[{"a": 1}], name="help", mode="overwrite")
    await arrive(client, app, parked=1)
    assert "no id, text, vector any more" in (await status(client))["error"]
    assert len(there(workspace).rows) == 3
    await call(client, "delete_asset", kind="dataset", name="help", confirm="help")
    await manage(client, "retry")
    await arrive(client, app)
    assert workspace.vectors.indexes == {}
