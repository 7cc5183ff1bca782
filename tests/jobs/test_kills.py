"""Servers that are killed at any moment do no task twice, and leave no run that goes on for ever.

`JOB_KILLS=100 pytest tests/jobs/test_kills.py` kills as often as that on each database.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.databases import PostgresqlServer
from tests.server.processes import Server

KILLS = int(os.environ.get("JOB_KILLS", "2"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.timeout(120 + 20 * KILLS),
]
PYTHON = "lake.write(lake.sql(\"SELECT '{key}' AS task\"), 'log', mode='append')"
WORKERS = (2, 4)


def tasks() -> list[dict[str, Any]]:
    """Twenty: SQL in four columns that hang together, and one task of Python that may be lost."""
    found: list[dict[str, Any]] = []
    for n in range(19):
        after = [f"t{n - 4}"] if n > 3 else []
        statement = f"INSERT INTO log SELECT 't{n}'"
        work = {"sql_task": {"statement": statement}}
        found.append({"task_key": f"t{n}", "depends_on": after, **work})
    code = PYTHON.format(key="t19")
    last = {"task_key": "t19", "depends_on": ["t3"], "spark_python_task": {"code": code}}
    return [*found, last]


def follow(
    server: Server, run_id: str, kills: list[Server], chance: random.Random
) -> dict[str, Any]:
    """The run when it has ended; on the way there the other servers are killed."""
    ends_at, next_kill = time.monotonic() + 90, time.monotonic() + chance.uniform(0, 1.5)
    while time.monotonic() < ends_at:
        found = server.call("get_run", run_id=run_id, wait=False)["run"]
        if found["state"] != "RUNNING":
            return found
        if kills and time.monotonic() > next_kill:
            kills.pop().kill()
            next_kill = time.monotonic() + chance.uniform(0, 1.5)
    raise AssertionError(f"the run did not end: {found}")


def judge(server: Server, found: dict[str, Any], before: int) -> None:
    """Every task that succeeded has written once, a lost one at most once, others never."""
    rows = server.call("query_dataset", sql="SELECT task, count(*) FROM log GROUP BY task")["rows"]
    written = {task: count - before for task, count in rows}
    for task in found["tasks"]:
        count, state = written[task["task_key"]], task["state"]
        allowed = {"SUCCESS": {1}, "LOST": {0, 1}}.get(state, {0})
        assert count in allowed, (task, count)
    lost = [task for task in found["tasks"] if task["state"] == "LOST"]
    assert found["state"] == ("LOST" if lost else "SUCCESS"), found


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_kills_double_nothing_and_leave_nothing_behind(
    kind: str, workers: int, tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    if kind == "sqlite":
        kill_and_judge(tmp_path, workers, {})
        return
    async with postgresql_server.fresh_database() as url:
        kill_and_judge(tmp_path, workers, {"SERVICETSUNAMI_DATABASE_URL": url})


def kill_and_judge(tmp_path: Path, workers: int, more: dict[str, str]) -> None:
    chance = random.Random(workers)
    settings = {"SERVICETSUNAMI_RUN_LEASE_S": "2", **more}
    first = Server(tmp_path / "data", tmp_path, **settings)
    known = [{"task": f"t{n}"} for n in range(20)]
    first.call("ingest_dataset", source=known, name="log")
    first.call("create_job", name="dag", tasks=tasks())
    killed = rounds = 0
    run_id = ""
    while killed < KILLS // len(WORKERS):
        rounds += 1
        others = [Server(tmp_path / "data", tmp_path, **settings) for _ in range(workers - 1)]
        before = first.call("query_dataset", sql="SELECT count(*) FROM log WHERE task = 't0'")
        asked = others[0].ask("tools/call", {"name": "run_job", "arguments": {"name": "dag"}})
        del asked
        run_id = newest(first, run_id)
        killed += len(others)
        found = follow(first, run_id, others, chance)
        for other in others:
            killed -= 1
            other.kill()
        counts = dict(
            first.call("query_dataset", sql="SELECT task, count(*) FROM log GROUP BY task")["rows"]
        )
        assert counts["t0"] == before["rows"][0][0] + 1
        judge(first, found, rounds)
        if found["state"] == "LOST":
            # The same number of rows for all, for the next round.
            first.call("ingest_dataset", source=missing(counts), name="log", mode="append")
    first.close()


def missing(counts: dict[str, int]) -> list[dict[str, str]]:
    most = max(counts.values())
    return [{"task": task} for task, count in counts.items() for _ in range(most - count)] or [
        {"task": "none"}
    ]


def newest(server: Server, before: str) -> str:
    """The id of the run that has just begun, once it is there and no longer the one before."""
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        runs = server.call("get_run", name="dag")["runs"]
        if runs and runs[0]["run_id"] != before:
            return runs[0]["run_id"]
    raise AssertionError("the run did not begin")
