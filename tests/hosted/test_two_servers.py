"""Two servers on one PostgreSQL and one data directory: either may be killed at any moment."""

import os
import random
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from anyio import to_thread
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from tests.databases import PostgresqlServer
from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace
from tests.hosted.issuing import Issuer
from tests.hosted.serving import WAYS, HttpServer, connected, http_server
from tests.hosted.test_sessions import CALL, HELLO, headers_of
from tests.server.asking import ask, call

KILLS = int(os.environ.get("HOSTED_KILLS", "4"))
"""Each costs the start of a server."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.timeout(300 + 60 * KILLS),
]
GONE = (httpx2.HTTPError, httpx.HTTPError, MCPError, ExceptionGroup, anyio.ClosedResourceError)
"""What a client sees of a server that is killed."""


class Pair:
    """Two servers; one that was killed can be started again."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings | {"SERVICETSUNAMI_DATA_DIR": str(folder / "data")}
        self._starts = 0
        self._closing = ExitStack()
        self.servers: list[HttpServer] = [self.start(), self.start()]

    def start(self) -> HttpServer:
        self._starts += 1
        folder = self._folder / str(self._starts)
        folder.mkdir()
        return self._closing.enter_context(http_server(folder, **self._settings))

    def kill(self, number: int) -> None:
        self.servers[number].process.send_signal(signal.SIGKILL)
        self.servers[number].process.wait(timeout=30)

    def close(self) -> None:
        self._closing.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
async def pair(
    tmp_path: Path, workspace: FakeWorkspace, issuer: Issuer, postgresql_server: PostgresqlServer
) -> AsyncIterator[Pair]:
    short = {"SERVICETSUNAMI_RUN_LEASE_S": "2", "SERVICETSUNAMI_SYNC_LEASE_S": "1"}
    async with postgresql_server.fresh_database() as url:
        database = {"SERVICETSUNAMI_DATABASE_URL": url}
        made = Pair(
            tmp_path, **issuer.settings(tmp_path), **environment(workspace), **short, **database
        )
        try:
            yield made
        finally:
            await to_thread.run_sync(made.close)


class Writer:
    """Appends numbers, each once, at whichever server answers; remembers which were told to be in.

    A number whose answer never came may be in or not: it is not sent again.
    """

    def __init__(self, pair: Pair, issuer: Issuer, chance: random.Random) -> None:
        self._pair = pair
        self._issuer = issuer
        self._chance = chance
        self._next = 0
        self.acknowledged: set[int] = set()
        self.failures = 0

    async def write(self, *, until: int) -> None:
        """Go on until so many are acknowledged."""
        at = self._chance.randrange(2)
        while len(self.acknowledged) < until:
            try:
                async with connected(
                    self._pair.servers[at], self._issuer.token(), self._chance.choice(WAYS)
                ) as client:
                    while len(self.acknowledged) < until:
                        self._next += 1
                        row = {"n": self._next}
                        with anyio.fail_after(30):
                            await call(
                                client, "ingest_dataset", source=[row], name="t", mode="append"
                            )
                        self.acknowledged.add(row["n"])
            except (*GONE, TimeoutError):
                self.failures += 1
                at = 1 - at


@asynccontextmanager
async def client_of(server: HttpServer, issuer: Issuer) -> AsyncGenerator[Client]:
    async with connected(server, issuer.token()) as client:
        yield client


async def until_all_is_sent(client: Client) -> None:
    await call(client, "manage_sync", action="retry")
    with anyio.fail_after(90):
        while True:
            status = await call(client, "sync_status")
            assert status["parked"] == 0, status
            if not status["waiting"]:
                return


async def test_nothing_acknowledged_is_lost_and_the_outbox_goes_on(
    pair: Pair, workspace: FakeWorkspace, issuer: Issuer
) -> None:
    chance = random.Random(7)
    writer = Writer(pair, issuer, chance)
    async with client_of(pair.servers[0], issuer) as client:
        await call(client, "ingest_dataset", source=[{"n": 0}], name="t")

    for kill in range(KILLS):
        victim = kill % 2
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(partial(writer.write, until=8 * (kill + 1)))
            await reached(writer, 8 * kill + chance.randrange(1, 6))
            pair.kill(victim)
        pair.servers[victim] = await to_thread.run_sync(pair.start)
    pair.kill(0)

    async with client_of(pair.servers[1], issuer) as client:
        found = [n for [n] in await ask(client, "SELECT n FROM t ORDER BY n", max_rows=1000)]
        await until_all_is_sent(client)
    assert writer.failures >= 1
    assert writer.acknowledged <= set(found)
    assert len(found) == len(set(found))
    assert workspace.rows("servicetsunami_acme.default.t") == [(n,) for n in found]


async def reached(writer: Writer, count: int) -> None:
    with anyio.fail_after(120):
        while len(writer.acknowledged) < count:
            await anyio.lowlevel.checkpoint()


JOB: dict[str, Any] = {
    "name": "chain",
    "tasks": [
        {
            "task_key": f"t{n}",
            "depends_on": [f"t{n - 1}"] if n else [],
            "sql_task": {"statement": f"INSERT INTO log SELECT 't{n}'"},
        }
        for n in range(8)
    ],
}


async def test_a_run_goes_on_at_the_other_server(pair: Pair, issuer: Issuer) -> None:
    async with client_of(pair.servers[1], issuer) as client:
        await call(client, "ingest_dataset", source=[{"task": "none"}], name="log")
        await call(client, "create_job", **JOB)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begin, pair.servers[0], issuer)
            with anyio.fail_after(60):
                while not (runs := (await call(client, "get_run", name="chain"))["runs"]):
                    await anyio.lowlevel.checkpoint()
            pair.kill(0)
        with anyio.fail_after(90):
            while True:
                run_id = runs[0]["run_id"]
                found = (await call(client, "get_run", run_id=run_id, wait=False))["run"]
                if found["state"] != "RUNNING":
                    break
        rows = await ask(client, "SELECT task FROM log WHERE task <> 'none' ORDER BY task")

    assert found["state"] == "SUCCESS"
    assert rows == [[f"t{n}"] for n in range(8)]


async def begin(server: HttpServer, issuer: Issuer) -> None:
    """Run the job at a server that will not live to answer."""
    try:
        async with client_of(server, issuer) as client:
            await call(client, "run_job", name="chain")
    except GONE:
        return


async def test_a_session_of_a_killed_server_is_opened_anew_at_the_other(
    pair: Pair, issuer: Issuer
) -> None:
    headers = headers_of(issuer.token())
    async with httpx.AsyncClient(headers=headers, timeout=60) as http:
        opened = await http.post(f"{pair.servers[0].url}/mcp", json=HELLO)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        pair.kill(0)
        with pytest.raises(httpx.TransportError):
            await http.post(f"{pair.servers[0].url}/mcp", json=CALL, headers=session)

        # 404 is what has a client greet again, as the protocol says.
        there = f"{pair.servers[1].url}/mcp"
        assert (await http.post(there, json=CALL, headers=session)).status_code == 404
        anew = await http.post(there, json=HELLO)
        session = {"Mcp-Session-Id": anew.headers["mcp-session-id"]}
        assert (await http.post(there, json=CALL, headers=session)).status_code == 200
