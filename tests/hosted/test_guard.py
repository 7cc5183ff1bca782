"""What the guard lets through, in front of an application that tells what it was asked."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import JSONRPCError, jsonrpc_message_adapter
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.caller import Scope as LakeScope
from servicetsunami.domain.identity import Identity
from servicetsunami.errors import Denied, RemoteUnavailable, Unauthenticated
from servicetsunami.transport.admission import Admission
from servicetsunami.transport.auth import Authenticator, LakeUser
from servicetsunami.transport.calls import CallsInHand
from servicetsunami.transport.guard import Guard
from servicetsunami.transport.limits import Limits
from servicetsunami.transport.resource_metadata import Resource

ADA = Identity(tenant="acme", subject="ada", issuer="test", scopes=frozenset({LakeScope.READ}))


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = (await request.body()).decode()
    user = scope.get("user")
    await JSONResponse({"body": body, "user": user and user.caller.tenant})(scope, receive, send)


def signing_in(outcome: Identity | Exception) -> Authenticator:
    """Takes `Bearer key`, and says what it is told to say."""

    async def identity(credential: str) -> Identity:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def admit(tenant: str) -> None:
        assert tenant == ADA.tenant

    def caller(found: Identity) -> Caller:
        return Caller(
            tenant=found.tenant, subject=found.subject, catalog="main", scopes=found.scopes
        )

    return Authenticator(
        key_identity=identity, is_key=bool, tokens=None, admit=admit, caller_of=caller
    )


def guarded(
    authenticator: Authenticator | None = None,
    admission: Admission | None = None,
    body_s: float = 30,
) -> ASGIApp:
    return Guard(
        echo,
        admission=admission or Admission(),
        security=TransportSecuritySettings(allowed_hosts=["here"]),
        body_bytes_max=1000,
        body_s=body_s,
        authenticator=authenticator,
        resource=Resource(url="http://here"),
    )


@asynccontextmanager
async def asking(app: ASGIApp) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": "Bearer key"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://here", headers=headers
    ) as client:
        yield client


async def test_without_credentials_everybody_is_the_local_user() -> None:
    async with asking(guarded()) as http:
        answer = await http.post("/mcp", content="hello")

    assert answer.json() == {"body": "hello", "user": None}


async def test_a_request_comes_through_whole_and_with_its_user() -> None:
    async with asking(guarded(signing_in(ADA))) as http:
        for body in ("", "hello", "[" * 900, json.dumps({"method": "tools/call"})):
            answer = await http.post("/mcp", content=body)
            assert answer.json() == {"body": body, "user": "acme"}
        assert (await http.get("/mcp")).json() == {"body": "", "user": "acme"}
        assert (await http.post("/mcp", content="x" * 1001)).status_code == 413


async def test_routes_of_rest_bound_bodies_and_check_scopes_themselves() -> None:
    body = json.dumps(calling("ingest_dataset")) + " " * 1000
    async with asking(guarded(signing_in(ADA))) as http:
        answer = await http.post("/api/v1/datasets", content=body)

    assert answer.json() == {"body": body, "user": "acme"}


@pytest.mark.parametrize(
    ("path", "user"),
    [
        ("/healthz", None),
        ("/readyz", None),
        ("/.well-known/oauth-protected-resource", None),
        ("/.well-known/oauth-protected-resource/mcp", None),
        ("/dashboard", None),
        ("/dashboard/", None),
        ("/dashboard/data", "acme"),
        ("/dashboards", "acme"),
        ("/mcp", "acme"),
    ],
)
async def test_only_health_well_known_and_the_dashboard_ask_for_no_credential(
    path: str, user: str | None
) -> None:
    async with asking(guarded(signing_in(ADA))) as http:
        assert (await http.get(path)).json()["user"] == user
        assert (await http.post("/dashboard")).json()["user"] == "acme"


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (Unauthenticated("The key is unknown.", "Get one."), 401, "invalid_token"),
        (Denied("The tenant is not served here.", "Ask."), 403, "access_denied"),
        (RemoteUnavailable("No keys.", "Try later."), 503, "temporarily_unavailable"),
    ],
)
async def test_each_trouble_with_a_credential_has_its_status(
    outcome: Exception, status: int, error: str
) -> None:
    async with asking(guarded(signing_in(outcome))) as http:
        answer = await http.get("/mcp")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["error"] == error
    assert told["status"] == status
    assert told["error_description"] == told["detail"] == f"{told['what']} {told['next_step']}"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_client_of_mcp_can_tell_its_user_why_it_was_refused() -> None:
    refused = signing_in(Unauthenticated("The key is unknown.", "Get one."))
    async with asking(guarded(refused)) as http:
        answer = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})

    assert answer.status_code == 401
    error = jsonrpc_message_adapter.validate_json(answer.content)
    assert isinstance(error, JSONRPCError)
    assert error.error.message == "The key is unknown. Get one."


def calling(tool: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}


async def test_a_call_beyond_the_scopes_is_told_which_one_it_needs() -> None:
    async with asking(guarded(signing_in(ADA))) as http:
        answer = await http.post("/mcp", json=calling("ingest_dataset"))

    assert answer.status_code == 403
    assert answer.json()["error"]["data"] == {"error": "insufficient_scope"}
    assert answer.headers["www-authenticate"] == (
        'Bearer error="insufficient_scope", scope="lake:read lake:write", '
        'resource_metadata="http://here/.well-known/oauth-protected-resource/mcp"'
    )


@pytest.mark.parametrize(
    "message",
    [
        calling("list_assets"),
        calling("unknown"),
        calling(7),
        calling(["ingest_dataset"]),
        {"method": "tools/call", "params": ["ingest_dataset"]},
        {"method": "tools/list", "params": {"name": "ingest_dataset"}},
        [calling("ingest_dataset")],
        "ingest_dataset",
        None,
    ],
)
async def test_whatever_else_is_for_the_server_to_judge(message: object) -> None:
    async with asking(guarded(signing_in(ADA))) as http:
        answer = await http.post("/mcp", content=json.dumps(message))

    assert json.loads(answer.json()["body"]) == message


async def test_another_name_is_refused_before_any_credential_is_looked_at() -> None:
    never = signing_in(AssertionError("was looked at"))
    async with asking(guarded(never)) as http:
        assert (await http.get("/mcp", headers={"Host": "evil"})).status_code == 421
        evil = {"Origin": "https://evil.example.com"}
        assert (await http.get("/mcp", headers=evil)).status_code == 403


async def test_a_server_that_stops_refuses_everything_but_health() -> None:
    admission = Admission()
    admission.in_hand.close(patience_s=1)
    async with asking(guarded(signing_in(ADA), admission)) as http:
        assert (await http.get("/mcp")).status_code == 503
        assert (await http.get("/healthz")).status_code == 200


async def test_no_other_kind_of_connection_is_accepted() -> None:
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await guarded(signing_in(ADA))({"type": "websocket", "path": "/mcp"}, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_stop_waits_for_calls_but_not_for_ever() -> None:
    in_hand = CallsInHand()
    assert not in_hand.are_done()
    with in_hand.one():
        in_hand.close(patience_s=60)
        assert not in_hand.are_done()
    in_hand.close(patience_s=0)
    assert in_hand.are_done()


def test_a_user_carries_no_credential_further() -> None:
    caller = Caller(tenant="acme", subject="ada", catalog="main")
    assert LakeUser(ADA, caller).access_token.token == ""


async def test_a_call_for_a_session_that_nobody_knows_is_left_to_its_transport() -> None:
    limits = Limits(tenant_per_minute=1, subject_per_minute=1, at_once=1)
    app = guarded(signing_in(ADA), Admission(limits))
    body = json.dumps(calling("list_assets"))
    async with asking(app) as http:
        with limits.one(Caller(tenant=ADA.tenant, subject=ADA.subject, catalog="main")):
            passed_on = await http.post("/messages/?session_id=0", content=body)
            refused = await http.post("/mcp", content=body)

    assert passed_on.json() == {"body": body, "user": "acme"}
    assert "calls" in refused.json()["result"]["content"][0]["text"]
