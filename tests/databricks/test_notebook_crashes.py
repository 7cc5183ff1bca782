"""A run on Databricks goes on when its server is killed, and the next server goes on with it."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace
from tests.server.processes import Server

pytestmark = pytest.mark.slow

CODE = "import time; time.sleep(6); dbutils.notebook.exit('through')"


def until(server: Server, **wanted: Any) -> dict[str, Any]:
    """The newest run, once it is as wanted."""
    ends_at = time.monotonic() + 60
    runs: list[dict[str, Any]] = []
    while time.monotonic() < ends_at:
        runs = server.call("get_run")["runs"]
        if runs and wanted.items() <= runs[0].items():
            return runs[0]
    raise AssertionError(runs)


def test_a_run_there_is_gone_on_with_after_a_kill(workspace: FakeWorkspace, tmp_path: Path) -> None:
    settings = {**environment(workspace), "SERVICETSUNAMI_RUN_LEASE_S": "2"}
    first = Server(tmp_path / "data", tmp_path, **settings)
    arguments = {"content": CODE, "run_on": "databricks"}
    first.ask("tools/call", {"name": "run_notebook", "arguments": arguments})
    run = until(first, state="RUNNING")
    first.kill()

    second = Server(tmp_path / "data", tmp_path, **settings)
    ended = until(second, state="SUCCESS")
    assert (ended["run_id"], ended["exit_value"]) == (run["run_id"], "through")
    assert len(workspace.jobs.runs) == 1
    second.close()
