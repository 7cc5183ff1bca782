"""Every form that an error has on the wire becomes the error that somebody can act on."""

import json

import httpx
import pytest

from servicetsunami.errors import (
    RemoteConflict,
    RemoteDenied,
    RemoteError,
    RemoteNotFound,
    RemoteRefused,
    RemoteUnauthenticated,
    RemoteUnavailable,
)
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.replies import Said, error_of, json_of, read_error, understood
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.sql_errors import statement_error

SAID = [
    (b"", Said("", "404 Not Found")),
    (b'{"error_code":"X_Y","message":"words"}', Said("X_Y", "words")),
    (b'{"message":"only words"}', Said("", "only words")),
    (b'{"error":"of API 1.2"}', Said("", "of API 1.2")),
    (b'{"error":{"message":"deep"}}', Said("", "deep")),
    (b'{"detail":"of SCIM","status":"404","scimType":"noTarget"}', Said("noTarget", "of SCIM")),
    (b'{"error_code":403,"message":"Invalid access token."}', Said("403", "Invalid access token.")),
    (b"QUOTA_EXCEEDED: too many", Said("QUOTA_EXCEEDED", "too many")),
    (b"plain words", Said("", "plain words")),
    (b"<html><title>502 Bad  Gateway</title></html>", Said("", "502 Bad Gateway")),
    (b"<html><pre>the reason &amp; more</pre></html>", Said("", "the reason & more")),
    (b"<html></html>", Said("", "404 Not Found")),
    (b"[1]", Said("", "[1]")),
]


@pytest.mark.parametrize(("body", "said"), SAID, ids=str)
def test_the_words_and_the_code_are_found(body: bytes, said: Said) -> None:
    assert read_error(404, "Not Found", body) == said


KINDS: list[tuple[int, object, str, type[RemoteError]]] = [
    (400, "INVALID_PARAMETER_VALUE", "Run 1 does not exist.", RemoteNotFound),
    (400, "INVALID_PARAMETER_VALUE", "no", RemoteRefused),
    (400, "RESOURCE_ALREADY_EXISTS", "there", RemoteConflict),
    (400, "SCHEMA_ALREADY_EXISTS", "there", RemoteConflict),
    (401, "UNAUTHENTICATED", "who", RemoteUnauthenticated),
    (403, "PERMISSION_DENIED", "no grant", RemoteDenied),
    (403, 403, "Invalid access token. [ReqId: 1]", RemoteUnauthenticated),
    (403, "PERMISSION_DENIED", "The token is expired", RemoteUnauthenticated),
    (404, "RESOURCE_DOES_NOT_EXIST", "gone", RemoteNotFound),
    (404, "", "gone", RemoteNotFound),
    (409, "ALREADY_EXISTS", "there", RemoteConflict),
    (409, "ABORTED", "busy", RemoteConflict),
    (412, "", "precondition", RemoteConflict),
    (429, "RESOURCE_EXHAUSTED", "slow", RemoteUnavailable),
    (500, "INTERNAL_ERROR", "oops", RemoteUnavailable),
    (501, "", "never", RemoteUnavailable),
    (503, "TEMPORARILY_UNAVAILABLE", "later", RemoteUnavailable),
    (418, "", "teapot", RemoteRefused),
    # The code wins, whatever the status is.
    (500, "RESOURCE_DOES_NOT_EXIST", "gone", RemoteNotFound),
    (400, "PERMISSION_DENIED", "no grant", RemoteDenied),
    (400, "ABORTED", "busy", RemoteConflict),
    (400, "REQUEST_LIMIT_EXCEEDED", "slow", RemoteUnavailable),
    (404, "CATALOG_DOES_NOT_EXIST", "gone", RemoteNotFound),
    (400, "QUOTA_EXCEEDED", "too many", RemoteRefused),
    (400, "DIRECTORY_NOT_EMPTY", "not empty", RemoteRefused),
    (504, "DEADLINE_EXCEEDED", "late", RemoteUnavailable),
    # Without one that is known, the status.
    (401, "", "who", RemoteUnauthenticated),
    (403, "", "no grant", RemoteDenied),
    (403, 403, "Token is expiring within 30 seconds", RemoteUnauthenticated),
    (409, "SOMETHING_NEW", "busy", RemoteConflict),
    (429, "", "slow", RemoteUnavailable),
    (502, "", "gateway", RemoteUnavailable),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), KINDS, ids=str)
def test_the_code_goes_before_the_status(
    status: int, code: object, message: str, kind: type[RemoteError]
) -> None:
    body = json.dumps({"error_code": code, "message": message}).encode()

    error = error_of(status, read_error(status, "", body), "GET /x")

    assert type(error) is kind
    assert message.rstrip(".") in error.what
    assert error.next_step


def test_a_page_instead_of_json_means_not_signed_in_and_half_an_answer_means_away() -> None:
    assert json_of(b"", "application/json", "GET /x") == {}
    with pytest.raises(RemoteUnauthenticated):
        json_of(b"<html>Sign in</html>", "text/html", "GET /x")
    with pytest.raises(RemoteUnavailable):
        json_of(b'{"a": ', "application/json", "GET /x")
    with pytest.raises(RemoteRefused):
        json_of(b"[]", "application/json", "GET /x")


@pytest.mark.parametrize(
    ("code", "message", "kind", "name"),
    [
        ("BAD_REQUEST", "[TABLE_OR_VIEW_NOT_FOUND] x", RemoteNotFound, "TABLE_OR_VIEW_NOT_FOUND"),
        ("BAD_REQUEST", "[INSUFFICIENT_PERMISSIONS] x", RemoteDenied, "INSUFFICIENT_PERMISSIONS"),
        ("BAD_REQUEST", "[DELTA_CONCURRENT_APPEND] x", RemoteConflict, "DELTA_CONCURRENT_APPEND"),
        (
            "BAD_REQUEST",
            "[COPY_INTO_DUPLICATED_FILES_COPY_NOT_ALLOWED] x",
            RemoteConflict,
            "COPY_INTO_DUPLICATED_FILES_COPY_NOT_ALLOWED",
        ),
        ("BAD_REQUEST", "[PARSE_SYNTAX_ERROR] x", RemoteRefused, "PARSE_SYNTAX_ERROR"),
        ("TEMPORARILY_UNAVAILABLE", "later", RemoteUnavailable, "TEMPORARILY_UNAVAILABLE"),
        ("ABORTED", "busy", RemoteConflict, "ABORTED"),
        ("CANCELLED", "", RemoteConflict, "CANCELLED"),
    ],
)
def test_a_failed_statement_is_told_by_its_error_class(
    code: str, message: str, kind: type[RemoteError], name: str
) -> None:
    error = statement_error(code, message)

    assert (type(error), error.code) == (kind, name)


@pytest.mark.parametrize("wrong", [{}, {"a": None}, {"a": ["x"]}, {"a": {}}], ids=str)
def test_an_answer_that_lacks_something_means_away(wrong: dict) -> None:
    with pytest.raises(RemoteUnavailable, match="GET /x: the answer lacks"), understood("GET /x"):
        int(wrong["a"]["b"])


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (
            httpx.Response(302, headers={"Location": "/login.html?error=private-link"}),
            RemoteRefused,
            "private links",
        ),
        (httpx.Response(200, html="<html>Sign in</html>"), RemoteUnauthenticated, "web page"),
        (httpx.Response(200, text='{"half": '), RemoteUnavailable, "not complete"),
        (httpx.Response(200, json=[1]), RemoteRefused, "not an object"),
        (httpx.Response(200, content=b" " * (64 * 2**20 + 1)), RemoteRefused, "too long"),
        (httpx.Response(404, text="NOT_FOUND: gone"), RemoteNotFound, "404: gone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_answer_on_the_wire_becomes_the_error_that_it_stands_for(
    response: httpx.Response, kind: type[RemoteError], words: str
) -> None:
    given = Given(host="http://workspace", token="t")
    config = resolve(given, requests_per_s=1000, user_agent="test")
    transport = httpx.MockTransport(lambda _: response)
    async with httpx.AsyncClient(base_url=config.host, transport=transport) as http:
        client = WorkspaceClient(config, http, rng=lambda: 0.0)
        with pytest.raises(kind, match=words) as caught:
            await client.send("GET", "/x", replay=Replay.SAFE)

    assert type(caught.value) is kind
