"""A workspace that is away costs nobody anything: work goes on, and arrives once, in order."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pytest
from mcp.client import Client

from servicetsunami.app import App
from tests.databricks.connecting import CATALOG
from tests.databricks.sending import depth, same_on_both_sides, send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow

TRIPS = "samples.nyc.trips"
REMOTE_S = 5.0
"""Within this a question that only Databricks can answer has failed."""
EXPIRED = {"error_code": 403, "message": "Invalid access token. [ReqId: 1]"}


def always(**trouble: Any) -> Callable[[FakeWorkspace], object]:
    return lambda workspace: workspace.faults.add(Fault(times=None, **trouble))


def in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


OUTAGES: dict[str, Callable[[FakeWorkspace], object]] = {
    "refused": lambda workspace: workspace.down(),
    "hanging": always(hang_s=60.0),
    "429": always(status=429, body={"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow"}),
    "429 until a date": always(status=429, headers={"Retry-After": in_an_hour()}, body={}),
    "500": always(status=500, body="<html><title>Oops</title></html>"),
    "503": always(status=503, headers={"Retry-After": "30"}, body={"message": "down"}),
    "403 expired": always(status=403, body=EXPIRED),
    "half bodies": always(half_body=True),
    "dripping": always(drip_s=1.0),
    "reset": always(reset=True),
}


def recover(workspace: FakeWorkspace) -> None:
    workspace.faults.clear()
    workspace.up()


QUICK = ("refused", "403 expired")


@pytest.mark.parametrize(
    "outage",
    [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in OUTAGES],
)
@pytest.mark.timeout(300)
async def test_local_work_goes_on_and_what_was_done_arrives(
    client: Client, app: App, workspace: FakeWorkspace, outage: str
) -> None:
    workspace.put_table(TRIPS, pa.table({"n": [1]}))
    await call(client, "ingest_dataset", source=[{"n": -1}], name="t")
    await send(app)
    OUTAGES[outage](workspace)

    for n in range(5):
        await call(client, "ingest_dataset", source=[{"n": n}], name="t", mode="append")
        assert await ask(client, "SELECT max(n) FROM t") == [[n]]
    with anyio.fail_after(REMOTE_S):
        message = await failure(client, "query_dataset", sql=f"SELECT * FROM {TRIPS}")
    assert "Databricks" in message
    instead = await call(client, "query_dataset", sql="SELECT count(*) FROM t", run_on="databricks")
    assert (instead["ran_on"], instead["rows"]) == ("local", [[6]])
    assert "could not answer" in instead["reason"]
    assert instead["stale_since"]
    await send(app)
    assert await depth(client) == (5, 0)

    recover(workspace)
    await call(client, "manage_sync", action="retry")
    await send(app)

    assert await depth(client) == (0, 0)
    assert workspace.rows(f"{CATALOG}.default.t") == [(n,) for n in range(-1, 5)]
    history = workspace.tables[f"{CATALOG}.default.t"].history
    assert history == ["CREATE OR REPLACE TABLE AS SELECT", *["COPY INTO"] * 5]


@pytest.mark.timeout(600)
async def test_a_hundred_changes_made_meanwhile_arrive_each_once_and_in_order(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    assert app.worker is not None
    workspace.down()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app.worker.run)
        await call(client, "ingest_dataset", source=[{"k": 0, "n": 0}], name="t")
        for n in range(1, 100):
            row, more = {"k": n % 40, "n": n}, {}
            if n % 10 == 9:
                more = {"mode": "merge", "keys": ["k"]}
            name = "t" if n % 10 != 5 else f"other_{n}"
            mode = more.pop("mode", "append" if name == "t" else "create")
            if mode == "append" and n >= 40:
                row["k"] = 1000 + n
            await call(client, "ingest_dataset", source=[row], name=name, mode=mode, **more)
        tasks.cancel_scope.cancel()
    assert (await depth(client))[0] == 100

    workspace.up()
    await call(client, "manage_sync", action="retry")
    await send(app)

    await same_on_both_sides(client, workspace, "default.t")
    history = workspace.tables[f"{CATALOG}.default.t"].history
    assert len(history) == 90
    described = await call(client, "describe_asset", name="t")
    assert described["sync"]["state"] == "synced"
    assert len([name for name in workspace.tables if "other_" in name]) == 10


MUTATING = {
    "catalog": ("POST", "/api/2.1/unity-catalog/catalogs"),
    "schema": ("POST", "/api/2.1/unity-catalog/schemas"),
    "volume": ("POST", "/api/2.1/unity-catalog/volumes"),
    "folder": ("PUT", "/api/2.0/fs/directories"),
    "file": ("PUT", "/api/2.0/fs/files"),
    "statement": ("POST", "/api/2.0/sql/statements$"),
    "removed file": ("DELETE", "/api/2.0/fs/files"),
    "removed folder": ("DELETE", "/api/2.0/fs/directories"),
    "dropped table": ("DELETE", "/api/2.1/unity-catalog/tables"),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", MUTATING, ids=str)
async def test_a_lost_answer_neither_loses_nor_doubles_anything(
    client: Client, app: App, workspace: FakeWorkspace, verb: str
) -> None:
    """The effect is kept, and the connection is dropped before the answer: at the first calls."""
    method, path = MUTATING[verb]
    workspace.faults.add(Fault(method=method, path=path, reset=True, after=True, times=4))
    await call(client, "ingest_dataset", source=[{"k": 1, "v": "a"}], name="s.gone")
    await call(client, "ingest_dataset", source=[{"k": k, "v": "a"} for k in range(9)], name="s.t")
    await call(client, "ingest_dataset", source=[{"k": 9, "v": "b"}], name="s.t", mode="append")
    merged = [{"k": 9, "v": "c"}, {"k": 10, "v": "d"}]
    await call(client, "ingest_dataset", source=merged, name="s.t", mode="merge", keys=["k"])
    for _ in range(6):
        await call(client, "manage_sync", action="retry")
        await send(app)
    await call(client, "delete_asset", name="s.gone", confirm="s.gone")
    for _ in range(6):
        await call(client, "manage_sync", action="retry")
        await send(app)

    assert await depth(client) == (0, 0)
    await same_on_both_sides(client, workspace, "s.t")
    assert list(workspace.tables) == [f"{CATALOG}.s.t"]
    assert workspace.tables[f"{CATALOG}.s.t"].history.count("COPY INTO") == 1


async def test_a_statement_that_an_earlier_try_left_running_is_waited_for(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.sql.delay_s = 1.0
    lost = Fault("POST", "/api/2.0/sql/statements$", reset=True, after=True)
    workspace.faults.add(lost)
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")
    await send(app)
    await call(client, "manage_sync", action="retry")
    await send(app)

    ours = [each for each in workspace.statements if "CREATE OR REPLACE" in each.sql]
    assert [each.state for each in ours] == ["SUCCEEDED", "SUCCEEDED"]
    assert ours[1].started_at - ours[0].started_at >= 1.0
    assert workspace.rows(f"{CATALOG}.default.t") == [(1,)]


@pytest.mark.parametrize("kind", ["dataset", "notebook", "job"])
async def test_the_breaker_spares_a_workspace_that_is_away_until_somebody_says_retry(
    client: Client, app: App, workspace: FakeWorkspace, kind: str
) -> None:
    workspace.put_table(TRIPS, pa.table({"n": [1]}))
    await call(client, "query_dataset", sql=f"SELECT * FROM {TRIPS}")
    workspace.down()
    for _ in range(5):
        await failure(client, "query_dataset", sql=f"SELECT * FROM {TRIPS}")

    started = time.monotonic()
    message = await failure(client, "query_dataset", sql=f"SELECT * FROM {TRIPS}")
    assert "has not been answering" in message
    assert time.monotonic() - started < REMOTE_S
    status = await call(client, "sync_status")
    assert status["workspace"]["breaker"] == "open"
    assert "nothing is lost" in status["next"]

    task = {"task_key": "a", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}
    if kind == "dataset":
        await call(client, "ingest_dataset", source=[{"n": 1}], name="t")
    elif kind == "notebook":
        await call(client, "save_notebook", name="t", content="print(1)")
    else:
        await call(client, "create_job", name="t", tasks=[task])
    recover(workspace)
    await call(client, "manage_sync", action="retry", kind=kind)
    await send(app)
    assert await depth(client) == (0, 0)


async def test_wrong_credentials_are_told_and_nothing_is_parked(
    client: Client, app: App, workspace: FakeWorkspace, tmp_path: Path
) -> None:
    workspace.tokens.pat = "another token"
    await call(client, "ingest_dataset", source=[{"k": 1}], name="t")
    await send(app)

    status = await call(client, "sync_status")
    assert (status["waiting"], status["parked"]) == (1, 0)
    assert status["workspace"]["reachable"]
    assert not status["workspace"]["authenticated"]
    assert "DATABRICKS_TOKEN" in status["workspace"]["next_step"]
