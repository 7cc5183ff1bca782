"""The official client over every way in: the same work, followed, stopped and ended in order."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import to_thread
from mcp.shared.exceptions import MCPError

from tests.hosted.issuing import Issuer
from tests.hosted.serving import WAYS, HttpServer, Way, connected, http_server
from tests.server.asking import ask, call, failure
from tests.server.test_progress import SLOW

pytestmark = pytest.mark.slow

ENDLESS = "SELECT sum(a.id * b.id * c.id) FROM range(100000) a, range(60000) b, range(9000) c"


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[HttpServer]:
    """For the one user of this machine; it answers one query at a time."""
    with http_server(tmp_path, SERVICETSUNAMI_QUERY_WORKERS="1") as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
async def test_the_main_job_is_done_over_every_transport(
    server: HttpServer, issuer: Issuer, way: Way
) -> None:
    name = f"t{WAYS.index(way)}"
    async with connected(server, issuer.token(), way) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert {"list_assets", "ingest_dataset", "manage_sync"} <= tools
        ingested = await call(client, "ingest_dataset", source=[{"a": 1}, {"a": 2}], name=name)
        assert ingested["row_count"] == 2
        assert await ask(client, f"SELECT sum(a) FROM {name}") == [[3]]
        assert "No dataset is named" in await failure(client, "describe_asset", name="nothing")


@pytest.mark.parametrize("way", WAYS)
async def test_a_long_query_tells_how_far_it_is_over_every_transport(
    server: HttpServer, issuer: Issuer, way: Way
) -> None:
    seen = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with connected(server, issuer.token(), way) as client:
        asked = {"sql": SLOW, "timeout_s": 4}
        await client.call_tool("query_dataset", asked, progress_callback=note)

    assert seen
    assert all(total == 100 for _, total in seen)


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_cancelled_makes_room_for_the_next(
    small_server: HttpServer, way: Way
) -> None:
    async with connected(small_server, "nobody asks", way) as client:
        is_running = anyio.Event()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            is_running.set()

        async with anyio.create_task_group() as tasks:

            async def endless() -> None:
                asked = {"sql": ENDLESS, "timeout_s": 25}
                await client.call_tool("query_dataset", asked, progress_callback=note)

            tasks.start_soon(endless)
            await is_running.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(20):
            assert await ask(client, "SELECT 1") == [[1]]


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_asked_to_stop_lets_calls_end_and_takes_no_new_ones(
    small_server: HttpServer, way: Way
) -> None:
    is_running, answers = anyio.Event(), []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        is_running.set()

    async with connected(small_server, "nobody asks", way) as client, httpx.AsyncClient() as http:

        async def slow() -> None:
            asked = {"sql": ENDLESS, "timeout_s": 6}
            answers.append(await client.call_tool("query_dataset", asked, progress_callback=note))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow)
            await is_running.wait()
            small_server.process.terminate()
            await _until_stopping(http, small_server)
            refused = await http.post(f"{small_server.url}/mcp", json={})
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert (await http.get(f"{small_server.url}/healthz")).status_code == 200
            assert not answers

    [answer] = answers
    assert "6 s" in answer.content[0].text
    assert small_server.process.wait(timeout=30) == 0
    assert "Traceback" not in small_server.logged()


async def _until_stopping(http: httpx.AsyncClient, server: HttpServer) -> None:
    with anyio.fail_after(10):
        while (await http.get(f"{server.url}/readyz")).status_code != 503:
            await anyio.lowlevel.checkpoint()


async def test_a_call_that_takes_too_long_does_not_keep_a_server_that_is_to_stop(
    tmp_path: Path,
) -> None:
    is_running = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        is_running.set()

    with http_server(tmp_path, SERVICETSUNAMI_HTTP_DRAIN_S="1") as server:
        async with (
            connected(server, "nobody asks", "http, with a handshake") as client,
            anyio.create_task_group() as tasks,
        ):

            async def endless() -> None:
                asked = {"sql": ENDLESS, "timeout_s": 25}
                with pytest.raises(MCPError):
                    await client.call_tool("query_dataset", asked, progress_callback=note)

            tasks.start_soon(endless)
            await is_running.wait()
            server.process.terminate()
            code = await to_thread.run_sync(lambda: server.process.wait(timeout=30))

    assert code == 0


@pytest.mark.parametrize("path", ["/mcp", "/messages/?session_id=" + "0" * 32])
def test_a_request_that_is_too_long_is_refused(small_server: HttpServer, path: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield b" " * 2**20

    for body in (b" " * (5 * 2**20), pieces()):
        answer = small_server.post(path, content=body)

        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"Host": "evil.example.com"}, 421),
        ({"Host": "127.0.0.1.evil.example.com:80"}, 421),
        ({"Host": "localhost@evil.example.com"}, 421),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "http://localhost.evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_use_the_server(
    small_server: HttpServer, header: dict[str, str], status: int
) -> None:
    with small_server.client(headers=header) as http:
        for path in ("/mcp", "/sse", "/messages/", "/nothing"):
            assert http.post(path, json={}).status_code == status
            assert http.get(path).status_code == status
