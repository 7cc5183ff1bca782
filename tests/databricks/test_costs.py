"""What Databricks costs: read from its bill, held to budgets, estimated before it is spent."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.domain.budget import Budget
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.domain.cost import Estimate
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import RemoteDenied
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import connected
from tests.databricks.sending import depth, send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.server.asking import ask, call, failure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TRIPS = "samples.nyc.trips"
COUNT = f"SELECT count(*) AS n FROM {TRIPS}"
SHARED = "running0000000002"


def noon(days_ago: int = 0) -> datetime:
    """An hour that has passed, of this day or an earlier one."""
    day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    return day - timedelta(days=days_ago)


@pytest.fixture
def bill(workspace: FakeWorkspace) -> FakeWorkspace:
    workspace.put_table(TRIPS, pa.table({"n": list(range(30))}))
    workspace.bill.price(0.5, since="2020-01-01")
    return workspace


@asynccontextmanager
async def served(
    workspace: FakeWorkspace, folder: Path, roots: Path, zygote: Zygote, **changed: object
) -> AsyncGenerator[tuple[App, Client]]:
    settings = connected(workspace, folder, roots).model_copy(update=changed)
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        yield app, client


async def read(app: App) -> None:
    """Read the bill now, as an administrator may ask for."""
    assert await app.services.tenant_usage.reports.refresh(app.caller())


async def cost(client: Client, period: str = "week") -> dict[str, Any]:
    return (await call(client, "tenant_usage", period=period))["cost"]


async def test_what_carries_the_tenants_tag_is_counted_exactly_with_the_price_of_its_time(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    bill.bill.prices.clear()
    change = noon(2).date().isoformat()
    bill.bill.price(0.5, since="2020-01-01", until=change)
    bill.bill.price(2.0, since=change)
    for currency in ("EUR",):
        bill.bill.prices.append({**bill.bill.prices[-1], "currency_code": currency})
    bill.bill.use(10, at=noon(3), tenant="local", product="JOBS")
    bill.bill.use(1, at=noon(1), tenant="local", product="JOBS")
    bill.bill.use(4, at=noon(1), tenant="local", product="MODEL_SERVING", endpoint_name="m")
    bill.bill.use(99, at=noon(1), tenant="other", product="JOBS")
    bill.bill.use(99, at=noon(20), tenant="local", product="JOBS")
    await read(app)

    found = await cost(client)

    assert (found["state"], found["is_exact"]) == ("known", True)
    assert (found["dbus"], found["list_cost"], found["currency"]) == (15.0, 15.0, "USD")
    assert found["products"] == [
        {"product": "JOBS", "dbus": 11.0, "list_cost": 7.0, "is_exact": True},
        {"product": "MODEL_SERVING", "dbus": 4.0, "list_cost": 8.0, "is_exact": True},
    ]
    assert (await cost(client, "month"))["dbus"] == 114.0
    assert (await cost(client, "day"))["as_of"] == found["as_of"]


async def test_corrections_are_added_up_and_other_units_are_no_dbus(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    bill.bill.use(10, at=noon(1), tenant="local")
    bill.bill.use(-10, at=noon(1), tenant="local", record_type="RETRACTION")
    bill.bill.use(6, at=noon(1), tenant="local", record_type="RESTATEMENT")
    bill.bill.use(1000, at=noon(1), tenant="local", unit="GB", product="STORAGE", sku="DISKS")
    await read(app)

    found = await cost(client)

    assert (found["dbus"], found["list_cost"]) == (6.0, 3.0)
    # It has no list price in this currency: nobody is told that it cost nothing.
    assert found["is_exact"] is False
    assert "no list price" in found["why"]


async def test_a_shared_warehouse_is_split_by_the_work_of_each_day_and_marked_estimated(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    bill.bill.use(8, at=noon(2), warehouse_id=SHARED)
    bill.bill.use(8, at=noon(1), warehouse_id=SHARED)
    bill.bill.use(50, at=noon(1), warehouse_id="somebody else's")
    bill.bill.ran(at=noon(2), warehouse=SHARED, task_ms=3_000, ms=9_000, tenant="local")
    bill.bill.ran(at=noon(2), warehouse=SHARED, task_ms=9_000, ms=1_000, tenant="other")
    bill.bill.ran(at=noon(1), warehouse=SHARED, task_ms=None, ms=500, tenant=None)
    bill.bill.ran(at=noon(1), warehouse="somebody else's", task_ms=1, ms=1, tenant="other")
    await read(app)

    found = await cost(client)

    assert (found["dbus"], found["list_cost"], found["is_exact"]) == (2.0, 1.0, False)
    assert found["products"] == [
        {"product": "SQL", "dbus": 2.0, "list_cost": 1.0, "is_exact": False}
    ]


async def test_runs_that_carry_no_tag_are_found_by_their_numbers(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    content = "# Databricks notebook source\nprint(1)\n"
    run = await call(client, "run_notebook", content=content, run_on="databricks")
    while run.get("state") in {"PENDING", "RUNNING"}:
        run = (await call(client, "get_run", run_id=run["run_id"]))["run"]
    [number] = bill.jobs.runs
    bill.bill.use(3, at=noon(), product="JOBS", job_run_id=str(number))
    bill.bill.use(9, at=noon(), product="JOBS", job_run_id=f"{number}1")
    await read(app)

    assert (await cost(client))["dbus"] == 3.0
    figures = (await call(client, "tenant_usage"))["figures"]
    assert figures["run_seconds_databricks"]["value"] > 0
    assert figures["run_seconds_local"]["value"] == 0


async def test_jobs_that_are_sent_carry_the_tenant_whatever_their_own_tags_say(
    app: App, client: Client, workspace: FakeWorkspace
) -> None:
    task = {"task_key": "t", "sql_task": {"statement": "SELECT 1"}}
    tags = {"team": "blue", "tenant": "somebody else"}
    await call(client, "create_job", name="j", tasks=[task], options={"tags": tags})
    await send(app)

    [job] = workspace.jobs.all.values()
    assert job["tags"] | {"servicetsunami_id": ""} == {
        "team": "blue",
        "tenant": "local",
        "servicetsunami_id": "",
    }


async def test_without_the_grants_the_local_numbers_stay_and_the_grants_are_named(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    bill.state.denied.add(("SELECT", "system.billing"))
    await ask(client, COUNT)
    with pytest.raises(RemoteDenied):
        await read(app)

    usage = await call(client, "tenant_usage")

    assert usage["cost"]["state"] == "not available"
    assert "system.billing" in usage["cost"]["why"]
    assert "SELECT on system.billing and system.query" in usage["cost"]["next"]
    assert usage["cost"]["estimated_since"]["statements"] == 1
    assert usage["figures"]["calls"]["value"] == 1
    assert usage["figures"]["calls"]["is_exact"]


async def test_without_the_query_history_only_shares_are_missing(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    bill.state.denied.add(("SELECT", "system.query"))
    bill.bill.use(2, at=noon(1), tenant="local")
    await read(app)

    found = await cost(client)

    assert (found["dbus"], found["is_exact"]) == (2.0, False)
    assert "The share of shared warehouses is missing" in found["why"]


async def test_a_bill_outlives_the_server_and_one_that_fails_later_does_not_take_it_away(
    bill: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    bill.bill.use(2, at=noon(1), tenant="local")
    async with served(bill, tmp_path / "d", files, zygote) as (app, _):
        await read(app)
    bill.down()
    async with served(bill, tmp_path / "d", files, zygote) as (app, client):
        assert (await cost(client))["dbus"] == 2.0
        with pytest.raises(Exception, match="Databricks"):
            await read(app)
        later = await cost(client)
    assert (later["state"], later["dbus"]) == ("known", 2.0)
    assert "There is no newer bill" in later["why"]


async def test_usage_answers_at_once_and_has_the_bill_read_beside_it(
    bill: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    bill.bill.use(2, at=noon(1), tenant="local")
    async with served(bill, tmp_path / "d", files, zygote) as (_, client):
        first = await cost(client)
        assert (first["state"], first["is_being_read"]) == ("not read yet", True)
        with anyio.fail_after(60):
            while (found := await cost(client))["state"] != "known":
                await anyio.lowlevel.checkpoint()
        assert found["dbus"] == 2.0
        # It is fresh now: nobody wakes a warehouse for it again.
        asked = len(bill.statements)
        assert "is_being_read" not in await cost(client)
        assert len(bill.statements) == asked

    async with served(bill, tmp_path / "e", files, zygote, databricks_billing_hours=0.0) as (
        _,
        client,
    ):
        assert "is_being_read" not in await cost(client)


async def test_an_answer_from_there_says_what_it_is_estimated_to_cost(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    # So long that the estimate, a few ten-thousandths of a DBU, has three digits.
    bill.faults.add(Fault("POST", "/api/2.0/sql/statements$", delay_s=0.5))
    first = (await call(client, "query_dataset", sql=COUNT))["cost"]
    assert first["is_exact"] is False
    assert "a guess" in first["basis"]
    assert "4 DBU an hour for a warehouse of size 2X-Small" in first["basis"]
    assert first["dbus"] == pytest.approx(first["seconds"] * 4 / 3600, rel=0.01)
    assert "list_cost" not in first

    # A second of statements cost 2 DBU on that day, with all the time that the warehouse waited.
    bill.bill.use(10, at=noon(), warehouse_id=SHARED)
    bill.bill.ran(at=noon(), warehouse=SHARED, task_ms=5_000, ms=5_000, tenant="local")
    await read(app)
    second = (await call(client, "query_dataset", sql=COUNT))["cost"]

    assert "the mean of your last 1 statements" in second["basis"]
    assert second["dbus"] == pytest.approx(second["seconds"] * 2, rel=0.01)
    assert second["list_cost"] == pytest.approx(second["dbus"] / 2, rel=0.01)
    assert second["currency"] == "USD"
    assert "cost" not in await call(client, "query_dataset", sql="SELECT 1")


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
    # What was acknowledged is carried there all the same.
    await send(app)
    assert await depth(client) == (0, 0)
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


async def test_what_ran_since_the_bill_counts_as_estimated_and_not_twice(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    bill.bill.use(5, at=noon(), warehouse_id=SHARED)
    bill.bill.ran(at=noon(), warehouse=SHARED, task_ms=1_000, ms=1_000, tenant="local")
    await read(app)
    expected = Estimate(seconds=1.0, dbus=7.0, list_cost=3.5, basis="")
    async with app.metadata.begin() as transaction:
        for at in (noon() - timedelta(minutes=5), datetime.now(UTC) + timedelta(hours=1)):
            await transaction.remote_work.begin(LOCAL_TENANT, SHARED, expected, at=at)

    state = await app.services.tenant_usage.budgets.state(LOCAL_TENANT)
    found = await cost(client)

    assert (state.spent.dbus, state.spent.list_cost) == (12.0, 6.0)
    assert found["dbus"] == 5.0
    assert found["estimated_since"]["dbus"] == 7.0


async def test_the_bill_is_read_by_itself_for_those_who_ask_or_have_a_budget_there(
    bill: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    async with served(bill, tmp_path / "a", files, zygote, budget_run_s=9.0) as (app, _):
        reports = app.services.tenant_usage.reports
        assert not await reports.is_due(LOCAL_TENANT)
        async with app.metadata.begin() as transaction:
            await transaction.costs.note_asked(LOCAL_TENANT, at=datetime.now(UTC))
        assert await reports.is_due(LOCAL_TENANT)
    async with served(bill, tmp_path / "b", files, zygote, budget_dbus=9.0) as (app, _):
        reports = app.services.tenant_usage.reports
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reports.keep_fresh, app.caller())
            with anyio.fail_after(60):
                while await reports.is_due(LOCAL_TENANT):
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        async with app.metadata.read() as transaction:
            assert (await transaction.costs.find(LOCAL_TENANT)).report is not None
    never = {"budget_dbus": 9.0, "databricks_billing_hours": 0.0}
    async with served(bill, tmp_path / "c", files, zygote, **never) as (app, _):
        assert not await app.services.tenant_usage.reports.is_due(LOCAL_TENANT)
