"""Processes are killed at random moments, and many write at once: nothing is lost or doubled."""

import os
import random
import signal
import time
from collections.abc import AsyncIterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from servicetsunami.stores.database import Database
from servicetsunami.stores.tables import log
from tests.stores.tables.small_server import (
    FORKS,
    LOCK_TIMEOUT_S,
    Lake,
    check,
    serve,
)

KILLS = int(os.environ.get("LAKE_KILLS", "20"))
"""`LAKE_KILLS=50 pytest tests/stores/tables/test_crash.py` kills as often as that."""
KEYS_PER_ROUND = 200
"""More than a server can write before it is killed."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'metadata.db'}")


@pytest.fixture
async def observer(lake: Lake) -> AsyncIterator[Database]:
    database = await Database.open(lake.url)
    yield database
    await database.close()


def kill(lake: Lake, server: int, *, whom: str) -> None:
    child = lake.data_dir / f"child-of-{server}"
    started = child.exists() and child.read_text() != ""
    pids = [] if whom == "child" and started else [server]
    if whom != "server" and started:
        pids.append(int(child.read_text()))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def wait_for_a_moment(lake: Lake, server: BaseProcess, choice: random.Random, *, done: int) -> None:
    """Any moment of the start, or of one write, however busy the machine is."""
    writes = choice.choice([0, 2, 3])
    seen, before_s, last_s = done, time.monotonic(), time.monotonic()
    while seen < done + writes and server.is_alive():
        server.join(timeout=0.002)
        if len(lake.acknowledged()) > seen:
            seen = len(lake.acknowledged())
            before_s, last_s = last_s, time.monotonic()
    server.join(timeout=choice.uniform(0, last_s - before_s if writes else 0.5))


async def survive(lake: Lake, observer: Database, *, rounds: int, seed: int) -> None:
    choice = random.Random(seed)
    for number in range(rounds):
        next_key = len(lake.acknowledged())
        keys = [str(next_key + each) for each in range(KEYS_PER_ROUND)]
        server = FORKS.Process(target=serve, args=(lake, keys))
        server.start()
        wait_for_a_moment(lake, server, choice, done=next_key)
        assert server.pid is not None
        kill(lake, server.pid, whom=choice.choice(["server", "child", "both"]))
        server.join(timeout=LOCK_TIMEOUT_S)
        assert server.exitcode not in (None, 0), (seed, number)
        await check(lake, observer)
    last = FORKS.Process(target=serve, args=(lake, [str(len(lake.acknowledged()))]))
    last.start()
    last.join(timeout=LOCK_TIMEOUT_S)
    assert last.exitcode == 0
    await check(lake, observer)
    check_no_orphans(lake)


def check_no_orphans(lake: Lake) -> None:
    mentioned = log.mentioned_files(lake.location)
    assert set(lake.location.glob("*.parquet")) <= mentioned
    assert log.foreign_log_files(lake.location) == []
    assert {each.name for each in lake.location.parent.iterdir()} == {"d1", "d1.lock"}


async def test_eight_kills_lose_nothing_and_double_nothing(lake: Lake, observer: Database) -> None:
    await survive(lake, observer, rounds=8, seed=8)


@pytest.mark.slow
@pytest.mark.timeout(100 + 10 * KILLS)
async def test_many_kills_lose_nothing_and_double_nothing(lake: Lake, observer: Database) -> None:
    await survive(lake, observer, rounds=KILLS, seed=50)
    commits = [log.commit(lake.location, each) for each in log.versions(lake.location)]
    undone = [each for each in commits if each.operation == "RESTORE"]
    assert undone, "no kill fell between the two commits: the test has lost its point"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_eight_processes_append_twenty_five_times_each(
    lake: Lake, observer: Database
) -> None:
    servers = [
        FORKS.Process(target=serve, args=(lake, [str(25 * number + each) for each in range(25)]))
        for number in range(8)
    ]
    for server in servers:
        server.start()
    for server in servers:
        server.join(timeout=200)
    assert [server.exitcode for server in servers] == [0] * 8
    assert len(lake.acknowledged()) == 200
    await check(lake, observer)
