"""Nothing that was acknowledged is lost or doubled, whoever is killed, and whenever."""

import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.server.model import Change, History
from tests.server.processes import Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]

KILLS = int(os.environ.get("LAKE_KILLS", "20"))
"""`LAKE_KILLS=50 pytest tests/server/test_crashes.py` kills as often as that."""


def attempt(server: Server, history: History, change: Change) -> bool:
    """Tell whether the change was acknowledged; a refusal is an error of the test."""
    call = {"name": change.tool, "arguments": dict(change.arguments)}
    try:
        answer = server.answer(server.ask("tools/call", call))
    except BrokenPipeError:
        return False
    if answer is None:
        return False
    assert not answer["result"].get("isError"), answer
    history.acknowledged(change, answer["result"]["structuredContent"].get("version"))
    return True


def kill_meanwhile(server: Server, history: History, after_s: float) -> Change:
    """Make changes until the server is killed; returns the one that nobody answered."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    killer = threading.Timer(after_s, server.process.kill)
    killer.start()
    while attempt(server, history, change := history.next_change()):
        pass
    killer.join()
    server.close()
    assert psutil.wait_procs(children, timeout=10)[1] == []
    return change


def crash(tmp_path: Path, *, kills: int, seed: int) -> None:
    roots = tmp_path / "files"
    roots.mkdir()
    history = History(roots, random.Random(seed))
    server = Server(tmp_path / "data", roots)
    assert attempt(server, history, history.next_change())
    for _ in range(kills):
        pending = kill_meanwhile(server, history, history.rng.uniform(0.0, 0.6))
        server = Server(tmp_path / "data", roots)
        history.check(server, pending)
    history.check_versions(server)
    server.close()
    assert history.number > kills
    nothing_left_over(tmp_path / "data")


def nothing_left_over(data_dir: Path) -> None:
    """Every file is mentioned by its table's log, every table finished, nothing half-written."""
    [tables] = data_dir.glob("tenants/*/tables")
    for table in (folder for folder in tables.iterdir() if folder.is_dir()):
        log = "".join(p.read_text() for p in (table / "_delta_log").glob("*.json"))
        files = [p.name for p in table.rglob("*.parquet") if "checkpoint" not in p.name]
        assert [name for name in files if name not in log] == []
        assert (tables / f"{table.name}.lock").read_bytes() == b""
    assert {each.name.partition(".")[0] for each in tables.iterdir()} == {
        each.name for each in tables.iterdir() if each.is_dir()
    }
    left = [*data_dir.rglob("*.partial"), *data_dir.rglob("*.spool"), *data_dir.rglob("read-*")]
    assert left == []


def test_a_kill_loses_and_doubles_nothing(tmp_path: Path) -> None:
    crash(tmp_path, kills=1, seed=1)


@pytest.mark.timeout(200 + 8 * KILLS)
def test_kills_amid_all_kinds_of_changes_lose_and_double_nothing(tmp_path: Path) -> None:
    crash(tmp_path, kills=KILLS, seed=2)


def big_file(folder: Path, megabytes: int) -> Path:
    """A file that takes a while to read, and has one line that is rejected."""
    block = "".join(f"{n},{n * 7919 % 100_003},some text number {n}\n" for n in range(20_000))
    path = folder / "big.csv"
    with path.open("w") as file:
        file.write("a,b,c\n")
        while file.tell() < megabytes * 1_000_000:
            file.write(block)
        file.write("broken,line,with,too,many,fields\n")
    return path


def start_ingest(server: Server, path: Path, name: str) -> tuple[int, psutil.Process]:
    """Begin to ingest; returns the request and the child, as soon as it holds a table's lock."""
    arguments = {"source": path.name, "name": name, "mode": "append"}
    number = server.ask("tools/call", {"name": "ingest_dataset", "arguments": arguments})
    while True:
        for child in psutil.Process(server.process.pid).children(recursive=True):
            if sum(each.path.endswith(".lock") and "tables" in each.path for each in opened(child)):
                return number, child


def opened(process: psutil.Process) -> list:
    try:
        return process.open_files()
    except psutil.Error:
        return []


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def unchanged(server: Server, data_dir: Path) -> None:
    """Only the one row of `t` is there, its lock is free, and the next write succeeds."""
    assert [asset["name"] for asset in server.call("list_assets")["assets"]] == ["default.t"]
    assert server.call("query_dataset", sql="SELECT a FROM t")["rows"] == [[0]]
    server.call("ingest_dataset", source=[{"a": 1}], name="t", mode="append")
    assert server.call("query_dataset", sql="SELECT count(*) FROM t")["rows"] == [[2]]
    nothing_left_over(data_dir)


def test_when_the_child_of_an_ingest_is_killed_the_call_fails_and_nothing_changes(
    tmp_path: Path, roots: Path
) -> None:
    server = Server(tmp_path / "data", roots)
    server.call("ingest_dataset", source=[{"a": 0}], name="t")
    path = big_file(roots, megabytes=8)

    for name in ("t", "new"):
        number, child = start_ingest(server, path, name)
        child.kill()
        answer = server.answer(number)
        assert answer is not None
        assert answer["result"]["isError"]
        assert "nothing was written" in answer["result"]["content"][0]["text"]

    unchanged(server, tmp_path / "data")
    server.close()


def test_a_cancelled_ingest_ends_within_two_seconds_without_a_trace(
    tmp_path: Path, roots: Path
) -> None:
    server = Server(tmp_path / "data", roots)
    server.call("ingest_dataset", source=[{"a": 0}], name="t")
    path = big_file(roots, megabytes=8)

    for name in ("t", "new"):
        number, child = start_ingest(server, path, name)
        cancel = {"method": "notifications/cancelled", "params": {"requestId": number}}
        server.send({"jsonrpc": "2.0", **cancel})
        assert psutil.wait_procs([child], timeout=2)[1] == []

    unchanged(server, tmp_path / "data")
    server.close()


def test_an_ingest_whose_client_leaves_or_whose_server_is_killed_leaves_no_trace(
    tmp_path: Path, roots: Path
) -> None:
    server = Server(tmp_path / "data", roots)
    server.call("ingest_dataset", source=[{"a": 0}], name="t")
    path = big_file(roots, megabytes=8)

    for name, end in (("t", server.close), ("new", None)):
        _, child = start_ingest(server, path, name)
        (end or server.kill)()
        assert psutil.wait_procs([child], timeout=2)[1] == []
        server = Server(tmp_path / "data", roots)
        assert server.call("query_dataset", sql="SELECT a FROM t")["rows"] == [[0]]

    unchanged(server, tmp_path / "data")
    server.close()


def test_a_killed_ingest_of_fifty_megabytes_is_whole_or_not_at_all(
    tmp_path: Path, roots: Path
) -> None:
    path, rng = big_file(roots, megabytes=50), random.Random(3)
    # All lines but the header and the one that is rejected.
    rows = path.read_bytes().count(b"\n") - 2
    server = Server(tmp_path / "data", roots)
    server.call("ingest_dataset", source=[{"a": 0}], name="t")
    for _ in range(6):
        _, child = start_ingest(server, path, "big")
        killer = threading.Timer(rng.uniform(0.0, 4.0), server.process.kill)
        killer.start()
        killer.join()
        server.close()
        assert psutil.wait_procs([child], timeout=2)[1] == []
        server = Server(tmp_path / "data", roots)
        names = [asset["name"] for asset in server.call("list_assets")["assets"]]
        assert names in (["default.t"], ["default.big", "default.big__rejects", "default.t"])
        if len(names) > 1:
            assert server.call("query_dataset", sql="SELECT count(*) FROM big")["rows"] == [[rows]]
            break
    server.call("ingest_dataset", source=[{"a": 1}], name="t", mode="append")
    # A query is what also removes the temporary files of those who were killed.
    assert server.call("query_dataset", sql="SELECT count(*) FROM t")["rows"] == [[2]]
    server.close()
    nothing_left_over(tmp_path / "data")


APPENDER = """
import sys
from pathlib import Path
from tests.server.processes import Server
server = Server(Path(sys.argv[1]), Path(sys.argv[2]))
for n in range(int(sys.argv[4])):
    server.call("ingest_dataset", source=[{"who": int(sys.argv[3]), "n": n}], name="t",
                mode="append")
server.close()
"""


@pytest.mark.timeout(600)
def test_eight_servers_with_twenty_five_appends_each_end_with_the_exact_count(
    tmp_path: Path,
) -> None:
    roots = tmp_path / "files"
    roots.mkdir()
    server = Server(tmp_path / "data", roots)
    server.call("ingest_dataset", source=[{"who": -1, "n": -1}], name="t")

    def run(who: int) -> None:
        arguments = [str(tmp_path / "data"), str(roots), str(who), "25"]
        subprocess.run([sys.executable, "-c", APPENDER, *arguments], check=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))

    answer = server.call(
        "query_dataset", sql="SELECT count(*), count(DISTINCT struct(who, n)) FROM t"
    )
    assert answer["rows"] == [[201, 201]]
    server.close()
