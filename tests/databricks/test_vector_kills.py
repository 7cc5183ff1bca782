"""A server that is killed while it delivers an index loses nothing there, and doubles nothing."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.databricks.connecting import CATALOG, environment
from tests.fakes.databricks import FakeWorkspace
from tests.server.processes import Server

KILLS = int(os.environ.get("INDEX_KILLS", "3"))
"""`INDEX_KILLS=50 pytest tests/databricks/test_vector_kills.py` kills as often as that."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.timeout(240 + 30 * KILLS),
]
NAMES = ("followed", "put")
"""The first follows its table, the second one gets its rows from here."""


def change(server: Server, name: str, number: int) -> None:
    documents = [
        {"id": f"{number % 3}-{n}", "text": f"Text {n} of batch {number}.", "n": number}
        for n in range(5)
    ]
    server.call("index_documents", index=name, source=documents)


def drop_some(server: Server, name: str, number: int) -> None:
    statement = f"DELETE FROM {name} WHERE n < {number} AND id LIKE '%-4'"
    task = {"task_key": "d", "sql_task": {"statement": statement}}
    server.call("create_job", name="drop", tasks=[task])
    assert server.call("run_job", name="drop", run_on="local")["run"]["state"] == "SUCCESS"


def all_sent(server: Server) -> None:
    ends_at = time.monotonic() + 120
    server.call("manage_sync", action="retry")
    while True:
        status = server.call("sync_status")
        assert status["parked"] == 0, status
        if not status["waiting"]:
            return
        assert time.monotonic() < ends_at, status


def test_kills_amid_delivering_lose_and_double_nothing(
    tmp_path: Path, workspace: FakeWorkspace
) -> None:
    chance = random.Random(11)
    roots = tmp_path / "files"
    roots.mkdir()
    connected = environment(workspace) | {"SERVICETSUNAMI_SYNC_LEASE_S": "1"}
    for number in range(KILLS):
        server = Server(tmp_path / "data", roots, **connected)
        for name in NAMES:
            change(server, name, number)
            if number == 0 and name == "put":
                server.call("manage_sync", action="off", kind="dataset", name=name)
        if number % 2:
            drop_some(server, "put", number)
        server.call("manage_sync", action="retry")
        pause_until = time.monotonic() + chance.uniform(0.0, 4.0)
        while time.monotonic() < pause_until:
            server.call("list_assets", kind="index")
        server.kill()

    server = Server(tmp_path / "data", roots, **connected)
    all_sent(server)
    for name in NAMES:
        sql = f"SELECT id, n, text FROM {name} ORDER BY id"
        here = server.call("query_dataset", sql=sql, max_rows=1000)["rows"]
        index = workspace.vectors.indexes[f"{CATALOG}.default.{name}_index"]
        rows = [[row["id"], row["n"], row["text"]] for row in index.rows.values()]
        assert sorted(rows) == here
        asked = {"index": name, "query": "Text 1 of batch 0", "max_results": 100}
        found = server.call("search_vectors", **asked, run_on="databricks", mode="semantic")
        assert sorted(hit["id"] for hit in found["hits"]) == [row[0] for row in here]
        assert found["freshness"]["is_stale"] is False
    assert len(workspace.vectors.indexes) == 2
    server.close()
