"""What tests of costs have in common: a bill that a test writes, and servers that read it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import connected
from tests.fakes.databricks import FakeWorkspace
from tests.server.asking import call

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


async def run_there(client: Client) -> None:
    """Run a notebook on Databricks, to its end."""
    content = "# Databricks notebook source\nprint(1)\n"
    run = await call(client, "run_notebook", content=content, run_on="databricks")
    while run.get("state") in {"PENDING", "RUNNING"}:
        run = (await call(client, "get_run", run_id=run["run_id"]))["run"]


async def read(app: App) -> None:
    """Read the bill now, as an administrator may ask for."""
    assert await app.services.tenant_usage.reports.refresh(app.caller())


async def cost(client: Client, period: str = "week") -> dict[str, Any]:
    return (await call(client, "tenant_usage", period=period))["cost"]
