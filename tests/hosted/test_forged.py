"""Tokens that nobody may get in with, and those that do."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from jwt.algorithms import RSAAlgorithm

from tests.hosted.issuing import AUDIENCE, ISSUER, Issuer, claims_of
from tests.hosted.serving import HttpServer
from tests.hosted.test_sessions import HELLO, headers_of

pytestmark = pytest.mark.slow

_LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
_HEADERS = {"Accept": "application/json, text/event-stream"}


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed_by_hand(header: dict, secret: bytes) -> str:
    """What no library would make: HS256 with whatever is at hand as the secret."""
    text = f"{_part(header)}.{_part(claims_of())}"
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _with_changed_tenant(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{_part(claims_of('other'))}.{signature}"


def _embedding_its_key(issuer: Issuer) -> str:
    public = RSAAlgorithm.to_jwk(issuer.stranger.public_key())
    return issuer.token(key=issuer.stranger, headers={"jwk": json.loads(public)})


LEEWAY_S = 10


def now() -> int:
    return int(time.time())


FORGED: dict[str, Callable[[Issuer], str]] = {
    "alg none": lambda _: f"{_part({'alg': 'none'})}.{_part(claims_of())}.",
    "alg None, as some once took it": lambda _: f"{_part({'alg': 'nOnE'})}.{_part(claims_of())}.",
    "no signature": lambda i: i.token().rpartition(".")[0] + ".",
    "changed after it was signed": _with_changed_tenant,
    "another's key": lambda i: i.token(key=i.stranger),
    "another's key, embedded": _embedding_its_key,
    "another's key, by address": lambda i: i.token(
        key=i.stranger, headers={"kid": "one", "jku": "https://evil.example.com/jwks.json"}
    ),
    "HS256 with the public key": lambda i: _signed_by_hand(
        {"alg": "HS256", "kid": "one"}, i.public_pem()
    ),
    "HS256 with nothing": lambda _: _signed_by_hand({"alg": "HS256", "kid": "one"}, b""),
    "RS512, which is not ours": lambda i: i.token(algorithm="RS512"),
    "RS256 under the id of the curve": lambda i: i.token(headers={"kid": "two"}),
    "an unknown key id": lambda i: i.token(headers={"kid": "three"}),
    "a list as key id": lambda i: _signed_by_hand({"alg": "HS256", "kid": ["one"]}, i.public_pem()),
    "a number as key id": lambda i: _signed_by_hand({"alg": "HS256", "kid": 1}, i.public_pem()),
    "no algorithm": lambda i: _signed_by_hand({"kid": "one"}, i.public_pem()),
    "a list of algorithms": lambda i: _signed_by_hand(
        {"alg": ["HS256", "none"], "kid": "one"}, i.public_pem()
    ),
    "HS512 with the public key": lambda i: _signed_by_hand(
        {"alg": "HS512", "kid": "one"}, i.public_pem()
    ),
    "HS256 with the key as the issuer publishes it": lambda i: _signed_by_hand(
        {"alg": "HS256", "kid": "one"},
        json.dumps(RSAAlgorithm.to_jwk(i.key.public_key(), as_dict=True)).encode(),
    ),
    "a signature of zeros on the curve": lambda _: ".".join(
        [_part({"alg": "ES256", "kid": "two"}), _part(claims_of()), "A" * 86]
    ),
    "encrypted rather than signed": lambda _: f"{_part({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}....",
    "another's key, by certificate": lambda i: i.token(
        key=i.stranger, headers={"kid": "one", "x5u": "https://evil.example.com/c.pem", "x5c": []}
    ),
    "no key id where there are several": lambda i: i.token(headers={}),
    "a path as key id": lambda _: _signed_by_hand(
        {"alg": "HS256", "kid": "../../../../dev/null"}, b""
    ),
    "SQL as key id": lambda i: i.token(headers={"kid": "x' UNION SELECT 'one"}),
    "expired": lambda i: i.token(exp=now() - 60),
    "expired, and the leeway too": lambda i: i.token(exp=now() - LEEWAY_S - 1),
    "expired before the year 1": lambda i: i.token(exp=-(10**18)),
    "an end that no clock reaches": lambda i: i.token(exp=float("inf")),
    "not yet in force": lambda i: i.token(nbf=now() + 60),
    "issued in the future": lambda i: i.token(iat=now() + 60),
    "never ending": lambda i: i.token(without="exp"),
    "an end that is no number": lambda i: i.token(exp="never"),
    "for another server": lambda i: i.token(aud="https://other.example.com"),
    "for a path below this server": lambda i: i.token(aud=f"{AUDIENCE}/"),
    "for this server in other letters": lambda i: i.token(aud=AUDIENCE.upper()),
    "for others only": lambda i: i.token(aud=["a", "b"]),
    "of the issuer with a slash": lambda i: i.token(iss=f"{ISSUER}/"),
    "for nobody": lambda i: i.token(without="aud"),
    "of another issuer": lambda i: i.token(iss="https://id.example.com.evil.example"),
    "of no issuer": lambda i: i.token(without="iss"),
    "without a subject": lambda i: i.token(without="sub"),
    "an empty subject": lambda i: i.token(sub=""),
    "a subject of two lines": lambda i: i.token(sub="ada\nbob"),
    "no tenant": lambda i: i.token(without="org"),
    "a list of tenants": lambda i: i.token(["acme", "other"]),
    "a tenant that is a path": lambda i: i.token("../other"),
    "a tenant in capitals": lambda i: i.token("ACME"),
    "a tenant of another alphabet": lambda i: i.token("\u0430cme"),
    "a tenant with a line end": lambda i: i.token("acme\n"),
    "a critical extension": lambda i: i.token(headers={"kid": "one", "crit": ["x"], "x": 1}),
    "too long": lambda i: i.token(more="x" * 10_000),
    "no token at all": lambda _: "hello",
    "an API key that was never made": lambda _: "st_" + "A" * 43,
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_lets_nobody_in(http: httpx.Client, issuer: Issuer, name: str) -> None:
    headers = _HEADERS | {"Authorization": f"Bearer {FORGED[name](issuer)}"}

    for path in ("/mcp", "/messages/?session_id=" + "0" * 32):
        answer = http.post(path, json=_LIST, headers=headers)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert http.get("/sse", headers=headers).status_code == 401


def test_the_tokens_that_forged_ones_are_made_of_are_good(
    http: httpx.Client, issuer: Issuer
) -> None:
    with_curve = issuer.token(key=issuer.curve, algorithm="ES256", headers={"kid": "two"})
    for token in (issuer.token(), with_curve, issuer.token(aud=["x", claims_of()["aud"]])):
        headers = _HEADERS | {"Authorization": f"Bearer {token}"}

        # The protocol's own refusal: it was let in.
        assert http.post("/mcp", json=_LIST, headers=headers).status_code == 400


WITHOUT = (
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic YWRhOmFkYQ=="},
    {"Authorization": "Bearer one two"},
    {"X-API-Key": ""},
    {"X-API-Key": "st_nothing"},
)
PATHS = (
    *("/mcp", "/mcp/", "/sse", "/messages/", "/", "/docs", "/healthz/", "/readyz/x"),
    *("/%2e/healthz", "/.well-known/other", "/.well-known/oauth-protected-resource/other"),
    "/api/v1/anything",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PUT", "HEAD"])
def test_every_route_asks_for_a_credential(
    server: HttpServer, http: httpx.Client, path: str, method: str
) -> None:
    where = f"{server.url}/.well-known/oauth-protected-resource/mcp"
    for headers in WITHOUT:
        answer = http.request(method, path, headers=headers)

        assert answer.status_code == 401
        assert f'resource_metadata="{where}"' in answer.headers["www-authenticate"]


def test_a_good_token_counts_only_where_and_as_it_belongs(
    http: httpx.Client, issuer: Issuer
) -> None:
    good = issuer.token()
    for value in (
        *(good, f"Bearer\t{good}", f"Bearer{good}", f"Bearer {good} x", f"Bearer {good},"),
        *(f"Bearer x, Bearer {good}", f"Bearer {good}, Bearer x", f'Bearer "{good}"'),
        *(f"Token {good}", f"Basic {good}", f"Bearer Bearer {good}", f"Bearer {good}\x00"),
    ):
        with suppress(httpx.LocalProtocolError):  # What httpx refuses to send reaches nobody.
            sent = httpx.Headers({**_HEADERS, "Authorization": value})
            answer = http.post("/mcp", json=_LIST, headers=sent)
            assert answer.status_code in {400, 401}, value
            assert "Missing session" not in answer.text
    for where in ("access_token", "token", "api_key", "authorization"):
        assert http.post("/mcp", json=_LIST, params={where: good}).status_code == 401
        cookie = {"Cookie": f"{where}={good}"}
        assert http.post("/mcp", json=_LIST, headers=cookie).status_code == 401
        assert http.post("/mcp", data={where: good}).status_code == 401


def test_nothing_but_the_credential_names_the_tenant(http: httpx.Client, issuer: Issuer) -> None:
    hello = {"name": "list_assets", "arguments": {}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": hello}
    other = {"X-Tenant": "other", "X-Tenant-Id": "other", "X-Forwarded-User": "other"}
    headers = _HEADERS | other | {"Authorization": f"Bearer {issuer.token('mine')}"}
    theirs = {"source": [{"a": 1}], "name": "theirs"}
    filling = asked | {"params": {"name": "ingest_dataset", "arguments": theirs}}
    owner = headers_of(issuer.token("other"))
    session = http.post("/mcp", json=HELLO, headers=owner).headers["mcp-session-id"]
    filled = http.post("/mcp", json=filling, headers=owner | {"Mcp-Session-Id": session})
    assert '"row_count":1' in filled.text.replace("\\", "")

    opened = http.post("/mcp?tenant=other", json=HELLO, headers=headers)
    own = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}

    answer = http.post("/mcp?tenant=other", json=asked, headers=headers | own)

    assert answer.status_code == 200
    assert '"total":0' in answer.text.replace("\\", "")


def test_two_credentials_are_none(http: httpx.Client, issuer: Issuer) -> None:
    good = issuer.token()
    twice = [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")]
    both = [("Authorization", f"Bearer {good}"), ("X-API-Key", good)]

    for headers in (twice, both):
        assert http.get("/mcp", headers=headers).status_code == 401


def test_the_metadata_says_who_makes_tokens(server: HttpServer, http: httpx.Client) -> None:
    root = http.get("/.well-known/oauth-protected-resource")
    of_mcp = http.get("/.well-known/oauth-protected-resource/mcp")

    assert root.json() == of_mcp.json()
    assert root.json()["authorization_servers"] == ["https://id.example.com"]
    assert root.json()["resource"] == f"{server.url}/mcp"
    assert "lake:read" in root.json()["scopes_supported"]
