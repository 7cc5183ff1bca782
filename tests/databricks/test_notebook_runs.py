"""The same notebooks give the same values and cell results here and on Databricks."""

import json
from typing import Any

import anyio
import pytest
from mcp.client import Client

from servicetsunami.app import App
from tests.databricks.sending import send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.notebooks.running import magic, source
from tests.notebooks.test_running import PNG
from tests.server.asking import call

IMAGE = f"from IPython.display import Image\nimport base64\nImage(base64.b64decode('{PNG}'))"
LOOP = "total = 0\nfor n in range(300_000): total += n\nprint(total)"
SQL_NOTEBOOK = (
    "-- Databricks notebook source\nSELECT sum(n) AS total FROM t\n\n-- COMMAND ----------\n\n"
    "-- MAGIC %python\n-- MAGIC dbutils.notebook.exit(int(_sqldf.total[0]))\n"
)


def jupyter(*cells: str, tags: tuple[str, ...] = ()) -> str:
    made = [
        {"cell_type": "code", "metadata": {"tags": list(tags) if n == 0 else []}, "source": cell}
        for n, cell in enumerate(cells)
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


NOTEBOOKS: dict[str, tuple[str, dict[str, str]]] = {
    "widgets": (
        source(
            magic("%md\n# Title"),
            "dbutils.widgets.text('who', 'world')\nprint('hello', dbutils.widgets.get('who'))",
            "dbutils.notebook.exit(dbutils.widgets.get('who').upper())",
            "print('never')",
        ),
        {"who": "Ann"},
    ),
    "sql": (
        source(
            "dbutils.widgets.text('least', '3')",
            magic("%sql\nSELECT n, n * 2 AS twice FROM t WHERE n > int(:least) ORDER BY n"),
            "print(_sqldf.twice.sum())",
            "display(spark.sql('SELECT count(*) AS c FROM t'))",
        ),
        {"least": "7"},
    ),
    "included": (
        source(magic("%run ./lib $base='10'"), "dbutils.notebook.exit(twice(21))"),
        {},
    ),
    "failing": (source("print('before')", "1 / 0", "print('after')"), {}),
    "sql notebook": (SQL_NOTEBOOK, {}),
    "jupyter parameters": (
        jupyter("n = '1'", "print(int(n) + 1)", "dbutils.notebook.exit(n)", tags=("parameters",)),
        {"n": "41"},
    ),
    "jupyter images": (jupyter(IMAGE, "displayHTML('<b>x</b>')"), {}),
    "jupyter pandas": (
        jupyter(
            "frame = spark.table('t').toPandas()",
            "display(frame.describe().loc[['count', 'max']].reset_index())",
            "frame.n.max()",
        ),
        {},
    ),
    "jupyter error": (jupyter("x = {}", "x['missing']"), {}),
    "jupyter long": (jupyter(LOOP, "import sys; print('warn', file=sys.stderr)"), {}),
}


def result_of(run: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same: not times, ids, tracebacks and the type of numbers in text."""
    return {
        "state": run["state"],
        "exit_value": run.get("exit_value"),
        "error": run.get("error"),
        "cells": [
            (cell["cell"], cell["kind"], cell["state"], [shown(each) for each in outputs_of(cell)])
            for cell in run["cells"]
        ],
    }


def outputs_of(cell: dict[str, Any]) -> list[dict[str, Any]]:
    return cell.get("outputs") or []


def shown(output: dict[str, Any]) -> object:
    if output["type"] == "error":
        return output["error"]
    if output["type"] == "image":
        return output["mime"], output["size_bytes"]
    if output["type"] == "table":
        return output["columns"], output["rows"]
    return output["type"], output["text"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOTEBOOKS, ids=str)
async def test_a_notebook_gives_the_same_here_and_there(
    client: Client, app: App, workspace: FakeWorkspace, kind: str
) -> None:
    content, parameters = NOTEBOOKS[kind]
    await call(client, "ingest_dataset", source=[{"n": n} for n in range(10)], name="t")
    await call(client, "save_notebook", name="team/lib", content="def twice(x): return 2 * x")
    await call(client, "save_notebook", name="team/main", content=content)
    await send(app)

    ran = [
        await call(client, "run_notebook", name="team/main", parameters=parameters, run_on=place)
        for place in ("local", "databricks")
    ]

    assert [run["ran_on"] for run in ran] == ["local", "databricks"]
    assert result_of(ran[0]) == result_of(ran[1])
    assert [path for path in workspace.objects.all if "_run_" in path] == []
    listed = (await call(client, "get_run", name="team/main"))["runs"]
    assert [each["ran_on"] for each in listed] == ["databricks", "local"]


@pytest.mark.slow
async def test_a_text_that_was_never_saved_runs_there_with_a_call_to_another(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    called = "dbutils.notebook.exit(int(dbutils.widgets.get('x')) + 1)"
    await call(client, "save_notebook", name="called", content=source(called))
    await send(app)
    content = "dbutils.notebook.exit(dbutils.notebook.run('called', 60, {'x': '1'}))"

    done = await call(client, "run_notebook", content=content, run_on="databricks")
    assert (done["state"], done["exit_value"]) == ("SUCCESS", "2")


async def test_a_run_there_is_cancelled_there(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    code = "import time; time.sleep(600)"
    async with anyio.create_task_group() as tasks:
        arguments = {"content": code, "run_on": "databricks"}
        tasks.start_soon(client.call_tool, "run_notebook", arguments)
        run_id = await _running(client)
        ended = await call(client, "cancel_run", run_id=run_id)

    assert (ended["state"], ended["error"]) == ("CANCELED", "It was cancelled.")
    [run] = workspace.jobs.runs.values()
    assert run.result == "CANCELED"


async def _running(client: Client) -> str:
    with anyio.fail_after(30):
        while True:
            listed = (await call(client, "get_run"))["runs"]
            if listed and listed[0]["state"] == "RUNNING":
                return listed[0]["run_id"]


@pytest.mark.slow
async def test_a_run_there_takes_too_long(client: Client, workspace: FakeWorkspace) -> None:
    code = "import time; time.sleep(600)"
    done = await call(client, "run_notebook", content=code, run_on="databricks", timeout_s=1)

    assert (done["state"], done["error"]) == ("TIMEDOUT", "It did not end within 1 s.")


@pytest.mark.slow
async def test_an_outage_in_the_middle_only_delays_what_is_known(
    client: Client, workspace: FakeWorkspace
) -> None:
    submit = "/api/2.2/jobs/runs/submit"
    workspace.faults.add(Fault(method="POST", path=submit, reset=True, after=True, times=2))
    workspace.faults.add(Fault(method="GET", path="/api/2.2/jobs/runs/get", status=503, times=6))
    done = await call(client, "run_notebook", content="print(1)", run_on="databricks")
    with anyio.fail_after(60):
        while done["state"] in {"PENDING", "RUNNING"}:
            done = (await call(client, "get_run", run_id=done["run_id"]))["run"]

    assert done["state"] == "SUCCESS", done
    assert len(workspace.jobs.runs) == 1


@pytest.mark.slow
async def test_a_workspace_that_is_away_fails_what_was_asked_of_it_and_nothing_else(
    client: Client, workspace: FakeWorkspace
) -> None:
    workspace.down()
    there = await client.call_tool("run_notebook", {"content": "1", "run_on": "databricks"})
    here = await call(client, "run_notebook", content="1")

    assert there.is_error
    assert (here["state"], here["ran_on"]) == ("SUCCESS", "local")
