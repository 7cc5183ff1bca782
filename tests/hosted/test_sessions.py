"""A session belongs to who opened it: for everybody else there is none of that id."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer
from tests.server.processes import PROTOCOL

pytestmark = pytest.mark.slow

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_assets"}}


def headers_of(token: str, **more: str) -> dict[str, str]:
    of_all = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return {"Authorization": f"Bearer {token}", **of_all, **more}


def others(issuer: Issuer) -> list[str]:
    """Another tenant's, another subject's; the tenant of the first, spelt as the second's."""
    return [
        issuer.token("other"),
        issuer.token("acme", sub="bob"),
        issuer.token("other", sub="acme"),
        issuer.token("ada", sub="acme"),
    ]


def seen(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    own = {"date", "x-request-id"}
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_foreign_session_is_an_unknown_one(
    http: httpx.Client, issuer: Issuer, method: str
) -> None:
    own = issuer.token()
    opened = http.post("/mcp", json=HELLO, headers=headers_of(own))
    session = opened.headers["mcp-session-id"]
    body = json.dumps(CALL).encode() if method == "POST" else b""

    for token in others(issuer):
        foreign, unknown = (
            http.request(
                method, "/mcp", headers=headers_of(token, **{"Mcp-Session-Id": each}), content=body
            )
            for each in (session, "0" * 32)
        )
        assert foreign.status_code == 404
        assert seen(foreign) == seen(unknown)

    answered = http.post("/mcp", json=CALL, headers=headers_of(own, **{"Mcp-Session-Id": session}))
    assert '"catalog":"main"' in answered.text.replace("\\", "")


def test_a_foreign_sse_session_is_an_unknown_one(
    server: HttpServer, http: httpx.Client, issuer: Issuer
) -> None:
    own = issuer.token()
    with messages_of(server, own) as (endpoint, events):
        for token in others(issuer):
            foreign, unknown = (
                http.post(path, json=HELLO, headers=headers_of(token))
                for path in (endpoint, endpoint[:-32] + "0" * 32)
            )
            assert foreign.status_code == 404
            assert seen(foreign) == seen(unknown)

        assert http.post(endpoint, json=HELLO, headers=headers_of(own)).status_code == 202
        assert json.loads(next(events))["result"]["serverInfo"]["name"] == "servicetsunami"


@contextmanager
def messages_of(server: HttpServer, token: str) -> Generator[tuple[str, Iterator[str]]]:
    """Open a stream: where to post to, and what comes over it."""
    with httpx.stream("GET", f"{server.url}/sse", headers=headers_of(token)) as stream:
        data = (line[6:] for line in stream.iter_lines() if line.startswith("data: "))
        yield next(data), data


def test_two_session_ids_open_no_session_of_another(http: httpx.Client, issuer: Issuer) -> None:
    victim, own = (
        http.post("/mcp", json=HELLO, headers=headers_of(token)).headers["mcp-session-id"]
        for token in (issuer.token("victim"), issuer.token("thief"))
    )
    thief = headers_of(issuer.token("thief"))
    for pair in ((own, victim), (victim, own), (victim, victim)):
        twice = [*thief.items(), *(("Mcp-Session-Id", each) for each in pair)]
        ended = http.request("DELETE", "/mcp", headers=twice)
        assert ended.status_code in {200, 400, 404}

    # Whatever the thief has ended was its own.
    headers = headers_of(issuer.token("victim"), **{"Mcp-Session-Id": victim})
    assert http.post("/mcp", json=CALL, headers=headers).status_code == 200


def test_two_session_ids_post_nothing_into_another_s_stream(
    server: HttpServer, http: httpx.Client, issuer: Issuer
) -> None:
    with (
        messages_of(server, issuer.token("victim")) as (of_victim, heard),
        messages_of(server, issuer.token("thief")) as (of_thief, _),
    ):
        victim, own = of_victim[-32:], of_thief[-32:]
        thief = headers_of(issuer.token("thief"))
        for pair in ((own, victim), (victim, own), (victim, victim)):
            path = f"/messages/?session_id={pair[0]}&session_id={pair[1]}"
            answer = http.post(path, json=HELLO | {"id": 666}, headers=thief)
            assert answer.status_code in {202, 400, 404}
        http.post(of_victim, json=HELLO, headers=headers_of(issuer.token("victim")))
        # The first that it hears is the answer to its own.
        assert json.loads(next(heard))["id"] == HELLO["id"]


def test_a_session_goes_on_with_a_new_token_of_the_same_person(
    http: httpx.Client, issuer: Issuer
) -> None:
    opened = http.post("/mcp", json=HELLO, headers=headers_of(issuer.token()))
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}

    renewed = issuer.token(jti="another", scope="lake:read")
    answer = http.post("/mcp", json=CALL, headers=headers_of(renewed, **session))
    assert answer.status_code == 200

    # The scopes are those of this request's token, not of the one that opened the session.
    wanted = CALL | {"params": {"name": "delete_asset", "arguments": {"name": "x"}}}
    refused = http.post("/mcp", json=wanted, headers=headers_of(renewed, **session))
    assert refused.status_code == 403
    assert (
        'error="insufficient_scope", scope="lake:read lake:write"'
        in (refused.headers["www-authenticate"])
    )
