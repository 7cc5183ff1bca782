"""What it costs to schedule a task that does nothing, and how soon a hundred schedules begin."""

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

import anyio

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.stdio import StdioServer
from servicetsunami.app import open_app
from servicetsunami.settings import Settings

_TASK_MAX_MS: Final = 15.0
_SCHEDULED_MAX_S: Final = 5.0
_CONDITION: Final = {"op": "EQUAL_TO", "left": "1", "right": "1"}
_SCHEDULES: Final = 100
_UNTIL_DUE_S: Final = 20


def measure(bench: Bench) -> list[Figure]:
    """A run of many conditions, and jobs that are due in the same second on three servers."""
    count, rounds = (200, 1) if bench.quick else (1_000, 3)
    seconds = [
        anyio.run(_run_s, bench.work_dir / f"jobs-{number}", count) for number in range(rounds)
    ]
    return [
        Figure(
            name=f"scheduling a task, {count} in one run",
            unit="ms",
            ours=1000 * median(seconds) / count,
            ours_max=_TASK_MAX_MS,
        ),
        Figure(
            name=f"{_SCHEDULES} schedules of one second, the last begins after",
            unit="s",
            ours=_last_begins_s(bench),
            ours_max=_SCHEDULED_MAX_S,
        ),
    ]


async def _run_s(data_dir: Path, count: int) -> float:
    """Seconds of a run of so many tasks, eight of which wait for each that ends."""
    tasks = [
        {
            "task_key": f"t{n}",
            "depends_on": [f"t{(n - 1) // 8}"] if n else [],
            "condition_task": _CONDITION,
        }
        for n in range(count)
    ]
    async with open_app(Settings(data_dir=data_dir)) as app:
        jobs = app.services.jobs
        caller = app.caller()
        await jobs.save(caller, {"name": "wide", "tasks": tasks})
        started = time.monotonic()
        run = await jobs.run(caller, "wide", {}, run_on="local", patience_s=300)
        assert run.state == "SUCCESS", run.error
        return time.monotonic() - started


def _last_begins_s(bench: Bench) -> float:
    """Have three servers share jobs that are due in one second; when the last has begun."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=_UNTIL_DUE_S)
    schedule = {"quartz_cron_expression": f"{due:%-S %-M %-H %-d %-m} ? {due:%Y}"}
    tasks = [{"task_key": "a", "condition_task": _CONDITION}]
    with ExitStack() as servers:
        three = [servers.enter_context(bench.ours("jobs")) for _ in range(3)]
        for number in range(_SCHEDULES):
            three[number % 3].call(
                "create_job", name=f"job {number}", tasks=tasks, schedule=schedule
            )
        while datetime.now(UTC) < due + timedelta(seconds=_SCHEDULED_MAX_S):
            time.sleep(0.5)
        begun = [datetime.fromisoformat(run["started_at"]) for run in _runs(three[0])]
    if len(begun) != _SCHEDULES:
        return float("inf")
    return (max(begun) - due).total_seconds()


def _runs(server: StdioServer) -> list[dict[str, Any]]:
    runs, page = [], server.call("get_run")
    while True:
        runs += page["runs"]
        if not page.get("cursor"):
            return runs
        page = server.call("get_run", cursor=page["cursor"])
