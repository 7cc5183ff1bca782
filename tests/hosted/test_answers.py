"""A request over Streamable HTTP is answered at once where it can be, else over a stream."""

import json
from typing import Any

import httpx
import pytest

from tests.hosted.issuing import Issuer
from tests.hosted.test_sessions import CALL, HELLO, headers_of
from tests.hosted.test_transports import ENDLESS
from tests.server.test_progress import SLOW

pytestmark = pytest.mark.slow


@pytest.fixture
def headers(http: httpx.Client, issuer: Issuer) -> dict[str, str]:
    """Of a session that is open."""
    own = headers_of(issuer.token())
    opened = http.post("/mcp", json=HELLO, headers=own)
    return {**own, "Mcp-Session-Id": opened.headers["mcp-session-id"]}


def query(sql: str, **meta: str) -> dict[str, Any]:
    params = {"name": "query_dataset", "arguments": {"sql": sql, "timeout_s": 3}, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


def events_in(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def test_what_is_soon_done_is_one_json_answer(http: httpx.Client, headers: dict[str, str]) -> None:
    answer = http.post("/mcp", json=CALL, headers=headers)

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["mcp-session-id"] == headers["Mcp-Session-Id"]
    assert answer.json()["id"] == CALL["id"]
    assert not answer.json()["result"]["isError"]


def test_progress_opens_a_stream_that_ends_with_the_answer(
    http: httpx.Client, headers: dict[str, str]
) -> None:
    *told, last = events_in(http.post("/mcp", json=query(SLOW, progressToken="p"), headers=headers))

    assert told
    assert all(each["params"]["progressToken"] == "p" for each in told)
    assert last["id"] == 7
    assert "result" in last


def test_a_long_silence_opens_one_too(http: httpx.Client, headers: dict[str, str]) -> None:
    [answer] = events_in(http.post("/mcp", json=query(ENDLESS), headers=headers))

    assert answer["id"] == 7


def test_a_stream_ends_with_its_session(http: httpx.Client, headers: dict[str, str]) -> None:
    with http.stream("POST", "/mcp", json=query(ENDLESS), headers=headers) as answer:
        ended = http.request("DELETE", "/mcp", headers=headers)
        answer.read()

    assert ended.status_code == 200
    assert events_in(answer) == []
    assert http.post("/mcp", json=CALL, headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("named", "status"),
    [({"Accept": "application/json"}, 406), ({"Content-Type": "text/plain"}, 400)],
)
def test_a_head_that_is_not_in_order_is_refused(
    http: httpx.Client, headers: dict[str, str], named: dict[str, str], status: int
) -> None:
    refused = http.post("/mcp", json=CALL, headers={**headers, **named})

    assert refused.status_code == status
