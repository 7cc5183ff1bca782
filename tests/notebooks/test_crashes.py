"""A run whose server or kernel is killed ends in a state that says so, and is never run again."""

import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server.processes import Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]

CODE = "lake.write(lake.sql('SELECT 1 AS n'), 'done', mode='append')"
LONG = f"""# Databricks notebook source
{CODE}

# COMMAND ----------

import time; time.sleep(600)
"""


def until(server: Server, done: int) -> dict[str, Any]:
    """The newest run, once so many of its cells have ended."""
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at:
        runs = server.call("get_run")["runs"]
        if runs and runs[0]["cells_done"] >= done:
            return runs[0]
    raise AssertionError("the run did not come so far")


def kernels_of(server: Server) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in children if "boot.py" in " ".join(each.cmdline())]


def test_a_killed_server_leaves_a_lost_run_and_no_process(tmp_path: Path) -> None:
    first = Server(tmp_path / "data", tmp_path, SERVICETSUNAMI_RUN_LEASE_S="2")
    first.ask("tools/call", {"name": "run_notebook", "arguments": {"content": LONG}})
    run = until(first, 1)
    kernels = kernels_of(first)
    assert kernels
    first.kill()

    assert psutil.wait_procs(kernels, timeout=10)[1] == []
    second = Server(tmp_path / "data", tmp_path, SERVICETSUNAMI_RUN_LEASE_S="2")
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        seen = second.call("get_run", run_id=run["run_id"])["run"]
        if seen["state"] != "RUNNING":
            break
    assert (seen["state"], seen["error"]) == ("LOST", "The server that ran it is gone.")
    assert "run it again" in seen["next"]
    assert second.call("query_dataset", sql="SELECT count(*) FROM done")["rows"] == [[1]]
    assert len(second.call("get_run")["runs"]) == 1
    second.close()


def test_a_server_that_stops_in_order_cancels_its_runs(tmp_path: Path) -> None:
    first = Server(tmp_path / "data", tmp_path)
    first.ask("tools/call", {"name": "run_notebook", "arguments": {"content": LONG}})
    run = until(first, 1)
    kernels = kernels_of(first)
    code, _ = first.close()

    assert code == 0
    assert psutil.wait_procs(kernels, timeout=10)[1] == []
    second = Server(tmp_path / "data", tmp_path)
    seen = second.call("get_run", run_id=run["run_id"])["run"]
    assert seen["state"] == "CANCELED"
    second.close()


def test_a_run_of_another_server_can_be_seen_and_cancelled(tmp_path: Path) -> None:
    doing, looking = Server(tmp_path / "data", tmp_path), Server(tmp_path / "data", tmp_path)
    asked = doing.ask("tools/call", {"name": "run_notebook", "arguments": {"content": LONG}})
    run = until(looking, 1)

    looking.call("cancel_run", run_id=run["run_id"])
    answer = doing.answer(asked)
    assert answer is not None
    assert answer["result"]["structuredContent"]["state"] == "CANCELED"
    assert looking.call("get_run", run_id=run["run_id"])["run"]["state"] == "CANCELED"
    doing.close()
    looking.close()


def test_what_code_prints_never_reaches_the_protocol(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", tmp_path)
    code = (
        "import os, sys\nfor n in (1, 2): os.write(n, b'{\"jsonrpc\": \"noise\"}\\n')\nprint('x')"
    )

    for _ in range(2):
        done = server.call("run_notebook", content=code)
        assert done["state"] == "SUCCESS"
    code_, logged = server.close()
    assert code_ == 0
    assert b"noise" not in logged
