"""A server that is killed while it indexes loses nothing that was seen, and doubles nothing."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.server.processes import Server

KILLS = int(os.environ.get("INDEX_KILLS", "4"))
"""`INDEX_KILLS=50 pytest tests/vectors/test_kills.py` kills as often as that."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.timeout(120 + 20 * KILLS),
]


def documents(batch: int) -> list[dict[str, str]]:
    return [
        {"id": f"{batch}-{n}", "text": f"Word{batch} number {n} of batch {batch}."}
        for n in range(20)
    ]


def test_kills_amid_indexing_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(6)
    seen: set[int] = set()
    for batch in range(KILLS):
        server = Server(tmp_path / "data", tmp_path)
        given = {"index": "killed", "source": documents(batch)}
        server.ask("tools/call", {"name": "index_documents", "arguments": given})
        ends_at = time.monotonic() + chance.uniform(0.5, 9)
        while time.monotonic() < ends_at and batch not in seen:
            if server.call("list_assets", kind="index")["total"]:
                seen |= set(counts(server))
        server.kill()

    server = Server(tmp_path / "data", tmp_path)
    assert seen
    assert seen <= set(counts(server))
    for batch in range(KILLS):
        server.call("index_documents", index="killed", source=documents(batch))
    assert counts(server) == dict.fromkeys(range(KILLS), 20)
    for batch in range(KILLS):
        found = server.call(
            "search_vectors", index="killed", query=f"word{batch}", mode="keyword", max_results=100
        )
        assert len(found["hits"]) == 20
    server.close()


def counts(server: Server) -> dict[int, int]:
    """How many documents of each batch there are; all or none of each."""
    sql = "SELECT split_part(id, '-', 1) AS batch, count(*) FROM killed GROUP BY 1"
    rows = server.call("query_dataset", sql=sql)["rows"]
    assert all(count == 20 for _, count in rows), rows
    return {int(batch): count for batch, count in rows}


def test_an_index_that_follows_a_dataset_has_its_rows_after_kills(tmp_path: Path) -> None:
    chance = random.Random(7)
    followed = {"dataset": "followed", "id": "id", "text": "text"}
    for batch in range(KILLS):
        server = Server(tmp_path / "data", tmp_path)
        mode = {"mode": "merge", "keys": ["id"]} if batch else {}
        server.call("ingest_dataset", name="followed", source=rows(batch), **mode)
        given = {"index": "follower", "source": followed}
        server.ask("tools/call", {"name": "index_documents", "arguments": given})
        ends_at = time.monotonic() + chance.uniform(0, 6)
        while time.monotonic() < ends_at:
            server.call("list_assets", kind="index")
        server.kill()

    server = Server(tmp_path / "data", tmp_path)
    state = server.call("index_documents", index="follower", source=followed)
    while state.get("pending") or state["follows"].get("remaining_rows"):
        described = server.call("describe_asset", kind="index", name="follower")
        state = described["index"]
    sql = (
        "SELECT count(*), count(DISTINCT f.id), count(f.vector), "
        "count_if(f.text = d.text) FROM follower AS f JOIN followed AS d "
        "ON f.document_id = d.id"
    )
    expected = 60 + 10 * (KILLS - 1)
    assert server.call("query_dataset", sql=sql)["rows"] == [[expected] * 4]
    assert server.call("query_dataset", sql="SELECT count(*) FROM follower")["rows"] == [[expected]]
    server.close()


def rows(batch: int) -> list[dict[str, str]]:
    """Sixty rows, of which the last fifty are changed by the next batch."""
    return [
        {"id": f"r{10 * batch + n}", "text": f"Row {n} as batch {batch} has it."} for n in range(60)
    ]
