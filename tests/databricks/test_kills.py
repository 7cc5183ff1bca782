"""A server that is killed while it sends loses nothing there, and doubles nothing."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databricks.connecting import CATALOG, environment
from tests.fakes.databricks import FakeWorkspace
from tests.server.processes import Server

KILLS = int(os.environ.get("SYNC_KILLS", "12"))
"""Each costs the start of a server; `SYNC_KILLS=100` takes seven minutes."""
NAMES = ("t0", "t1", "t2")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        yield running


class Writer:
    """Makes changes, and remembers what was acknowledged."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.number = 0
        self.known: set[str] = set()

    def change(self, server: Server) -> None:
        self.number += 1
        name = self.rng.choice(NAMES)
        rows = [{"k": self.number % 7, "n": self.number}]
        mode = "append"
        if name not in self.known:
            mode = "create"
        elif self.number % 5 == 0:
            mode = "overwrite"
        server.call("ingest_dataset", source=rows, name=name, mode=mode)
        self.known.add(name)


def all_sent(server: Server) -> None:
    deadline = time.monotonic() + 120
    server.call("manage_sync", action="retry")
    while True:
        status = server.call("sync_status")
        assert status["parked"] == 0, status
        if not status["waiting"]:
            return
        assert time.monotonic() < deadline, status


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(900)
def test_kills_amid_sending_lose_and_double_nothing(
    tmp_path: Path, workspace: FakeWorkspace
) -> None:
    roots, rng = tmp_path / "files", random.Random(5)
    roots.mkdir()
    writer = Writer(rng)
    # A killed server leaves leases that have to run out.
    connected = environment(workspace) | {"SERVICETSUNAMI_SYNC_LEASE_S": "1"}
    for _ in range(KILLS):
        server = Server(tmp_path / "data", roots, **connected)
        for _ in range(rng.randint(1, 3)):
            writer.change(server)
        pause_until = time.monotonic() + rng.uniform(0.0, 0.4)
        while time.monotonic() < pause_until:
            server.call("query_dataset", sql="SELECT 1")
        server.kill()

    server = Server(tmp_path / "data", roots, **connected)
    all_sent(server)
    for name in sorted(writer.known):
        page = server.call(
            "query_dataset", sql=f"SELECT k, n FROM {name} ORDER BY k, n", max_rows=1000
        )
        assert not page["truncated"]
        assert workspace.rows(f"{CATALOG}.default.{name}") == [tuple(r) for r in page["rows"]]
    server.close()
    assert len(workspace.statements) > KILLS
