"""Whole outputs of runs are kept for some days after the end, and what cells show for longer."""

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.services.run_outputs import RunOutputs
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.notebooks.running import run
from tests.server.asking import call, unmarked

pytestmark = pytest.mark.slow


def outputs_of(app: App, *, days: int, in_days: float) -> RunOutputs:
    """What looks after the outputs, as if so many days had passed."""
    return RunOutputs(
        metadata=app.metadata,
        data_dir=app.settings.data_dir,
        days=days,
        now=lambda: datetime.now(UTC) + timedelta(days=in_days),
    )


def folders(settings: Settings) -> set[str]:
    return {path.name for path in settings.data_dir.glob("tenants/*/runs/*")}


async def read(client: Client, uri: str) -> str:
    [content] = (await client.read_resource(uri)).contents
    return unmarked(getattr(content, "text", ""))


async def test_outputs_go_days_after_the_end_and_those_of_a_live_run_stay(
    client: Client, app: App
) -> None:
    done = await run(client, "print('kept')")
    uri = f"lake://runs/{done['run_id']}/cells/0"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: run(client, "import time; time.sleep(600)"))
        with anyio.fail_after(60):
            while len(folders(app.settings)) < 2:
                await call(client, "get_run")
        [live] = folders(app.settings) - {done["run_id"]}
        (app.settings.data_dir / "tenants/local/runs/run-of-nobody").mkdir()
        every = {done["run_id"], live, "run-of-nobody"}

        assert await outputs_of(app, days=30, in_days=29.9).sweep() == 0
        assert await outputs_of(app, days=0, in_days=10_000).sweep() == 0
        assert folders(app.settings) == every
        assert await read(client, uri) == "kept\n"

        assert await outputs_of(app, days=30, in_days=30.1).sweep() == 2
        assert folders(app.settings) == {live}
        await call(client, "cancel_run", run_id=live)

    with pytest.raises(MCPError, match="kept no longer"):
        await client.read_resource(uri)
    found = (await call(client, "get_run", run_id=done["run_id"]))["run"]
    assert "kept" in str(found["cells"])


async def test_a_start_removes_what_has_become_old(
    settings: Settings, zygote: Zygote, tmp_path: Path
) -> None:
    aged = []
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        aged.append((await run(client, "print(1)"))["run_id"])
        young = (await run(client, "print(2)"))["run_id"]
    assert folders(settings) == {*aged, young}
    with sqlite3.connect(settings.data_dir / "metadata.db") as database:
        years_ago = "UPDATE runs SET ended_at = '2020' || substr(ended_at, 5) WHERE id = ?"
        database.execute(years_ago, aged)
    os.utime(settings.data_dir / "tenants/local/runs" / aged[0], (0, 0))

    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        assert (await call(client, "get_run", run_id=aged[0]))["run"]["state"] == "SUCCESS"
        assert folders(settings) == {young}
