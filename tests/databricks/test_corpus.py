"""The corpus of SQL gives the same answers through Databricks as here."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import connected
from tests.engines.sql.dialect.corpora import PARAMETERS, SHARED, load
from tests.engines.sql.dialect.judging import Bridge
from tests.fakes.databricks import FakeWorkspace
from tests.server.asking import call

CORPUS = load(SHARED)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
async def client(
    workspace: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> AsyncIterator[Client]:
    """Every table of the corpus stands there, and a copy of the same name here."""
    settings = connected(workspace, tmp_path / "data", files)
    settings = settings.model_copy(update={"catalog": "main"})
    bridge = Bridge(CORPUS["tables"])
    async with (
        open_app(settings, catalogs=["*"], zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        for full_name in CORPUS["tables"]:
            schema, table = full_name.split(".")[-2:]
            rows = bridge.connection.sql(f"SELECT * FROM base_{schema}_{table}").to_arrow_table()
            workspace.put_table(f"main.{schema}.{table}", rows)
            source = f"databricks:main.{schema}.{table}"
            await call(client, "ingest_dataset", source=source, name=f"{schema}.{table}")
        yield client


async def answered(client: Client, sql: str, run_on: str) -> tuple[str, object, object]:
    arguments = {"sql": sql, "parameters": PARAMETERS, "run_on": run_on, "max_rows": 1000}
    result = await client.call_tool("query_dataset", arguments)
    if result.is_error:
        return "failed", None, None
    answer = result.structured_content or {}
    assert answer["ran_on"] == run_on, answer
    return "answered", answer["columns"], sorted(json.dumps(row) for row in answer["rows"])


async def test_the_same_rows_come_from_both_sides(client: Client) -> None:
    different, same = {}, 0
    for case in CORPUS["cases"]:
        here = await answered(client, case["sql"], "local")
        there = await answered(client, case["sql"], "databricks")
        if here == there:
            same += here[0] == "answered"
        else:
            different[case["id"]] = (case["sql"], here, there)

    assert different == {}
    assert same >= 160
