"""Jobs as a client meets them: saved, run, followed, repaired, cancelled, described, deleted."""

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow

VALUES = """dbutils.jobs.taskValues.set("list", [1, 2, 3])
dbutils.notebook.exit(dbutils.widgets.get("n"))
"""
CHANGE = "UPDATE t SET s = concat(upper(s), :s) WHERE n < 3"
SIX = {"quartz_cron_expression": "0 0 6 * * ?"}
WRONG = {"quartz_cron_expression": "0 6 * * *"}
CHECK = "import sys; assert sys.argv[1] == '5'"


def with_task(**work: Any) -> dict[str, Any]:
    return {"name": "j", "tasks": [{"task_key": "a", **work}]}


def sql(key: str, statement: str, *after: Any, **more: Any) -> dict[str, Any]:
    work = {"statement": statement, **more}
    return {"task_key": key, "depends_on": list(after), "sql_task": work}


async def run(
    client: Client, *tasks: dict[str, Any], name: str = "job", **more: Any
) -> dict[str, Any]:
    await call(client, "create_job", name=name, tasks=list(tasks), **more)
    return (await call(client, "run_job", name=name))["run"]


def states(found: dict[str, Any]) -> dict[str, str]:
    return {task["task_key"]: task["state"] for task in found["tasks"]}


async def test_a_job_of_all_kinds_does_its_work(client: Client) -> None:
    await call(client, "save_notebook", name="etl/one", content=VALUES)
    await call(client, "create_job", name="inner", tasks=[sql("x", "SELECT 1")])
    insert = {
        "task_key": "insert",
        "sql_task": {
            "statement": "INSERT INTO t SELECT CAST(:each AS INT), 'l'",
            "parameters": {"each": "{{input}}"},
        },
    }
    loop = {"inputs": "{{tasks.nb.values.list}}", "concurrency": 2, "task": insert}
    condition = {"op": "GREATER_THAN", "left": "{{tasks.count.output.row_count}}", "right": "3"}
    found = await run(
        client,
        {"task_key": "nb", "notebook_task": {"notebook_path": "etl/one"}},
        sql("make", "CREATE OR REPLACE TABLE t AS SELECT CAST(:n AS INT) AS n, 'x' AS s", "nb"),
        {"task_key": "loop", "depends_on": ["make"], "for_each_task": loop},
        sql("change", CHANGE, "loop", parameters={"s": "!"}),
        sql("count", "SELECT n, s FROM t ORDER BY n", "change"),
        {"task_key": "if", "depends_on": ["count"], "condition_task": condition},
        sql("no", "DELETE FROM t", {"task_key": "if", "outcome": "false"}),
        {
            "task_key": "yes",
            "depends_on": [{"task_key": "if", "outcome": "true"}],
            "spark_python_task": {"code": CHECK, "parameters": ["{{tasks.nb.output.result}}"]},
        },
        {"task_key": "call", "depends_on": ["yes"], "run_job_task": {"job_name": "inner"}},
        parameters={"n": "5"},
    )  # fmt: skip
    if found["state"] == "RUNNING":
        found = (await call(client, "get_run", run_id=found["run_id"]))["run"]

    assert found["state"] == "SUCCESS", found
    assert {key for key, state in states(found).items() if state != "SUCCESS"} == {"no"}
    assert states(found)["no"] == "EXCLUDED"
    assert await ask(client, "SELECT n, s FROM t ORDER BY n") == [
        [1, "L!"],
        [2, "L!"],
        [3, "l"],
        [5, "x"],
    ]
    assert "make SUCCESS after" in found["timeline"]
    resource = await client.read_resource(f"lake://runs/{found['run_id']}")
    assert "timeline" in str(resource.contents[0])
    by_key = {task["task_key"]: task for task in found["tasks"]}
    assert by_key["nb"]["values"] == {"list": [1, 2, 3]}
    assert by_key["count"]["output"]["reads"][0]["table"] == "default.t"


async def test_a_failed_run_says_why_and_is_repaired_once_the_cause_is_gone(client: Client) -> None:
    found = await run(
        client, sql("read", "SELECT * FROM later"), sql("then", "SELECT 1 AS n", "read")
    )
    assert found["state"] == "FAILED"
    assert states(found) == {"read": "FAILED", "then": "UPSTREAM_FAILED"}
    assert "No dataset is named" in found["tasks"][0]["error"]

    await call(client, "ingest_dataset", source=[{"n": 1}], name="later")
    repaired = (await call(client, "run_job", repair_run_id=found["run_id"]))["run"]
    assert (repaired["state"], repaired["repairs"]) == ("SUCCESS", 1)
    assert "attempt 2" in repaired["timeline"]
    assert "Nothing" in await failure(client, "run_job", repair_run_id=found["run_id"])


async def test_what_a_job_may_write_is_written_and_the_rest_refused(client: Client) -> None:
    steps = [
        "CREATE TABLE w AS SELECT 1 AS id, 'a' AS name",
        "INSERT INTO w (id) VALUES (2), (3)",
        "INSERT INTO w VALUES (4, 'd')",
        "DELETE FROM w WHERE id = 3",
        "UPDATE w SET name = coalesce(name, 'none')",
    ]
    tasks = [sql(f"s{n}", text, *([f"s{n - 1}"] if n else [])) for n, text in enumerate(steps)]
    assert (await run(client, *tasks))["state"] == "SUCCESS"
    assert await ask(client, "SELECT * FROM w ORDER BY id") == [[1, "a"], [2, "none"], [4, "d"]]

    emptied = await run(client, sql("all", "DELETE FROM w"), name="emptied")
    assert emptied["state"] == "SUCCESS", emptied
    assert await ask(client, "SELECT count(*) FROM w") == [[0]]
    refused = {
        "DROP": ("DROP TABLE w", "not allowed"),
        "twice": ("INSERT INTO w SELECT 1, 'x'; DELETE FROM w", "one statement"),
        "missing": ("INSERT INTO nowhere SELECT 1", "no dataset"),
        "column": ("UPDATE w SET nothing = 1", "which w has not"),
        "again": ("CREATE TABLE w AS SELECT 1 AS id", "exists already"),
    }
    found = await run(
        client, *(sql(key, text) for key, (text, _) in refused.items()), name="refused"
    )
    errors = {task["task_key"]: task["error"] for task in found["tasks"]}
    assert all(words in errors[key] for key, (_, words) in refused.items()), errors


async def test_a_dataset_tells_which_runs_read_and_wrote_it(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"n": 1}], name="u")
    made = await run(client, sql("make", "CREATE TABLE v AS SELECT n FROM u"))
    code = "lake.write(lake.sql('SELECT n + 1 AS n FROM v'), 'u', mode='append')"
    wrote = await call(client, "run_notebook", content=code)

    async def traces(name: str) -> list[tuple[str, str, int]]:
        described = await call(client, "describe_asset", name=name)
        return [(each["run_id"], each["did"], each["version"]) for each in described["runs"]]

    assert await traces("u") == [(wrote["run_id"], "wrote", 1), (made["run_id"], "read", 0)]
    assert await traces("v") == [(wrote["run_id"], "read", 0), (made["run_id"], "wrote", 0)]


async def test_a_version_tells_the_run_that_wrote_it(client: Client, tmp_path: Path) -> None:
    found = await run(client, sql("make", "CREATE TABLE v AS SELECT 1 AS n"))
    logs = list((tmp_path / "data").rglob("_delta_log/*.json"))
    assert any(found["run_id"] in log.read_text() for log in logs)


async def test_a_long_run_is_cancelled_with_the_notebook_that_does_its_work(client: Client) -> None:
    long = {"task_key": "long", "spark_python_task": {"code": "import time; time.sleep(600)"}}
    await call(client, "create_job", name="long", tasks=[long, sql("then", "SELECT 1", "long")])
    found = (await call(client, "run_job", name="long"))["run"]
    assert found["state"] == "RUNNING"
    stopped = await call(client, "cancel_run", run_id=found["run_id"])
    assert stopped["state"] == "CANCELED"
    seen = (await call(client, "get_run", run_id=found["run_id"]))["run"]
    assert states(seen) == {"long": "CANCELED", "then": "CANCELED"}
    children = (await call(client, "get_run", name="unsaved"))["runs"]
    assert [child["state"] for child in children] == ["CANCELED"]


async def test_jobs_are_listed_described_changed_and_deleted(client: Client) -> None:
    given: dict[str, Any] = {
        "name": "nightly",
        "tasks": [sql("a", "SELECT 1")],
        "schedule": {**SIX, "timezone_id": "Europe/Berlin"},
        "options": {"max_concurrent_runs": 3, "tags": {"team": "data"}},
    }
    first = await call(client, "create_job", **given)
    assert (first["revision"], first["changed"]) == (1, True)
    assert len(first["next_fire_times"]) == 5
    assert all("T06:00:00+0" in time for time in first["next_fire_times"])
    assert (await call(client, "create_job", **given))["changed"] is False
    paused = given | {"schedule": {**given["schedule"], "pause_status": "PAUSED"}}
    second = await call(client, "create_job", **paused)
    assert (second["revision"], second.get("next_fire_times")) == (2, None)

    await call(client, "run_job", name="nightly")
    described = await call(client, "describe_asset", kind="job", name="nightly")
    assert described["job"]["settings"]["tags"] == {"team": "data"}
    assert [each["state"] for each in described["job"]["last_runs"]] == ["SUCCESS"]
    listed = await call(client, "list_assets", kind="job", search="night")
    assert [(each["name"], each["tasks"]) for each in listed["assets"]] == [("nightly", 1)]
    assert "confirm" in await failure(
        client, "delete_asset", kind="job", name="nightly", confirm="other"
    )
    await call(client, "delete_asset", kind="job", name="nightly", confirm="nightly")
    assert "No job is named" in await failure(client, "run_job", name="nightly")
    assert len((await call(client, "get_run", name="nightly"))["runs"]) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        (
            "create_job",
            with_task(notebook_task={"notebook_path": "gone"}),
            ("'a'", "notebook_path", "No notebook"),
        ),
        (
            "create_job",
            with_task(run_job_task={"job_name": "gone"}),
            ("'a'", "job_name", "No job"),
        ),
        (
            "create_job",
            {"name": "j", "tasks": [sql("a", "SELECT 1")], "schedule": WRONG},
            ("seconds first",),
        ),
        ("run_job", {"name": "gone"}, ("No job is named",)),
        ("run_job", {}, ("`name` or `repair_run_id`",)),
        ("run_job", {"repair_run_id": "gone"}, ("No run has the id",)),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said(
    client: Client, tool: str, arguments: dict[str, Any], words: tuple[str, ...]
) -> None:
    said = await failure(client, tool, **arguments)
    assert all(word in said for word in words), said


async def test_a_run_takes_only_parameters_that_its_job_declares(client: Client) -> None:
    tasks = [sql("a", "SELECT :n AS n")]
    await call(client, "create_job", name="j", tasks=tasks, parameters={"n": "1"})
    said = await failure(client, "run_job", name="j", parameters={"m": "2"})
    assert "no parameter m" in said
    found = (await call(client, "run_job", name="j", parameters={"n": "2"}))["run"]
    assert found["tasks"][0]["output"]["rows"] == [["2"]]
