"""What a person at a terminal does about Databricks."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from subprocess import TimeoutExpired

import pyarrow as pa
import pytest

from tests.databricks.connecting import CATALOG, environment
from tests.fakes.databricks import FakeWorkspace
from tests.server.processes import Server
from tests.warm import Piped, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two changes were made before there was a workspace."""
    server = Server(tmp_path / "data", tmp_path, SERVICETSUNAMI_CATALOG=CATALOG)
    server.call("ingest_dataset", source=[{"k": 1}], name="t")
    server.call("ingest_dataset", source=[{"k": 2}], name="u")
    server.close()
    return tmp_path / "data"


def typed(data_dir: Path, connected: dict[str, str], *words: str) -> tuple[int, str]:
    done = run("--data-dir", str(data_dir), *words, env={**os.environ, **connected})
    return done.returncode, done.stdout + done.stderr


def test_what_waits_is_shown_sent_held_up_retried_and_dropped(
    workspace: FakeWorkspace, data_dir: Path
) -> None:
    connected = environment(workspace)
    workspace.put_table(f"{CATALOG}.default.u", pa.table({"theirs": [1]}))

    _, before = typed(data_dir, connected, "sync", "status")
    code, sent = typed(data_dir, connected, "sync", "run", "--once")
    _, after = typed(data_dir, connected, "sync", "status", "--json")
    _, one = typed(data_dir, connected, "sync", "status", "u")

    assert "2 waiting, 0 parked" in before
    assert (code, sent.strip()) == (1, "1 sent, 0 waiting, 1 parked")
    assert json.loads(after)["assets"][0]["name"] == "default.u"
    assert "not from this dataset" in one

    workspace.execute(f"DROP TABLE {CATALOG}.default.u")
    assert "1 changes are tried again" in typed(data_dir, connected, "sync", "retry", "u")[1]
    assert typed(data_dir, connected, "sync", "run", "--once")[0] == 0
    assert workspace.rows(f"{CATALOG}.default.u") == [(2,)]
    assert "0 changes of default.t" in typed(data_dir, connected, "sync", "drop", "t")[1]


def test_a_workspace_that_is_away_is_told_in_words(
    workspace: FakeWorkspace, data_dir: Path
) -> None:
    connected = environment(workspace)
    workspace.down()

    code, sent = typed(data_dir, connected, "sync", "run", "--once")
    _, status = typed(data_dir, connected, "sync", "status")
    doctor, checks = typed(data_dir, connected, "doctor")

    assert code == 1
    assert "0 sent, 2 waiting, 0 parked" in sent
    assert "did not answer" in sent
    assert "nothing is lost" in status
    assert doctor >= 1
    assert "did not answer" in checks
    assert "Traceback" not in sent + status + checks


def test_without_a_workspace_the_commands_say_how_to_connect_one(data_dir: Path) -> None:
    code, sent = typed(data_dir, {}, "sync", "run", "--once")
    _, status = typed(data_dir, {}, "sync", "status")
    _, checks = typed(data_dir, {"DATABRICKS_HOST": "https://x.example.com"}, "doctor")

    assert code == 2
    assert "DATABRICKS_ENABLED=true" in sent
    assert "not connected" in status
    assert "DATABRICKS_ENABLED is not" in " ".join(checks.split())


def test_running_sends_until_a_signal(workspace: FakeWorkspace, data_dir: Path) -> None:
    settings = {**os.environ, **environment(workspace)}
    process = Piped("--data-dir", str(data_dir), "sync", "run", env=settings)
    names = {f"{CATALOG}.default.t", f"{CATALOG}.default.u"}
    while not names <= set(workspace.tables):
        with pytest.raises(TimeoutExpired):
            process.wait(timeout=0.1)
    process.terminate()
    output, _ = process.communicate(timeout=30)

    assert b"sent" in output
    assert process.returncode in {0, 1}


def test_links_to_results_never_reach_the_log(
    workspace: FakeWorkspace, data_dir: Path, tmp_path: Path
) -> None:
    workspace.put_table("main.default.orders", pa.table({"n": [1]}))
    talkative = {"SERVICETSUNAMI_LOG_LEVEL": "INFO"}
    server = Server(data_dir, tmp_path, **environment(workspace), **talkative)
    server.call("ingest_dataset", source="databricks:main.default.orders", name="orders")

    _, logged = server.close()

    assert [each for each in workspace.requests if each.path.startswith("/__store__")]
    assert b"__store__" not in logged
    assert workspace.token.encode() not in logged


def test_a_server_sends_by_itself_and_ends_at_once_when_its_client_leaves(
    workspace: FakeWorkspace, data_dir: Path, tmp_path: Path
) -> None:
    server = Server(data_dir, tmp_path, **environment(workspace))
    while server.call("sync_status")["waiting"]:
        pass
    workspace.sql.delay_s = 60
    server.call("ingest_dataset", source=[{"k": 3}], name="t", mode="append")
    while not any(each.state == "RUNNING" for each in workspace.statements):
        pass

    code, logged = server.close()

    assert code == 0
    assert b"Traceback" not in logged
    assert workspace.statements[-1].is_cancelled
    workspace.sql.delay_s = 0
    server = Server(data_dir, tmp_path, **environment(workspace))
    while server.call("sync_status")["waiting"]:
        pass
    assert workspace.rows(f"{CATALOG}.default.t") == [(1,), (3,)]
    server.close()
