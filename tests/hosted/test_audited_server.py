"""The record of a real server: whole after a stop, and after a kill but for its last moment."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents

from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer, connected, http_server
from tests.server.asking import unmarked
from tests.warm import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SECRET = "Mary Poppins 4711"


def audit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "SERVICETSUNAMI_DATA_DIR": str(folder / "data")}
    return run("audit", *arguments, env=settings)


def shown(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in audit(folder, "show", "--json", *arguments).stdout.split("\n")
        if line
    ]


async def do_things(server: HttpServer, issuer: Issuer) -> None:
    for credential in ("st_" + "x" * 43, issuer.token(key=issuer.stranger)):
        assert await asked(server, credential) == 401
    async with connected(server, issuer.token()) as client:
        rows = [{"who": SECRET}]
        await client.call_tool("ingest_dataset", {"source": rows, "name": "people"})
        await client.call_tool("query_dataset", {"sql": f"SELECT '{SECRET}' FROM people"})
        await client.call_tool("query_dataset", {"sql": "SELECT nope FROM people"})
    assert await asked(server, issuer.token(scope="lake:read")) == 403


async def asked(server: HttpServer, credential: str) -> int:
    """The status of a call that starts a job."""
    call = {"name": "run_job", "arguments": {"name": "nightly"}}
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{server.url}/mcp",
            headers={"Authorization": f"Bearer {credential}"},
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
        )
    return answer.status_code


async def test_after_a_stop_everything_is_there_and_nothing_that_is_private(
    tmp_path: Path, issuer: Issuer
) -> None:
    with http_server(tmp_path, **issuer.settings(tmp_path)) as server:
        await do_things(server, issuer)

    records = shown(tmp_path, "--tenant", "acme")
    assert [(each["operation"], each["outcome"]) for each in records] == [
        ("ingest_dataset", "ok"),
        ("query_dataset", "ok"),
        ("query_dataset", "failed"),
        ("run_job", "denied"),
    ]
    assert {each["issuer"] for each in records} == {"https://id.example.com"}
    assert [each["error"] for each in shown(tmp_path, "--server")] == ["Unauthenticated"] * 2
    assert SECRET not in audit(tmp_path, "show").stdout
    assert "x" * 43 not in audit(tmp_path, "show").stdout
    checked = audit(tmp_path, "verify")
    assert checked.returncode == 0
    assert "acme  whole: records 1 to 4" in checked.stdout


async def test_killed_a_server_loses_its_last_moment_at_most_and_no_denial(
    tmp_path: Path, issuer: Issuer
) -> None:
    with http_server(tmp_path, **issuer.settings(tmp_path)) as server:
        await do_things(server, issuer)
        server.process.kill()
        server.process.wait(timeout=30)
        assert ("run_job", "denied") in {
            (each["operation"], each["outcome"]) for each in shown(tmp_path)
        }
    assert audit(tmp_path, "verify").returncode == 0


async def test_the_newest_records_are_a_resource_for_administrators_alone(
    tmp_path: Path, issuer: Issuer
) -> None:
    with http_server(tmp_path, **issuer.settings(tmp_path)) as server:
        await do_things(server, issuer)
        ends_at = time.monotonic() + 30
        while len(shown(tmp_path, "--tenant", "acme")) < 4:
            assert time.monotonic() < ends_at
        async with connected(server, issuer.token()) as client:
            listed = [str(each.uri) for each in (await client.list_resources()).resources]
            [content] = (await client.read_resource("lake://audit")).contents
        assert "lake://audit" in listed
        assert isinstance(content, TextResourceContents)
        told = [(each["operation"], each["outcome"]) for each in json.loads(unmarked(content.text))]
        assert told[-4:] == [
            ("run_job", "denied"),
            ("query_dataset", "failed"),
            ("query_dataset", "ok"),
            ("ingest_dataset", "ok"),
        ]
        async with connected(server, issuer.token(scope="lake:read")) as client:
            listed = [str(each.uri) for each in (await client.list_resources()).resources]
            with pytest.raises(MCPError, match="lake:admin"):
                await client.read_resource("lake://audit")
        assert "lake://audit" not in listed


async def test_a_running_server_writes_within_moments(tmp_path: Path, issuer: Issuer) -> None:
    with http_server(tmp_path, **issuer.settings(tmp_path)) as server:
        async with connected(server, issuer.token()) as client:
            await client.call_tool("list_assets", {})
        ends_at = time.monotonic() + 30
        while not shown(tmp_path, "--tenant", "acme"):
            assert time.monotonic() < ends_at


@pytest.mark.parametrize("recorded", [True, False])
async def test_over_stdio_operations_are_recorded_where_that_is_wanted(
    tmp_path: Path, recorded: bool
) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "servicetsunami", "serve"],
        env={
            **os.environ,
            "SERVICETSUNAMI_DATA_DIR": str(tmp_path / "data"),
            **({"SERVICETSUNAMI_AUDIT": "true"} if recorded else {}),
        },
    )
    async with Client(server) as client:
        await client.call_tool("list_assets", {})
    found = [(each["tenant"], each["operation"]) for each in shown(tmp_path)]
    assert found == ([("local", "list_assets")] if recorded else [])


def test_a_time_that_is_none_is_told(tmp_path: Path) -> None:
    answer = audit(tmp_path, "show", "--since", "yesterday")
    assert answer.returncode == 2
    assert "is no time" in answer.stderr
    assert "Nothing is recorded yet" in audit(tmp_path, "verify").stdout
    assert audit(tmp_path, "verify", "--known", "f" * 64).returncode == 1


def test_an_error_at_the_start_shows_no_password(tmp_path: Path) -> None:
    settings = {
        **os.environ,
        "SERVICETSUNAMI_DATA_DIR": str(tmp_path / "data"),
        "SERVICETSUNAMI_DATABASE_URL": "postgresql+asyncpg://lake:hunter22@127.0.0.1:1/x",
    }
    done = run("audit", "verify", env=settings)
    assert done.returncode == 2
    assert "127.0.0.1" in done.stderr
    assert "hunter22" not in done.stderr
