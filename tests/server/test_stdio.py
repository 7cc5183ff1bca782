"""The server as a process: clean stdout, orderly ends, two of them on the same data."""

import contextlib
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.server.processes import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def test_it_ends_when_its_client_leaves_and_takes_its_children_along(
    tmp_path: Path, roots: Path
) -> None:
    server = Server(tmp_path / "data", roots)
    server.call("query_dataset", sql="SELECT 1")
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert children

    code, logged = server.close()

    assert (code, logged) == (0, b"")
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_sigterm_stops_it_in_order(tmp_path: Path, roots: Path) -> None:
    server = Server(tmp_path / "data", roots)
    server.call("query_dataset", sql="SELECT 1")
    children = psutil.Process(server.process.pid).children(recursive=True)

    server.process.send_signal(signal.SIGTERM)
    assert server.process.stdout is not None
    assert server.process.stdout.read() == b""

    assert server.process.wait(timeout=10) == 0
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_no_child_outlives_a_killed_server(tmp_path: Path, roots: Path) -> None:
    server = Server(tmp_path / "data", roots)
    server.call("query_dataset", sql="SELECT 1")
    children = psutil.Process(server.process.pid).children(recursive=True)

    server.kill()

    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_two_servers_work_side_by_side_on_one_data_directory(tmp_path: Path, roots: Path) -> None:
    one, two = Server(tmp_path / "data", roots), Server(tmp_path / "data", roots)

    one.call("ingest_dataset", source=[{"a": 1}], name="t")
    two.call("ingest_dataset", source=[{"a": 2}], name="t", mode="append")
    one.call("ingest_dataset", source=[{"a": 3}], name="t", mode="append")

    for server in (one, two):
        assert server.call("query_dataset", sql="SELECT a FROM t ORDER BY a")["rows"] == [
            [1],
            [2],
            [3],
        ]
        server.close()


def busy_child(server: Server) -> psutil.Process:
    """The child that computes: the first one seen to use a processor."""
    while True:
        for child in psutil.Process(server.process.pid).children(recursive=True):
            if child.cpu_percent(interval=0.1) > 30:
                return child


def test_cancelling_a_query_stops_it_within_two_seconds(tmp_path: Path, roots: Path) -> None:
    server = Server(tmp_path / "data", roots)
    server.call("query_dataset", sql="SELECT 1")
    endless = "SELECT sum(a.id * b.id) FROM range(1000000) a, range(1000000) b"
    number = server.ask(
        "tools/call", {"name": "query_dataset", "arguments": {"sql": endless, "timeout_s": 25}}
    )
    busy = busy_child(server)

    cancelled_at = time.monotonic()
    server.send(
        {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": number},
        }
    )
    assert psutil.wait_procs([busy], timeout=2)[1] == []

    assert time.monotonic() - cancelled_at < 2
    assert server.call("query_dataset", sql="SELECT 3")["rows"] == [[3]]
    server.close()


def test_an_endless_line_does_not_eat_the_memory(tmp_path: Path, roots: Path) -> None:
    server = Server(tmp_path / "data", roots)
    assert server.process.stdin is not None
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss

    grown = 0
    with contextlib.suppress(BrokenPipeError, psutil.NoSuchProcess):
        for _ in range(400):
            server.process.stdin.write(b"x" * 1_000_000)
            grown = max(grown, process.memory_info().rss - before)

    server.process.wait(timeout=10)
    assert grown < 100_000_000
