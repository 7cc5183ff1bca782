"""Runs on Databricks go on when their server is killed, and the next server goes on with them."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.server.processes import Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]

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


def test_a_job_there_is_begun_once_and_gone_on_with_after_kills(
    workspace: FakeWorkspace, tmp_path: Path
) -> None:
    settings = {**environment(workspace), "SERVICETSUNAMI_RUN_LEASE_S": "2"}
    begin = Fault(method="POST", path="/api/2.2/jobs/run-now", hang_s=30, after=True, times=1)
    workspace.faults.add(begin)
    first = Server(tmp_path / "data", tmp_path, **settings)
    first.call("save_notebook", name="slow", content=CODE)
    task = {"task_key": "a", "notebook_task": {"notebook_path": "slow"}}
    first.call("create_job", name="j", tasks=[task])
    first.ask("tools/call", {"name": "run_job", "arguments": {"name": "j", "run_on": "databricks"}})
    until_begun(first, workspace)
    first.kill()

    second = Server(tmp_path / "data", tmp_path, **settings)
    run = until(second, state="RUNNING")
    second.kill()
    third = Server(tmp_path / "data", tmp_path, **settings)
    ended = until(third, state="SUCCESS")
    whole = third.call("get_run", run_id=ended["run_id"])["run"]
    assert ended["run_id"] == run["run_id"]
    assert whole["tasks"][0]["output"]["result"] == "through"
    assert len(workspace.jobs.runs) == len(workspace.jobs.all) == 1
    third.close()


def until_begun(server: Server, workspace: FakeWorkspace) -> None:
    ends_at = time.monotonic() + 60
    while not workspace.jobs.runs:
        server.call("list_assets")
        assert time.monotonic() < ends_at
