"""Disks that are full, cannot be written or are oddly named, and files that are not ours."""

import shutil
import sqlite3
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from anyio import to_thread
from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, failure
from tests.server.processes import Server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    ).returncode:
        pytest.skip("this user cannot mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def failing(server: Server, tool: str, **arguments: object) -> str:
    result = server.request("tools/call", {"name": tool, "arguments": arguments})["result"]
    assert result.get("isError"), result
    text = result["content"][0]["text"]
    assert "Error executing" not in text, text
    return text


def test_a_full_disk_is_named_and_costs_nothing_that_was_there(
    tmp_path: Path, small_disk: Path
) -> None:
    (tmp_path / "big.csv").write_text(
        "a,b\n" + "".join(f"{n},{n * 7919 % 1000003}x{n}\n" for n in range(600_000))
    )
    server = Server(small_disk / "data", tmp_path)
    server.call("ingest_dataset", source=[{"a": 1, "b": "x"}], name="t")

    for mode in ("append", "overwrite", "merge"):
        keys = ["a"] if mode == "merge" else []
        message = failing(
            server, "ingest_dataset", source="big.csv", name="t", mode=mode, keys=keys
        )
        assert "full" in message
        assert "space" in message
    assert "full" in failing(server, "ingest_dataset", source="big.csv", name="u")

    assert server.call("query_dataset", sql="SELECT a, b FROM t")["rows"] == [[1, "x"]]
    server.call("ingest_dataset", source=[{"a": 2, "b": "y"}], name="t", mode="append")
    assert server.call("query_dataset", sql="SELECT count(*) FROM t")["rows"] == [[2]]
    server.close()


def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path, small_disk: Path) -> None:
    server = Server(small_disk / "data", tmp_path)
    server.call("ingest_dataset", source=[{"a": 1}], name="t")
    server.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    server = Server(small_disk / "data", tmp_path)
    for name in ("t", "u"):
        message = failing(server, "ingest_dataset", source=[{"a": 2}], name=name, mode="append")
        assert "cannot be" in message
        assert "SERVICETSUNAMI_" in message
    server.close()


@asynccontextmanager
async def lake(data_dir: Path) -> AsyncGenerator[Client]:
    settings = Settings(data_dir=data_dir, allowed_roots=())
    async with open_app(settings) as app, Client(LakeServer(app.services, app.caller)) as client:
        yield client


async def test_the_data_directory_may_have_any_name_or_its_character_is_named(
    tmp_path: Path,
) -> None:
    for name in ("it's two", 'ü?b#c*"'):
        async with lake(tmp_path / name / "data") as client:
            for mode in ("create", "append"):
                await call(client, "ingest_dataset", source=[{"k": 1}], name="t", mode=mode)
            assert await ask(client, "SELECT k FROM t") == [[1], [1]]
        assert await to_thread.run_sync((tmp_path / name / "data" / "metadata.db").is_file)

    for name in ("50%", "[x]", "a|b"):
        async with lake(tmp_path / name) as client:
            message = await failure(client, "ingest_dataset", source=[{"a": 1}], name="t")
        assert "SERVICETSUNAMI_DATA_DIR" in message


async def test_files_of_others_among_the_tables_stay_and_harm_nothing(tmp_path: Path) -> None:
    async with lake(tmp_path) as client:
        await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
    tables = tmp_path / "tenants" / "local" / "tables"
    for file in (tables / ".DS_Store", tables / "notes.txt", tables.parent.parent / ".DS_Store"):
        file.write_text("x")

    async with lake(tmp_path) as client:
        assert await ask(client, "SELECT a FROM t") == [[1]]

    assert (tables / ".DS_Store").exists()
    assert (tables / "notes.txt").exists()


async def test_a_server_with_other_metadata_does_not_remove_the_tables(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with lake(tmp_path / "data") as client:
        await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
    shutil.move(tmp_path / "data" / "metadata.db", tmp_path / "kept.db")

    async with lake(tmp_path / "data") as client:
        assert (await call(client, "list_assets"))["total"] == 0
    assert "SERVICETSUNAMI_DATABASE_URL" in caplog.text
    shutil.move(tmp_path / "kept.db", tmp_path / "data" / "metadata.db")

    async with lake(tmp_path / "data") as client:
        assert await ask(client, "SELECT a FROM t") == [[1]]


def test_a_database_that_others_lock_for_long_is_busy_and_nothing_is_half_done(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data", tmp_path)
    server.call("ingest_dataset", source=[{"a": 1}], name="t")
    with closing(sqlite3.connect(tmp_path / "data" / "metadata.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert server.call("query_dataset", sql="SELECT a FROM t")["rows"] == [[1]]
        more = {"source": [{"a": 2}], "name": "t", "mode": "append"}
        message = failing(server, "ingest_dataset", **more)
        other.rollback()

    assert "busy" in message
    assert "Call again" in message
    assert server.call("query_dataset", sql="SELECT a FROM t")["rows"] == [[1]]
    server.call("ingest_dataset", **more)
    assert server.call("query_dataset", sql="SELECT sum(a) FROM t")["rows"] == [[3]]
    server.close()
