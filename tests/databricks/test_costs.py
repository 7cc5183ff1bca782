"""What Databricks costs: read from its bill, estimated before it is spent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.cli import budgets
from servicetsunami.domain.budget import Budget
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.domain.cost import Estimate
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import Conflict, RemoteDenied
from tests.databricks.connecting import connected
from tests.databricks.costing import COUNT, SHARED, bill, cost, noon, read, run_there, served
from tests.databricks.sending import send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.fakes.databricks.state import WORKSPACE_ID
from tests.server.asking import ask, call

__all__ = ["bill"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


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


async def test_what_other_workspaces_of_the_account_used_is_nobodys_here(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await run_there(client)
    [number] = map(str, bill.jobs.runs)
    bill.bill.ran(at=noon(1), warehouse=SHARED, task_ms=1, ms=1, tenant="local")
    for workspace_id, dbus in ((WORKSPACE_ID, 2.0), ("1", 99.0)):
        used: dict[str, Any] = {"at": noon(1), "workspace_id": workspace_id}
        bill.bill.use(dbus, tenant="local", product="JOBS", **used)
        bill.bill.use(dbus, warehouse_id=SHARED, **used)
        bill.bill.use(dbus, job_run_id=number, product="SERVERLESS", **used)
    await read(app)

    found = await cost(client)

    assert {each["product"]: each["dbus"] for each in found["products"]} == {
        "JOBS": 2.0,
        "SERVERLESS": 2.0,
        "SQL": 2.0,
    }
    async with app.metadata.read() as transaction:
        report = (await transaction.costs.find(LOCAL_TENANT)).report
    assert report is not None
    assert (report.workspace_id, report.runs[number].dbus) == (WORKSPACE_ID, 2.0)
    assert "number of this workspace" not in found["why"]


async def test_a_workspace_that_does_not_tell_its_number_is_billed_with_the_others_and_says_so(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    bill.faults.add(Fault(path="/api/2.0/preview/scim/v2/Me", status=200, body={}, times=99))
    bill.bill.use(2, at=noon(1), tenant="local")
    bill.bill.use(99, at=noon(1), tenant="local", workspace_id="1")
    await read(app)

    found = await cost(client)

    assert (found["dbus"], found["is_exact"]) == (101.0, False)
    assert found["why"].startswith("The number of this workspace is not known")


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
    await run_there(client)
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

    await app.services.tenant_usage.budgets.set(LOCAL_TENANT, Budget(list_cost=5))
    usage = await call(client, "tenant_usage")

    # Nobody is told that it cost nothing, or that all is well with a budget that cannot hold.
    assert usage["cost"]["estimated_since"]["list_cost"] is None
    assert usage["budget"]["limits"]["list_cost"] == {
        "used": None,
        "percent": None,
        "state": "not known",
        "limit": 5.0,
        "unit": "USD at list prices",
    }
    assert "a budget in list cost stops nothing" in usage["budget"]["basis"]
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

    off = {"databricks_billing_hours": 0.0}
    async with served(bill, tmp_path / "e", files, zygote, **off) as (_, client):
        never = await cost(client)
        assert "is_being_read" not in never
        assert "budget show --refresh" in never["next"]


async def test_an_administrator_is_told_when_another_server_reads_the_bill(
    bill: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    settings = connected(bill, tmp_path / "d", files)
    async with open_app(settings, zygote=zygote) as app, app.metadata.begin() as transaction:
        await transaction.costs.claim(LOCAL_TENANT, at=datetime.now(UTC), for_s=60)

    with pytest.raises(Conflict, match="Another server is reading the bill of local"):
        await budgets.show(settings, LOCAL_TENANT, refresh=True)


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
