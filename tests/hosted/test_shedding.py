"""A full server refuses calls unread, says so to whom it concerns, and serves all else."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client

from tests.hosted.issuing import Issuer
from tests.hosted.serving import WAYS, HttpServer, Way, connected, http_server
from tests.hosted.test_observing import TOKEN, scraped
from tests.hosted.test_sessions import CALL, HELLO, headers_of
from tests.hosted.test_slow_requests import drip, head
from tests.hosted.test_transports import ENDLESS
from tests.server.asking import failure

pytestmark = pytest.mark.slow

FULL = "This server has 1 calls in hand already. Call again after 1.0 s."
SHED = ("servicetsunami_calls_shed_total",)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[HttpServer]:
    """It has room for one call."""
    folder = tmp_path_factory.mktemp("narrow")
    narrow = {
        "SERVICETSUNAMI_CALLS_AT_ONCE_IN_ALL": "1",
        "SERVICETSUNAMI_HTTP_BODY_S": "1",
        "SERVICETSUNAMI_METRICS_TOKEN": TOKEN,
    }
    with http_server(folder, **issuer.settings(folder), **narrow) as running:
        yield running


@asynccontextmanager
async def filled(server: HttpServer, issuer: Issuer, way: Way = "sse") -> AsyncGenerator[None]:
    """Inside, a call of another tenant takes the one place; it is cancelled at the end."""
    is_running = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        is_running.set()

    asked = {"sql": ENDLESS, "timeout_s": 60}
    async with (
        connected(server, issuer.token("busy"), way) as client,
        anyio.create_task_group() as tasks,
    ):
        run = partial(client.call_tool, "query_dataset", asked, progress_callback=note)
        tasks.start_soon(run)
        await is_running.wait()
        yield
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_that_finds_no_room_is_told_to_come_again(
    server: HttpServer, issuer: Issuer, way: Way
) -> None:
    async with connected(server, issuer.token(), way) as client:
        async with filled(server, issuer, way):
            before = scraped(server).get(SHED, 0)
            assert await failure(client, "list_assets") == FULL
            # Only calls are refused, and a cancellation makes room for the next one.
            assert (await client.list_tools()).tools
            assert scraped(server)[SHED] == before + 1

        assert await until_let_in(client)


async def until_let_in(client: Client) -> Any:
    """What a call answers that is made until there is room for it."""
    with anyio.fail_after(20):
        while True:
            answer = await client.call_tool("list_assets", {})
            if not answer.is_error:
                return answer.structured_content


async def test_a_machine_reads_when_to_come_again(server: HttpServer, issuer: Issuer) -> None:
    headers = headers_of(issuer.token())
    async with filled(server, issuer), httpx.AsyncClient(base_url=server.url) as http:
        refused = await http.post("/mcp", json=CALL, headers=headers)
        unknown = await http.post("/mcp", json=CALL)

    assert refused.headers["retry-after"] == "1"
    assert refused.json()["id"] == CALL["id"]
    # Who shows no credential learns nothing but that one is needed.
    assert unknown.status_code == 401


async def test_a_stream_is_written_to_for_its_own_credential_alone(
    server: HttpServer, issuer: Issuer
) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        ada = headers_of(issuer.token(sub="ada"))
        async with http.stream("GET", "/sse", headers=ada) as stream:
            told = (line[6:] async for line in stream.aiter_lines() if line.startswith("data: "))
            place = await anext(told)
            async with filled(server, issuer):
                bob = headers_of(issuer.token(sub="bob"))
                forged = headers_of(issuer.token(sub="ada")[:-8] + "AAAAAAAA")
                answers = [
                    (await http.post(place, json=CALL, headers=who)).status_code
                    for who in (bob, forged, {})
                ]
                own = await http.post(place, json=HELLO, headers=ada)
                first = await anext(told)
                refused = await http.post(place, json=CALL, headers=ada)
                second = await anext(told)

    assert answers == [404, 401, 401]
    assert (own.status_code, refused.status_code) == (202, 202)
    assert "serverInfo" in first
    assert FULL in second


async def test_a_full_server_waits_for_no_slow_body_either(
    server: HttpServer, issuer: Issuer
) -> None:
    credential = f"Authorization: Bearer {issuer.token()}"
    begun = head("/mcp", credential, "Content-Type: application/json", "Content-Length: 1000")
    async with filled(server, issuer):
        heard, _ = await drip(server, begun + b"\r\n", b" ")

    assert heard.startswith(b"HTTP/1.1 408"), heard
