"""Budgets of what Databricks computes: what is used up begins nothing there, and loses nothing."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.domain.budget import Budget
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.engines.workers.zygote import Zygote
from tests.databricks.connecting import CATALOG
from tests.databricks.costing import COUNT, TRIPS, bill, read, served
from tests.databricks.indexing import DOCUMENTS, THERE, arrive, find, ids, index_documents, there
from tests.databricks.sending import depth, send
from tests.fakes.databricks import FakeWorkspace
from tests.fakes.databricks.serving import Endpoint
from tests.server.asking import ask, call, failure

__all__ = ["bill"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_budget_that_is_used_up_stops_work_there_and_nothing_here(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"n": 1}], name="t")
    await send(app)
    task = {"task_key": "t", "sql_task": {"statement": "SELECT 1"}}
    await call(client, "create_job", name="j", tasks=[task], options={"run_on": "databricks"})
    await send(app)
    bill.bill.use(90, at=datetime.now(UTC), tenant="local")
    await read(app)
    budgets = app.services.tenant_usage.budgets
    await budgets.set(LOCAL_TENANT, Budget(dbus=100, list_cost=0))

    warned = await call(client, "query_dataset", sql=COUNT)
    assert "of 100 DBU (90 %) of this month's budget is used." in warned["cost"]["warning"]
    usage = await call(client, "tenant_usage")
    assert usage["budget"]["limits"]["dbus"]["state"] == "nearly used up"
    assert "of this month's budget is used" in usage["budget"]["warning"]

    await budgets.set(LOCAL_TENANT, Budget(dbus=90))
    asked = len(bill.statements)
    content = "# Databricks notebook source\nprint(1)\n"
    model = "databricks:main.ml.churn/versions/1"
    for tool, arguments in [
        ("query_dataset", {"sql": COUNT}),
        ("query_dataset", {"sql": "SELECT n FROM t", "run_on": "databricks"}),
        ("ingest_dataset", {"source": f"databricks:{TRIPS}", "name": "trips"}),
        ("run_notebook", {"content": content, "run_on": "databricks"}),
        ("run_job", {"name": "j"}),
        ("invoke_model", {"name": "databricks:other", "input": {"prompt": "x"}}),
        ("deploy_model", {"name": "churn", "source": model}),
    ]:
        said = await failure(client, tool, **arguments)
        assert said.startswith("This month's budget is used up: 90"), (tool, said)
        assert "of 90 DBU (100 %)" in said
        assert "Work on this machine goes on" in said
    assert len(bill.statements) == asked
    assert bill.serving.requests == []

    assert await ask(client, "SELECT n FROM t") == [[1]]
    await call(client, "ingest_dataset", source=[{"n": 2}], name="t", mode="append")
    usage = await call(client, "tenant_usage")
    assert usage["budget"]["limits"]["dbus"]["state"] == "used up"
    assert await budgets.clear(LOCAL_TENANT)
    assert await ask(client, COUNT) == [[30]]


async def test_what_would_pass_the_budget_is_refused_before_it_begins(
    bill: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    # Ten seconds are guessed, which are 0.011 DBU of the smallest warehouse.
    async with served(bill, tmp_path / "d", files, zygote, budget_dbus=0.01) as (_, client):
        said = await failure(client, "query_dataset", sql=COUNT)

    assert said.startswith("This would pass this month's budget: 0 of 0.01 DBU (0 %) is used")
    assert "estimated to take 0.01111 more" in said
    assert bill.statements == []


async def test_two_that_begin_at_once_cannot_use_the_same_rest(
    bill: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    bill.sql.delay_s = 1.0
    answers = list[bool]()

    async def one(client: Client) -> None:
        result = await client.call_tool("query_dataset", {"sql": COUNT})
        answers.append(bool(result.is_error))

    # There is room for one statement of ten seconds and no more; two servers share a database.
    async with (
        served(bill, tmp_path / "d", files, zygote, budget_dbus=0.015) as (_, first),
        served(bill, tmp_path / "d", files, zygote, budget_dbus=0.015) as (_, second),
        anyio.create_task_group() as tasks,
    ):
        for client in (first, second, first, second):
            tasks.start_soon(one, client)

    assert sorted(answers) == [False, True, True, True]
    assert len(bill.statements) == 1


async def used_up(app: App, bill: FakeWorkspace) -> None:
    """Have a bill of 90 DBU known, and a budget of as many."""
    bill.bill.use(90, at=datetime.now(UTC), tenant="local")
    await read(app)
    await app.services.tenant_usage.budgets.set(LOCAL_TENANT, Budget(dbus=90))


async def states(client: Client) -> dict[tuple[str, str], str]:
    """How each asset that is on its way stands."""
    status = await call(client, "sync_status")
    return {(each["kind"], each["name"]): each["state"] for each in status["assets"]}


async def test_the_outbox_keeps_what_would_cost_and_sends_what_is_free(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=[{"n": 0}], name="gone")
    await send(app)
    model = "databricks:main.ml.churn/versions/1"
    await call(client, "deploy_model", name="churn", source=model)
    await used_up(app, bill)
    await call(client, "ingest_dataset", source=[{"n": 1}], name="t")
    await index_documents(client)
    await call(client, "save_notebook", name="n", content="print(1)")
    await call(client, "delete_asset", kind="dataset", name="gone", confirm="gone")
    asked = len(bill.statements)

    await send(app)

    assert await states(client) == {
        ("endpoint", "churn"): "held",
        ("dataset", "default.t"): "held",
        ("dataset", "default.help"): "held",
        ("index", "default.help"): "held",
    }
    told = await call(client, "sync_status", name="t")
    assert told["assets"][0]["error"].startswith("This month's budget is used up: 90 of 90 DBU")
    assert "held by the month's budget" in (await call(client, "sync_status"))["next"]
    assert (len(bill.statements), bill.serving.all, bill.vectors.indexes) == (asked, {}, {})
    # What is free has gone: the text of a notebook, and what was deleted.
    assert await depth(client) == (4, 0)
    assert f"{CATALOG}.default.gone" not in bill.tables

    await app.services.tenant_usage.budgets.clear(LOCAL_TENANT)
    await send(app)
    await arrive(client, app)
    assert bill.rows(f"{CATALOG}.default.t") == [(1,)]
    assert there(bill).name == THERE
    assert "held" not in (await states(client)).values()


async def test_texts_are_not_embedded_there_without_money_and_are_found_by_words(
    bill: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    served_there = {"served_entities": [{"name": "gte", "entity_name": "system.ai.gte"}]}
    bill.serving.all["gte"] = Endpoint("gte", served_there, [])
    bill.serving.models["gte"] = lambda body: {
        "data": [{"index": at, "embedding": [1.0, 0.0]} for at, _ in enumerate(body["input"])]
    }
    settings = {"databricks_embedding_endpoint": "gte"}
    async with served(bill, tmp_path / "d", files, zygote, **settings) as (app, client):
        await index_documents(client, DOCUMENTS[0])
        await used_up(app, bill)
        asked = len(bill.serving.requests)

        await index_documents(client)
        words = await find(client, "invoices", mode="keyword")
        both = await find(client, "invoices")
        said = await failure(
            client, "search_vectors", index="help", query="invoices", mode="semantic"
        )
        fresh = await call(client, "index_documents", index="other", source=DOCUMENTS[:1])

        assert (ids(words), ids(both)) == (["bill"], ["bill"])
        assert "budget is used up" in both["next"]
        assert "budget is used up" in fresh["follows"]["error"]
        assert said.startswith("This month's budget is used up")
        assert len(bill.serving.requests) == asked
        await app.services.tenant_usage.budgets.clear(LOCAL_TENANT)
        assert len(ids(await find(client, "invoices", mode="semantic"))) == 3
        assert len(bill.serving.requests) > asked


async def test_a_look_at_the_origin_of_a_copy_asks_the_budget_as_well(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await call(client, "ingest_dataset", source=f"databricks:{TRIPS}", name="trips")
    await send(app)
    await used_up(app, bill)
    asked = len(bill.statements)

    told = await call(client, "sync_status", name="trips")

    assert "budget is used up" in told["assets"][0]["error"]
    assert len(bill.statements) == asked
