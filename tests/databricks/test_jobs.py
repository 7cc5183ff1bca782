"""Jobs are in the workspace as they are here: created once, changed, and deleted."""

from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import App
from tests.databricks.job_definitions import NOTEBOOKS, SALES, notebook, sql
from tests.databricks.sending import depth, send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.server.asking import call, failure

pytestmark = pytest.mark.slow

ONE = [notebook("a", "etl/clean")]
TWO = [sql("a", "SELECT 1"), notebook("b", "etl/clean", "a")]


async def save(client: Client, tasks: Any = ONE, name: str = "nightly", **more: Any) -> None:
    await call(client, "create_job", name=name, tasks=tasks, **more)


async def with_notebooks(client: Client) -> None:
    await call(client, "ingest_dataset", source=SALES, name="sales")
    for name, content in NOTEBOOKS.items():
        await call(client, "save_notebook", name=name, content=content)


async def status(client: Client, name: str = "nightly") -> dict[str, Any]:
    answer = await call(client, "sync_status", kind="job", name=name)
    return answer["assets"][0]


async def manage(client: Client, action: str, name: str | None = "nightly") -> dict[str, Any]:
    return await call(client, "manage_sync", action=action, kind="job", name=name)


def there(workspace: FakeWorkspace) -> dict[str, dict[str, Any]]:
    return {job["name"]: job for job in workspace.jobs.all.values()}


def keys(job: dict[str, Any]) -> list[str]:
    return [task["task_key"] for task in job["tasks"]]


async def test_a_job_goes_up_changes_and_is_deleted(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    await save(client)
    assert (await status(client))["state"] == "waiting"
    await send(app)
    assert keys(there(workspace)["nightly"]) == ["a"]
    synced = await status(client)
    assert (synced["state"], synced["synced_version"]) == ("synced", 1)

    await save(client, TWO)
    await save(client, TWO)
    assert (await status(client))["state"] == "waiting"
    await send(app)
    [number] = workspace.jobs.all
    assert keys(there(workspace)["nightly"]) == ["a", "b"]
    described = await call(client, "describe_asset", kind="job", name="nightly")
    assert described["sync"]["state"] == "synced"
    assert described["job"]["job_id_on_databricks"] == str(number)
    usage = await call(client, "tenant_usage")
    [kind] = [each for each in usage["assets"] if each["kind"] == "job"]
    assert (kind["count"], kind["synced"], kind["synced_percent"]) == (1, 1, 100.0)

    await call(client, "delete_asset", kind="job", name="nightly", confirm="nightly")
    await send(app)
    assert workspace.jobs.all == {}
    assert [path for path in workspace.objects.all if "/_jobs/" in path] == []
    assert await depth(client) == (0, 0)


async def test_a_creation_whose_answer_was_lost_makes_one_job(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    lost = Fault(method="POST", path="/api/2.2/jobs/create", reset=True, after=True, times=1)
    workspace.faults.add(lost)
    await save(client)
    await send(app)
    await call(client, "manage_sync", action="retry")
    await send(app)

    assert list(there(workspace)) == ["nightly"]
    assert len(workspace.jobs.all) == 1
    assert (await status(client))["state"] == "synced"


async def test_a_job_of_the_same_name_that_is_not_ours_stays_as_it_is(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    theirs = {"name": "nightly", "tasks": [], "tags": {"servicetsunami_id": "somebody else's"}}
    workspace.jobs.all[7] = theirs
    await with_notebooks(client)
    await save(client)
    await send(app)
    await call(client, "delete_asset", kind="job", name="nightly", confirm="nightly")
    await send(app)

    assert workspace.jobs.all == {7: theirs}


async def test_a_change_there_is_never_written_over_unasked(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    await save(client)
    await send(app)
    there(workspace)["nightly"]["email_notifications"] = {"on_failure": ["ann@example.com"]}
    await save(client, TWO)
    await send(app)

    held = await status(client)
    assert (held["state"], held["parked"]) == ("parked", 1)
    assert "Somebody changed it on Databricks" in held["error"]
    assert keys(there(workspace)["nightly"]) == ["a"]
    refused = (await call(client, "run_job", name="nightly", run_on="databricks"))["run"]
    assert refused["state"] == "FAILED"
    assert "Somebody changed it on Databricks" in refused["error"]
    assert "repair" not in refused["next"]
    await manage(client, "retry")
    await send(app)
    assert keys(there(workspace)["nightly"]) == ["a", "b"]
    assert (await status(client))["state"] == "synced"


async def test_a_changed_job_there_is_deleted_only_on_a_second_word(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    await save(client)
    await send(app)
    there(workspace)["nightly"]["timeout_seconds"] = 5
    await call(client, "delete_asset", kind="job", name="nightly", confirm="nightly")
    await send(app)
    assert list(there(workspace)) == ["nightly"]
    assert await depth(client) == (0, 1)
    await manage(client, "retry")
    await send(app)
    assert workspace.jobs.all == {}


async def test_a_job_that_was_deleted_there_is_created_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    await save(client)
    await send(app)
    workspace.jobs.all.clear()
    await save(client, TWO)
    await send(app)

    assert keys(there(workspace)["nightly"]) == ["a", "b"]


async def test_jobs_that_run_each_other_find_each_others_numbers(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    await save(client, ONE, name="second")
    calls = [{"task_key": "call", "run_job_task": {"job_name": "second"}}]
    itself = [{"task_key": "again", "run_job_task": {"job_name": "third"}}]
    await save(client, calls, name="first")
    await save(client, itself, name="third")
    back = [{"task_key": "call", "run_job_task": {"job_name": "first"}}]
    await save(client, back, name="second")
    while (await depth(client))[0]:
        await send(app)
        await call(client, "manage_sync", action="retry")

    numbers = {job["name"]: number for number, job in workspace.jobs.all.items()}
    called = {
        name: job["tasks"][0]["run_job_task"]["job_id"] for name, job in there(workspace).items()
    }
    assert called == {
        "first": numbers["second"],
        "second": numbers["first"],
        "third": numbers["third"],
    }


async def test_what_databricks_does_not_know_is_refused_by_name(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    given = {"parameters": {"n": "{{tasks.a.output.row_count}}"}}
    await save(client, [sql("a", "SELECT 1"), sql("b", "SELECT :n", "a", sql=given)])
    await send(app)

    held = await status(client)
    assert held["state"] == "parked"
    assert "tasks.a.output.row_count" in held["error"]
    assert (await call(client, "run_job", name="nightly"))["run"]["state"] == "SUCCESS"
    assert workspace.jobs.all == {}


async def test_a_job_whose_notebook_is_gone_waits_for_somebody_to_act(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    await save(client, [{"task_key": "a", "sql_task": {"file": "etl/report"}}])
    await call(client, "delete_asset", kind="notebook", name="etl/report", confirm="etl/report")
    await send(app)

    assert "The notebook etl/report" in (await status(client))["error"]
    assert workspace.jobs.all == {}


async def test_the_sync_of_a_job_is_switched_off_dropped_and_on_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    await save(client)
    await manage(client, "off")
    await send(app)
    assert workspace.jobs.all == {}
    refused = await failure(client, "run_job", name="nightly", run_on="databricks")
    assert "its sync is off" in refused
    calls = [{"task_key": "call", "run_job_task": {"job_name": "nightly"}}]
    await save(client, calls, name="caller")
    await send(app)
    assert "not sent to Databricks" in (await status(client, "caller"))["error"]
    assert (await manage(client, "drop", "caller"))["items"] == 1
    await manage(client, "on")
    await send(app)
    assert (await status(client))["state"] == "synced"
    refused = await failure(client, "manage_sync", action="pull", kind="job", name="nightly")
    assert "Jobs are not pulled" in refused
    assert "Give `name`" in await failure(client, "manage_sync", action="drop", kind="job")


async def test_a_schedule_fires_on_one_side_only(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await with_notebooks(client)
    daily = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "Europe/Berlin"}
    await save(client, schedule=daily)
    listed = (await call(client, "list_assets", kind="job"))["assets"]
    assert "next_fire_at" in listed[0]
    await send(app)
    assert there(workspace)["nightly"]["schedule"]["pause_status"] == "PAUSED"

    await save(client, schedule=daily, options={"run_on": "databricks"})
    listed = (await call(client, "list_assets", kind="job"))["assets"]
    assert "next_fire_at" not in listed[0]
    await send(app)
    assert there(workspace)["nightly"]["schedule"]["pause_status"] == "UNPAUSED"
    await save(
        client, schedule={**daily, "pause_status": "PAUSED"}, options={"run_on": "databricks"}
    )
    await send(app)
    assert there(workspace)["nightly"]["schedule"]["pause_status"] == "PAUSED"
