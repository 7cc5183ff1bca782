"""Nothing that was acknowledged is lost or doubled, whenever the server is killed."""

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.processes import Server

ROWS = 40


def batch(number: int) -> list[dict[str, Any]]:
    return [{"batch": number, "n": n} for n in range(ROWS)]


def append(server: Server, number: int) -> bool:
    """Tell whether the append was acknowledged."""
    arguments = {"source": batch(number), "name": "t", "mode": "append"}
    try:
        answer = server.answer(
            server.ask("tools/call", {"name": "ingest_dataset", "arguments": arguments})
        )
    except BrokenPipeError:
        return False
    return answer is not None and not answer["result"].get("isError")


def check(server: Server, acknowledged: set[int], tried: set[int]) -> None:
    """Each batch is there whole and once, or, if nobody was told so, not at all."""
    found = server.call(
        "query_dataset",
        sql="SELECT batch, count(*) AS c, count(DISTINCT n) AS d FROM t GROUP BY batch",
        max_rows=1000,
    )
    counts = {row[0]: (row[1], row[2]) for row in found["rows"]}
    assert not found["truncated"]
    assert set(counts.values()) == {(ROWS, ROWS)}
    assert acknowledged <= set(counts) <= tried


def crash(tmp_path: Path, *, kills: int, seed: int) -> None:
    roots = tmp_path / "files"
    roots.mkdir()
    rng = random.Random(seed)
    acknowledged, tried, number = {0}, {0}, 0
    server = Server(tmp_path / "data", roots)
    server.call("ingest_dataset", source=batch(0), name="t")
    for _ in range(kills):
        killer = threading.Timer(rng.uniform(0.0, 0.6), server.process.kill)
        killer.start()
        alive = True
        while alive:
            number += 1
            tried.add(number)
            alive = append(server, number)
            if alive:
                acknowledged.add(number)
        killer.join()
        server.close()
        server = Server(tmp_path / "data", roots)
        check(server, acknowledged, tried)
    server.close()
    assert len(acknowledged) > 1, f"nothing was acknowledged, seed {seed}"
    no_orphans(tmp_path / "data")


def no_orphans(data_dir: Path) -> None:
    """Every Parquet file is mentioned by its table's log; every table is known."""
    [tables] = data_dir.glob("tenants/*/tables")
    for table in (folder for folder in tables.iterdir() if folder.is_dir()):
        log = "".join(p.read_text() for p in (table / "_delta_log").glob("*.json"))
        unknown = [p.name for p in table.rglob("*.parquet") if p.name not in log]
        assert [name for name in unknown if "checkpoint" not in name] == []


def test_a_few_kills_during_ingest_lose_and_double_nothing(tmp_path: Path) -> None:
    crash(tmp_path, kills=3, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_kills_during_ingest_lose_and_double_nothing(tmp_path: Path) -> None:
    crash(tmp_path, kills=50, seed=2)


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


@pytest.mark.slow
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
