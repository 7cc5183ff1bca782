"""What runs do is in the audit record, in the name of whom they run for, with the run as cause."""

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.services.audit import AuditAnswer
from servicetsunami.services.audit_check import AuditCheck
from servicetsunami.settings import Settings
from tests.jobs.test_jobs import run, sql
from tests.notebooks.running import magic, source
from tests.server.asking import call

pytestmark = pytest.mark.slow


@pytest.fixture(params=[True])
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    return Settings(data_dir=tmp_path / "data", allowed_roots=(tmp_path,), audit=request.param)


async def recorded(app: App) -> list[AuditAnswer]:
    """The record, oldest first."""
    await app.audit.flush()
    return (await app.audit.tail(app.caller(), 100))[::-1]


def told(records: list[AuditAnswer]) -> list[tuple[Any, ...]]:
    return [(each.operation, each.assets, each.outcome, each.error) for each in records]


async def test_what_a_notebook_asks_of_the_server_is_recorded(client: Client, app: App) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
    await call(client, "save_notebook", name="inner", content=source("lake.sql('SELECT 1 AS n')"))
    done = await call(
        client,
        "run_notebook",
        content=source(
            magic("%sql\nSELECT * FROM t"),
            "lake.write(lake.sql('SELECT 2 AS a'), 'made')",
            "dbutils.notebook.run('inner')",
            "lake.sql('SELECT * FROM secret_plans')",
        ),
    )
    assert done["state"] == "FAILED"

    records = await recorded(app)
    assert told(records) == [
        ("query_dataset", ["t"], "ok", None),
        ("query_dataset", None, "ok", None),
        ("ingest_dataset", ["made"], "ok", None),
        ("query_dataset", None, "ok", None),
        ("run_notebook", ["inner"], "ok", None),
        ("query_dataset", ["secret_plans"], "failed", "NotFound"),
    ]
    assert {(each.subject, each.door) for each in records} == {("local", "run")}
    inner = records[3].request_id
    assert inner != done["run_id"]
    causes = [each.request_id for each in records]
    assert causes == [inner if each == 3 else done["run_id"] for each in range(6)]
    assert "SELECT" not in str(records)
    [chain] = await AuditCheck(app.metadata).chains(None)
    assert (chain.last, chain.fault) == (6, None)


async def test_the_tasks_of_a_job_are_recorded(client: Client, app: App) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
    python = {"task_key": "p", "spark_python_task": {"code": "print(1)"}, "depends_on": ["ask"]}
    done = await run(
        client,
        sql("ask", "SELECT * FROM t"),
        python,
        sql("change", "INSERT INTO t SELECT 2", "p"),
        sql("fail", "SELECT * FROM nowhere", "change"),
    )
    assert done["state"] == "FAILED"

    records = await recorded(app)
    assert told(records) == [
        ("query_dataset", ["t"], "ok", None),
        ("run_notebook", None, "ok", None),
        ("ingest_dataset", ["t"], "ok", None),
        ("query_dataset", ["nowhere"], "failed", "NotFound"),
    ]
    assert {(each.door, each.request_id) for each in records} == {("run", done["run_id"])}


@pytest.mark.parametrize("settings", [False], indirect=True)
async def test_nothing_is_recorded_where_nobody_wants_it(client: Client, app: App) -> None:
    await run(client, sql("ask", "SELECT 1"))
    assert await recorded(app) == []
