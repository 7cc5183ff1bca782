"""The same jobs go through the same states with the same outputs, here and on Databricks."""

from typing import Any

import anyio
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service import jobs
from mcp.client import Client

from servicetsunami.app import App
from tests.databricks.connecting import CATALOG
from tests.databricks.job_definitions import DEFINITIONS, INNER, NOTEBOOKS, SALES, notebook
from tests.databricks.sending import send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.server.asking import ask, call, failure

TABLES = {
    "statements": "SELECT * FROM big ORDER BY ALL",
    "a saved file of SQL": "SELECT * FROM report ORDER BY ALL",
    "a loop over rows": "SELECT * FROM seen ORDER BY ALL",
}
"""What a job leaves in tables, besides its outputs."""


async def prepared(client: Client, app: App, *definitions: dict[str, Any]) -> None:
    await call(client, "ingest_dataset", source=SALES, name="sales")
    for name, content in NOTEBOOKS.items():
        await call(client, "save_notebook", name=name, content=content)
    for definition in definitions:
        await create(client, **definition)
    await send(app)


async def create(client: Client, **given: Any) -> dict[str, Any]:
    own = {
        key: given.pop(key) for key in ("name", "tasks", "parameters", "schedule") if key in given
    }
    if "parameters" in own:
        own["parameters"] = {each["name"]: each["default"] for each in own["parameters"]}
    return await call(client, "create_job", **own, options=given or None)


async def run(client: Client, name: str, place: str, **more: Any) -> dict[str, Any]:
    found = (await call(client, "run_job", name=name, run_on=place, **more))["run"]
    return await followed(client, found)


async def followed(client: Client, found: dict[str, Any]) -> dict[str, Any]:
    with anyio.fail_after(90):
        while found["state"] in {"PENDING", "RUNNING", "QUEUED"}:
            found = (await call(client, "get_run", run_id=found["run_id"]))["run"]
    return found


def result_of(found: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same: not times, ids, and what only one side puts out."""
    return {
        "state": found["state"],
        "tasks": {
            task["task_key"]: (
                task["state"],
                task.get("outcome"),
                task.get("attempt"),
                (task.get("output") or {}).get("result"),
            )
            for task in found["tasks"]
        },
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", DEFINITIONS, ids=str)
async def test_a_job_gives_the_same_here_and_there(
    client: Client, app: App, workspace: FakeWorkspace, kind: str
) -> None:
    name = f"job: {kind}"
    await prepared(client, app, INNER, {"name": name, **DEFINITIONS[kind]})

    ran = [await run(client, name, place) for place in ("local", "databricks")]

    assert [each["ran_on"] for each in ran] == ["local", "databricks"]
    assert result_of(ran[0]) == result_of(ran[1]), ran[1]
    assert not any("RUNNING" in each["timeline"] for each in ran)
    if kind in TABLES:
        table = TABLES[kind].split()[3]
        here = await ask(client, TABLES[kind])
        assert [tuple(row) for row in here] == workspace.rows(f"{CATALOG}.default.{table}")
    errors = [[task.get("error") for task in each["tasks"] if task.get("error")] for each in ran]
    assert [bool(each) for each in errors] == ["failure" in kind] * 2, errors


@pytest.mark.slow
async def test_the_official_sdk_reads_our_definitions_back_unchanged_in_meaning(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    daily = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "Europe/Berlin"}
    named = [{"name": kind, **given} for kind, given in DEFINITIONS.items()]
    live = {"name": "live", "schedule": daily, "run_on": "databricks"}
    here = {"name": "here", "schedule": daily}
    tasks = [notebook("a", "etl/clean", timeout_seconds=60, min_retry_interval_millis=5)]
    await prepared(client, app, INNER, *named, live | {"tasks": tasks}, here | {"tasks": tasks})
    sdk = WorkspaceClient(config=Config(host=workspace.url, token=workspace.token))

    read = {job.settings.name: job.settings for job in listed(sdk)}
    assert read.keys() == {*DEFINITIONS, "inner", "live", "here"}
    for kind, given in DEFINITIONS.items():
        assert meaning(read[kind]) == meant(given), kind
    assert read["live"].schedule == jobs.CronSchedule.from_dict(
        {**daily, "pause_status": "UNPAUSED"}
    )
    assert read["here"].schedule == jobs.CronSchedule.from_dict({**daily, "pause_status": "PAUSED"})
    assert read["live"].tasks[0].min_retry_interval_millis == 5
    numbers = {job.settings.name: job.job_id for job in listed(sdk)}
    assert read["calls another"].tasks[0].run_job_task.job_id == numbers["inner"]
    files = {path.rpartition("/")[2] for path in workspace.objects.all if "/_jobs/" in path}
    assert {"make.sql", "trim.sql", "each.one.sql", "report.sql", "check.py", "broken.py"} <= files


def listed(sdk: WorkspaceClient) -> list[Any]:
    return list(sdk.jobs.list(expand_tasks=True))


def meaning(settings: Any) -> dict[str, Any]:
    """What the SDK's typed model says of a job, but for places and our own tags."""
    ours = {"servicetsunami_id", "tenant"}
    return {
        "parameters": {each.name: each.default for each in settings.parameters or ()},
        "tags": {k: v for k, v in (settings.tags or {}).items() if k not in ours},
        "max_concurrent_runs": settings.max_concurrent_runs,
        "queued": bool(settings.queue and settings.queue.enabled),
        "timeout": settings.timeout_seconds,
        "tasks": [task_meaning(task) for task in settings.tasks],
    }


def task_meaning(task: Any) -> dict[str, Any]:
    loop = task.for_each_task
    condition = task.condition_task
    return {
        "key": task.task_key,
        "after": [(each.task_key, each.outcome) for each in task.depends_on or ()],
        "run_if": task.run_if.value if task.run_if else "ALL_SUCCESS",
        "retries": task.max_retries or 0,
        "disabled": bool(task.disabled),
        "notebook": task.notebook_task
        and (
            task.notebook_task.notebook_path.split("/local/")[1],
            task.notebook_task.base_parameters or {},
        ),
        "sql": task.sql_task and (task.sql_task.parameters or {}),
        "python": task.spark_python_task and (task.spark_python_task.parameters or []),
        "condition": condition and (condition.op.value, condition.left, condition.right),
        "loop": loop and (loop.inputs, loop.concurrency, task_meaning(loop.task)),
        "call": task.run_job_task and (task.run_job_task.job_parameters or {}),
    }


def meant(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameters": {each["name"]: each["default"] for each in given.get("parameters", ())},
        "tags": given.get("tags", {}),
        "max_concurrent_runs": given.get("max_concurrent_runs", 1),
        "queued": given.get("queue", {}).get("enabled", False),
        "timeout": given.get("timeout_seconds", 0),
        "tasks": [task_meant(task) for task in given["tasks"]],
    }


def task_meant(task: dict[str, Any]) -> dict[str, Any]:
    book, loop, condition = (
        task.get(f"{kind}_task") for kind in ("notebook", "for_each", "condition")
    )
    return {
        "key": task["task_key"],
        "after": [(each["task_key"], each.get("outcome")) for each in task.get("depends_on", ())],
        "run_if": task.get("run_if", "ALL_SUCCESS"),
        "retries": task.get("max_retries", 0),
        "disabled": task.get("disabled", False),
        "notebook": book and (book["notebook_path"], book.get("base_parameters", {})),
        "sql": task["sql_task"].get("parameters", {}) if "sql_task" in task else None,
        "python": task["spark_python_task"]["parameters"] if "spark_python_task" in task else None,
        "condition": condition and (condition["op"], condition["left"], condition["right"]),
        "loop": loop and (loop["inputs"], loop.get("concurrency"), task_meant(loop["task"])),
        "call": task["run_job_task"]["job_parameters"] if "run_job_task" in task else None,
    }


async def test_a_run_there_is_cancelled_there(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await call(client, "save_notebook", name="slow", content="import time; time.sleep(600)")
    await create(client, name="slow", tasks=[notebook("a", "slow"), notebook("b", "slow", "a")])
    await send(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "run_job", {"name": "slow", "run_on": "databricks"})
        run_id = await until_task_runs(client)
        stopped = await call(client, "cancel_run", run_id=run_id)
    found = await followed(client, (await call(client, "get_run", run_id=run_id))["run"])

    assert stopped["state"] == found["state"] == "CANCELED"
    [there] = workspace.jobs.runs.values()
    assert there.result == "CANCELED"
    assert result_of(found)["tasks"]["b"][0] == "CANCELED"


async def until_task_runs(client: Client) -> str:
    with anyio.fail_after(60):
        while True:
            listed = (await call(client, "get_run"))["runs"]
            if listed:
                found = (await call(client, "get_run", run_id=listed[0]["run_id"], wait=False))[
                    "run"
                ]
                if "RUNNING" in {task["state"] for task in found.get("tasks", ())}:
                    return found["run_id"]


@pytest.mark.slow
async def test_what_failed_there_is_repaired_there(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await prepared(client, app)
    tasks = [notebook("a", "etl/clean"), notebook("b", "etl/broken", "a")]
    await create(client, name="mended", tasks=[*tasks, notebook("c", "etl/clean", "b")])
    await send(app)
    failed = await run(client, "mended", "databricks")
    assert failed["state"] == "FAILED"
    assert failed["error"] == "Task b: ValueError: the source is empty"

    await call(client, "save_notebook", name="etl/broken", content="print('whole')")
    await send(app)
    lost = Fault(method="POST", path="/api/2.2/jobs/runs/repair", reset=True, after=True, times=1)
    workspace.faults.add(lost)
    found = (await call(client, "run_job", repair_run_id=failed["run_id"]))["run"]
    found = await followed(client, found)

    assert found["state"] == "SUCCESS", found
    assert found["repairs"] == 1
    assert {key: each[0] for key, each in result_of(found)["tasks"].items()} == {
        "a": "SUCCESS",
        "b": "SUCCESS",
        "c": "SUCCESS",
    }
    assert "b (attempt 2) SUCCESS" in found["timeline"]
    assert len(workspace.jobs.runs) == 1
    [there] = workspace.jobs.runs.values()
    assert len(there.repairs) == 1
    assert "Nothing in" in await failure(client, "run_job", repair_run_id=found["run_id"])


@pytest.mark.slow
async def test_runs_that_others_began_there_are_listed_beside_ours(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await prepared(client, app)
    await create(
        client,
        name="shared",
        tasks=[notebook("a", "etl/clean")],
        parameters=[{"name": "day", "default": "mon"}],
    )
    await send(app)
    ours = await run(client, "shared", "databricks")
    [number] = workspace.jobs.all
    sdk = WorkspaceClient(config=Config(host=workspace.url, token=workspace.token))
    theirs = sdk.jobs.run_now(number, job_parameters={"day": "tue"}).run_id
    there = app.services.jobs.there

    assert await there.find(app.caller()) == 1
    assert await there.find(app.caller()) == 0
    await there.adopt(app.caller())
    listed = (await call(client, "get_run", name="shared"))["runs"]
    assert [each["reason"] for each in listed] == [
        "It was begun on Databricks.",
        "You asked for Databricks.",
    ]
    found = await followed(client, listed[0])
    assert (found["state"], found["parameters"]) == ("SUCCESS", {"day": "tue"})
    assert result_of(found)["tasks"] == result_of(ours)["tasks"]
    assert len(workspace.jobs.runs) == 2
    assert theirs in workspace.jobs.runs
    described = await call(client, "describe_asset", kind="job", name="shared")
    assert [each["ran_on"] for each in described["job"]["last_runs"]] == ["databricks"] * 2


@pytest.mark.slow
async def test_an_outage_in_the_middle_only_delays_what_is_known(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await prepared(client, app)
    await create(client, name="through", tasks=[notebook("a", "etl/clean")])
    await send(app)
    begin = "/api/2.2/jobs/run-now"
    workspace.faults.add(Fault(method="POST", path=begin, reset=True, after=True, times=2))
    workspace.faults.add(Fault(method="GET", path="/api/2.2/jobs/runs/get", status=503, times=6))
    output = "/api/2.2/jobs/runs/get-output"
    workspace.faults.add(Fault(method="GET", path=output, status=503, times=3))
    found = await run(client, "through", "databricks")

    assert found["state"] == "SUCCESS", found
    assert len(workspace.jobs.runs) == 1


@pytest.mark.slow
async def test_a_run_waits_until_its_job_has_arrived(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await call(client, "save_notebook", name="late", content="dbutils.notebook.exit('late')")
    await create(client, name="late", tasks=[notebook("a", "late")], run_on="databricks")
    ended: list[dict[str, Any]] = []

    async def begin() -> None:
        ended.append((await call(client, "run_job", name="late"))["run"])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin)
        with anyio.fail_after(30):
            while not (await call(client, "get_run"))["runs"]:
                await anyio.lowlevel.checkpoint()
        assert workspace.jobs.runs == {}
        await send(app)
    found = await followed(client, ended[0])

    assert (found["state"], found["reason"]) == ("SUCCESS", "The job runs on Databricks.")
    assert found["tasks"][0]["output"]["result"] == "late"


async def test_a_run_that_waits_for_its_job_can_be_cancelled(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=SALES, name="sales")
    await call(client, "save_notebook", name="late", content="print(1)")
    await create(client, name="late", tasks=[notebook("a", "late")])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "run_job", {"name": "late", "run_on": "databricks"})
        with anyio.fail_after(30):
            while not (listed := (await call(client, "get_run"))["runs"]):
                await anyio.lowlevel.checkpoint()
        assert "Changes of default.sales had not reached it" in listed[0]["reason"]
        stopped = await call(client, "cancel_run", run_id=listed[0]["run_id"])

    assert (stopped["state"], stopped["error"]) == ("CANCELED", "It was cancelled before it began.")
    assert workspace.jobs.runs == {}
    refused = await failure(client, "run_job", repair_run_id=stopped["run_id"])
    assert "never begun on Databricks" in refused
