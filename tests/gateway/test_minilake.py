"""Somebody else's server: our gateway drives minilake, as far as that goes.

minilake needs an older DuckDB than ours, so it lives in an environment of its own, which this test
makes from its lock file when it is missing.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from servicetsunami.domain.budget import Permit
from servicetsunami.errors import RemoteError
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.statements import StatementRequest
from servicetsunami.gateway.workspace import Workspace, open_workspace

PERMIT = Permit(payer="acme")
ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv" / "minilake"
START_S = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def installed() -> Path:
    command = HOME / "bin" / "minilake"
    if not (HOME / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        lock = Path(__file__).with_name("minilake.lock")
        arguments = ["install", "--quiet", "--require-hashes", "-r", str(lock)]
        subprocess.run([str(HOME / "bin" / "pip"), *arguments], check=True)
        (HOME / ".installed").touch()
    return command


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("minilake"), free_port()
    settings = {
        "MINILAKE_JOB_EXECUTOR": "subprocess",
        "MINILAKE_NOTEBOOK": "0",
        "MINILAKE_DATA_DIR": str(folder),
    }
    process = subprocess.Popen(
        [str(installed()), "--port", str(port)],
        cwd=folder,
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_S
    while True:
        try:
            httpx.get(address, timeout=1)
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline, "minilake did not start"
    yield address
    process.terminate()
    process.wait(20)


@pytest.fixture
async def workspace(url: str) -> AsyncIterator[Workspace]:
    config = resolve(Given(host=url, token="t"), requests_per_s=1000, user_agent="test")
    opened = open_workspace(config)
    yield opened
    await opened.aclose()


async def test_unity_catalog_is_driven(workspace: Workspace) -> None:
    catalogs = workspace.catalogs
    for _ in range(2):
        await catalogs.ensure_catalog("mine", "for a test")
        await catalogs.ensure_schema("mine", "s")
        await catalogs.ensure_volume("mine", "s", "v")

    assert "mine" in await catalogs.list_catalogs(items_max=100)
    assert "s" in await catalogs.list_schemas("mine")
    assert (await workspace.health.check()).user == "minilake-user"


async def test_files_are_sent_listed_and_removed(workspace: Workspace, tmp_path: Path) -> None:
    await workspace.catalogs.ensure_catalog("mine", "for a test")
    await workspace.catalogs.ensure_schema("mine", "s")
    await workspace.catalogs.ensure_volume("mine", "s", "v")
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * 100_000)
    path = "/Volumes/mine/s/v/a.bin"

    await workspace.files.upload(path, source, deadline_s=20)
    await workspace.files.download(path, target, deadline_s=20)

    assert target.read_bytes() == source.read_bytes()
    assert [each.path for each in await workspace.files.entries("/Volumes/mine/s/v")] == [path]
    await workspace.files.delete(path)
    assert await workspace.files.size(path) is None


async def test_statements_are_run_on_a_warehouse(workspace: Workspace) -> None:
    body = {"name": "w", "cluster_size": "2X-Small", "auto_stop_mins": 10}
    await workspace.client.send(
        "POST", "/api/2.0/sql/warehouses", body=body, replay=Replay.UNSAFE, permit=PERMIT
    )
    request = StatementRequest(sql="SELECT 1 AS x, 'a' AS y, NULL AS z", permit=PERMIT)

    done = await workspace.statements.run(request, timeout_s=20)
    rows = [row async for chunk in workspace.statements.rows(done) for row in chunk]

    assert [column.name for column in done.columns] == ["x", "y", "z"]
    # It gives numbers where Databricks gives texts.
    assert [[cell and str(cell) for cell in row] for row in rows] == [["1", "a", None]]
    with pytest.raises(RemoteError):
        await workspace.statements.run(
            StatementRequest(sql="SELECT * FROM nope", permit=PERMIT), timeout_s=20
        )
