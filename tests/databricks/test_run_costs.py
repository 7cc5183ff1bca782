"""What a run on Databricks will cost is told before it begins, and counts until it is billed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.domain.budget import Budget
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.run import Run, RunState
from tests.databricks.costing import bill, cost, noon, read
from tests.databricks.sending import send
from tests.fakes.databricks import FakeWorkspace
from tests.server.asking import call, failure

__all__ = ["bill"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NOTEBOOK = "# Databricks notebook source\nprint(1)\n"
JOB = [{"task_key": "t", "sql_task": {"statement": "SELECT 1"}}]


async def ran_before(app: App, number: int, *, seconds: float, **what: Any) -> None:
    """Have a run that succeeded on Databricks two days ago."""
    began = noon(2)
    run = Run(
        id=f"run-{number}",
        tenant=LOCAL_TENANT,
        subject=LOCAL_TENANT,
        name="earlier",
        notebook=what.pop("notebook", None),
        revision=1,
        parameters={},
        state=RunState.SUCCESS,
        ran_on="databricks",
        reason="",
        isolation=None,
        timeout_s=60.0,
        cells_total=1,
        created_at=began,
        started_at=began,
        ended_at=began + timedelta(seconds=seconds),
        remote={"run_id": number},
        **what,
    )
    async with app.metadata.begin() as transaction:
        await transaction.runs.add(run)


async def with_history(app: App, client: Client, bill: FakeWorkspace) -> None:
    """Three runs of the notebook `n`, which cost 2, 3 and 4 DBU of 0.50 USD."""
    await call(client, "save_notebook", name="n", content=NOTEBOOK)
    for number, dbus in ((11, 2), (12, 3), (13, 4)):
        await ran_before(app, number, seconds=10.0, notebook=NotebookName("n"))
        bill.bill.use(dbus, at=noon(2), product="JOBS", job_run_id=str(number))
    await read(app)


async def run_there(client: Client, **what: str) -> dict[str, Any]:
    """Run a notebook on Databricks to its end."""
    run = await call(client, "run_notebook", run_on="databricks", **what)
    while run["state"] in {"PENDING", "RUNNING"}:
        run = (await call(client, "get_run", run_id=run["run_id"]))["run"]
    return run


async def test_a_notebook_is_estimated_by_what_its_earlier_runs_were_billed(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await with_history(app, client, bill)

    run = await run_there(client, name="n")

    as_of = (await cost(client))["as_of"]
    assert run["cost"] == {
        "is_exact": False,
        "dbus": 3.0,
        "list_cost": 1.5,
        "currency": "USD",
        "basis": "The mean of 3 earlier runs of it, as billed.",
        "as_of": as_of,
    }
    # The same afterwards, for whoever looks the run up.
    assert (await call(client, "get_run", run_id=run["run_id"]))["run"]["cost"] == run["cost"]
    assert "cost" not in await call(client, "run_notebook", content=NOTEBOOK, run_on="local")


async def test_without_history_it_is_said_that_nobody_can_tell_and_why(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    unread = (await run_there(client, content=NOTEBOOK))["cost"]
    assert (unread["dbus"], unread["list_cost"], unread["as_of"]) == (None, None, None)
    assert unread["basis"] == "What it will cost is not known: no bill of Databricks was read yet."

    await with_history(app, client, bill)
    text = (await run_there(client, content=NOTEBOOK))["cost"]
    await call(client, "save_notebook", name="fresh", content=NOTEBOOK)
    fresh = (await run_there(client, name="fresh"))["cost"]

    assert (text["dbus"], fresh["dbus"]) == (None, None)
    assert fresh["basis"].endswith("no earlier run of it has succeeded on Databricks.")


async def test_runs_that_the_bill_does_not_have_are_estimated_by_their_time(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await with_history(app, client, bill)
    await call(client, "save_notebook", name="slow", content=NOTEBOOK)
    await ran_before(app, 20, seconds=100.0, notebook=NotebookName("slow"))

    found = (await run_there(client, name="slow"))["cost"]

    # Nine DBU were billed for thirty seconds.
    assert (found["dbus"], found["list_cost"]) == (30.0, 15.0)
    assert found["basis"] == (
        "100 s, the mean of 1 earlier run of it that the bill does not have; DBU per second as "
        "billed for 3 other runs."
    )


async def test_a_run_that_would_pass_the_budget_is_refused_and_not_written_down(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await with_history(app, client, bill)
    await call(client, "create_job", name="j", tasks=JOB, options={"run_on": "databricks"})
    await send(app)
    async with app.metadata.read() as transaction:
        job = await transaction.jobs.get(LOCAL_TENANT, "j")
    await ran_before(app, 30, seconds=10.0, job_id=job.id)
    bill.bill.use(5, at=noon(2), product="JOBS", job_run_id="30")
    await read(app)
    spent = (await app.services.tenant_usage.budgets.state(LOCAL_TENANT)).spent.dbus or 0.0
    await app.services.tenant_usage.budgets.set(LOCAL_TENANT, Budget(dbus=spent + 2.9))

    notebook = await failure(client, "run_notebook", name="n", run_on="databricks")
    of_job = await failure(client, "run_job", name="j")

    assert notebook.startswith("This would pass this month's budget: ")
    assert "estimated to take 3 more" in notebook
    assert "estimated to take 5 more" in of_job
    assert bill.jobs.runs == {}
    runs = (await call(client, "get_run"))["runs"]
    assert {run["name"] for run in runs} == {"earlier"}


async def test_a_run_counts_as_estimated_until_it_is_billed_and_not_twice(
    app: App, client: Client, bill: FakeWorkspace
) -> None:
    await with_history(app, client, bill)
    budgets = app.services.tenant_usage.budgets
    before = (await budgets.state(LOCAL_TENANT)).spent
    await budgets.set(LOCAL_TENANT, Budget(dbus=(before.dbus or 0.0) + 5))

    await run_there(client, name="n")

    later = (await cost(client))["estimated_since"]
    assert (later["runs"], later["dbus"], later["list_cost"]) == (1, 3.0, 1.5)
    # There is room for one of them and no more.
    assert "would pass" in await failure(client, "run_notebook", name="n", run_on="databricks")

    [number] = bill.jobs.runs
    bill.bill.use(1, at=datetime.now(UTC), product="JOBS", job_run_id=str(number))
    await read(app)
    assert (await cost(client))["estimated_since"]["runs"] == 0
    after = (await budgets.state(LOCAL_TENANT)).spent
    assert (after.dbus or 0.0) - (before.dbus or 0.0) == pytest.approx(1.0)
