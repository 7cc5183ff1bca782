"""Budgets of a month: set by an administrator, held on this machine, told to who asks."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.client import Client
from typer.testing import CliRunner

from servicetsunami.app import App, open_app
from servicetsunami.cli.commands import app as commands
from servicetsunami.domain.budget import Budget
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import InvalidInput
from servicetsunami.services.budgets import Budgets
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, failure

NOTEBOOK = "# Databricks notebook source\nprint(1)\n"


@pytest.fixture
async def app(tmp_path: Path, zygote: Zygote) -> AsyncIterator[App]:
    async with open_app(Settings(data_dir=tmp_path, budget_dbus=7.0), zygote=zygote) as app:
        yield app


@pytest.fixture
def budgets(app: App) -> Budgets:
    return app.services.tenant_usage.budgets


async def test_a_tenants_own_budget_adds_to_what_is_set_for_all_and_0_lifts_it(
    budgets: Budgets,
) -> None:
    assert (await budgets.state("acme")).budget.limits() == {"dbus": 7.0}

    await budgets.set("acme", Budget(list_cost=5.0))
    await budgets.set("acme", Budget(run_seconds=9.0))
    assert await budgets.all() == {"acme": Budget(list_cost=5.0, run_seconds=9.0)}
    assert (await budgets.state("acme")).budget == Budget(list_cost=5, dbus=7, run_seconds=9)
    await budgets.set("acme", Budget(dbus=0.0))
    assert (await budgets.state("acme")).budget.limits() == {"list_cost": 5.0, "run_seconds": 9.0}

    assert await budgets.clear("acme")
    assert not await budgets.clear("acme")
    assert (await budgets.state("acme")).budget.limits() == {"dbus": 7.0}


@pytest.mark.parametrize(
    ("tenant", "given"),
    [
        ("acme", Budget()),
        ("acme", Budget(dbus=-1.0)),
        ("acme", Budget(list_cost=float("nan"))),
        ("acme", Budget(run_seconds=float("inf"))),
        ("Acme/..", Budget(dbus=1.0)),
    ],
)
async def test_what_is_no_budget_is_refused(budgets: Budgets, tenant: str, given: Budget) -> None:
    with pytest.raises(InvalidInput):
        await budgets.set(tenant, given)
    assert await budgets.all() == {}


@pytest.mark.slow
async def test_a_budget_of_runs_warns_then_stops_notebooks_and_leaves_queries(
    tmp_path: Path,
    zygote: Zygote,
) -> None:
    async with (
        open_app(Settings(data_dir=tmp_path), zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        budgets = app.services.tenant_usage.budgets
        assert (await call(client, "run_notebook", content=NOTEBOOK))["state"] == "SUCCESS"
        used = (await call(client, "tenant_usage"))["figures"]["run_seconds_local"]["value"]
        assert 0 < used < 60

        await budgets.set(LOCAL_TENANT, Budget(run_seconds=used * 1.1))
        warned = await call(client, "run_notebook", content=NOTEBOOK)
        assert warned["state"] == "SUCCESS"
        assert "seconds of runs" in warned["reason"]
        assert "of this month's budget is used." in warned["reason"]
        said = await failure(client, "run_notebook", content=NOTEBOOK)
        assert said.startswith("This month's budget is used up:")
        assert "queries and ingests go on" in said
        await call(client, "save_notebook", name="n", content=NOTEBOOK)
        task = {"task_key": "t", "notebook_task": {"notebook_path": "n"}}
        await call(client, "create_job", name="j", tasks=[task])
        run = (await call(client, "run_job", name="j"))["run"]
        assert run["state"] == "FAILED"
        assert "budget is used up" in json.dumps(run)
        assert await ask(client, "SELECT 1") == [[1]]
        usage = await call(client, "tenant_usage")
        assert usage["budget"]["limits"]["run_seconds"]["state"] == "used up"


def test_an_administrator_sets_shows_and_clears_a_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICETSUNAMI_DATA_DIR", str(tmp_path))

    def run(*words: str) -> str:
        done = CliRunner().invoke(commands, ["budget", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "No tenant has a budget of its own." in run("show")
    said = run("set", "--tenant", "acme", "--list-cost", "20", "--dbus", "5")
    assert "0 of 20 USD at list prices, 0 %: ok" in said
    assert "acme" in run("show")
    [state] = json.loads(run("show", "--tenant", "acme", "--json"))
    assert state["is_own"]
    assert state["limits"]["dbus"]["limit"] == 5.0
    assert "No limit." in run("show", "--tenant", "other")
    assert "is gone" in run("clear", "--tenant", "acme")
    assert "had no budget" in run("clear", "--tenant", "acme")
    refused = CliRunner().invoke(commands, ["budget", "set", "--tenant", "acme"])
    assert refused.exit_code == 2
