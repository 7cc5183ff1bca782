"""What is too much is refused at the door, in words for a model, over every transport."""

from collections.abc import Iterator

import httpx
import pytest

from tests.hosted.issuing import Issuer
from tests.hosted.serving import WAYS, HttpServer, Way, connected, http_server
from tests.hosted.test_observing import TOKEN, scraped
from tests.hosted.test_sessions import CALL, HELLO, headers_of
from tests.server.asking import call, failure

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[HttpServer]:
    """It takes two calls of a subject within a minute."""
    folder = tmp_path_factory.mktemp("tight")
    tight = {
        "SERVICETSUNAMI_CALLS_PER_MINUTE_OF_SUBJECT": "2",
        "SERVICETSUNAMI_METRICS_TOKEN": TOKEN,
    }
    with http_server(folder, **issuer.settings(folder), **tight) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
async def test_a_model_reads_when_to_call_again(
    server: HttpServer, issuer: Issuer, way: Way
) -> None:
    key = ("servicetsunami_operations_total", "door=mcp", "operation=get_run", "outcome=limited")
    before = scraped(server).get(key, 0)
    async with connected(server, issuer.token(sub=way.replace(" ", "-")), way) as client:
        for _ in range(2):
            await call(client, "list_assets")
        said = await failure(client, "get_run")

    assert said.startswith("This subject has made 2 calls within a minute. Call again after")
    assert scraped(server)[key] == before + 1


def test_a_machine_reads_when_to_call_again(server: HttpServer, issuer: Issuer) -> None:
    headers = headers_of(issuer.token(sub="machine"))
    opened = server.post("/mcp", json=HELLO, headers=headers)
    headers["Mcp-Session-Id"] = opened.headers["mcp-session-id"]
    answers = [server.post("/mcp", json=CALL, headers=headers) for _ in range(3)]

    assert "retry-after" not in answers[1].headers
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert answers[2].json()["id"] == CALL["id"]


def test_listing_the_tools_is_never_too_much(server: HttpServer, issuer: Issuer) -> None:
    headers = headers_of(issuer.token(sub="lister"))
    opened = server.post("/mcp", json=HELLO, headers=headers)
    headers["Mcp-Session-Id"] = opened.headers["mcp-session-id"]
    asked = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}
    for _ in range(5):
        assert "list_assets" in server.post("/mcp", json=asked, headers=headers).text


async def test_a_refusal_goes_to_nobody_elses_stream(server: HttpServer, issuer: Issuer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        ada = {"Authorization": f"Bearer {issuer.token(sub='listener')}"}
        async with http.stream("GET", "/sse", headers=ada) as stream:
            told = (line[6:] async for line in stream.aiter_lines() if line.startswith("data: "))
            place = await anext(told)
            bob = {"Authorization": f"Bearer {issuer.token(sub='intruder')}"}
            answers = [await http.post(place, json=CALL, headers=bob) for _ in range(4)]
            own = await http.post(place, json=HELLO, headers=ada)
            first = await anext(told)

    assert {answer.status_code for answer in answers} == {404}
    assert own.status_code == 202
    assert "serverInfo" in first
