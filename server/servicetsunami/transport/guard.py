"""Stands before every route: whom a request may come from, who makes it, what it may ask."""

import json
import logging
from typing import Final

from mcp.server.transport_security import (
    RequestBodyLimitMiddleware,
    TransportSecurityMiddleware,
    TransportSecuritySettings,
)
from mcp_types import INVALID_REQUEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicetsunami.domain.caller import EVERYTHING
from servicetsunami.errors import (
    Denied,
    RemoteUnavailable,
    ServerError,
    TimedOut,
    Unauthenticated,
)
from servicetsunami.transport.auth import Authenticator, LakeUser
from servicetsunami.transport.calls import CallsInHand
from servicetsunami.transport.health import HEALTH_PATHS
from servicetsunami.transport.patience import TooSlow, hurried
from servicetsunami.transport.resource_metadata import WELL_KNOWN, Resource
from servicetsunami.transport.scopes import TOOL_SCOPES

_log = logging.getLogger(__name__)

MCP_PATH: Final = "/mcp"
_RETRY_AFTER_S: Final = 5


class Guard:
    """An ASGI middleware; without an authenticator every request is the one local user's."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        in_hand: CallsInHand,
        security: TransportSecuritySettings,
        body_bytes_max: int,
        body_s: float,
        authenticator: Authenticator | None,
        resource: Resource,
    ) -> None:
        self._app = app
        self._in_hand = in_hand
        self._security = TransportSecurityMiddleware(security)
        self._authenticator = authenticator
        self._resource = resource
        self._body_s = body_s
        self._with_body = RequestBodyLimitMiddleware(self._serve, body_bytes_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on with its user."""
        if scope["type"] == "lifespan" or scope.get("path") in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # There is no route for a WebSocket; closing before it is accepted answers 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = await self._refusal(Request(scope, receive))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        try:
            await self._with_body(scope, hurried(receive, body_s=self._body_s), send)
        except TooSlow:
            await self._too_slow(scope)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        """What to answer instead of serving; None for a request that may go on."""
        refusal = await self._security.validate_request(request)
        if refusal is not None:
            return refusal
        if self._in_hand.is_closed:
            return _unavailable(request.scope, "This server is stopping.")
        if self._authenticator is None or request.url.path in WELL_KNOWN:
            return None
        return await self._sign_in(request, self._authenticator)

    async def _sign_in(self, request: Request, authenticator: Authenticator) -> Response | None:
        """Note whose request it is; what to answer where that cannot be told."""
        try:
            request.scope["user"] = await authenticator.user(request.headers)
        except Unauthenticated as error:
            _log.info("a credential was refused: %s", error)
            return self._unauthenticated(request.scope, error)
        except Denied as error:
            return _problem(request.scope, 403, "access_denied", error)
        except ServerError as error:
            _log.warning("a credential could not be checked: %s", error)
            return _unavailable(request.scope, "Credentials cannot be checked at the moment.")
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it calls a tool that its credential does not allow.

        The call itself would be refused too; asked over HTTP, the status is what makes a client
        ask its user for more.
        """
        user = scope.get("user")
        if not isinstance(user, LakeUser) or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()
        tool = _tool_called(message.get("body", b""))
        needed = TOOL_SCOPES.get(tool or "")
        if needed is not None and needed not in user.caller.scopes:
            error = Denied(f"{tool} needs the scope {needed}.", "Ask for a credential with it.")
            response = _problem(scope, 403, "insufficient_scope", error)
            response.headers["WWW-Authenticate"] = self._resource.challenge(
                error="insufficient_scope", scopes=[*sorted(user.caller.scopes), needed]
            )
            await response(scope, receive, send)
            return
        await self._app(scope, _replayed(message, receive), send)

    def _too_slow(self, scope: Scope) -> Response:
        """What to answer when a body is not there in time; nobody has read it yet."""
        error = TimedOut(f"The request took more than {self._body_s:g} s to arrive.", "Send less.")
        response = _problem(scope, 408, "request_timeout", error)
        response.headers["Connection"] = "close"
        return response

    def _unauthenticated(self, scope: Scope, error: Unauthenticated) -> Response:
        response = _problem(scope, 401, "invalid_token", error)
        response.headers["WWW-Authenticate"] = self._resource.challenge(
            error="invalid_token", scopes=sorted(EVERYTHING)
        )
        return response


def _tool_called(body: bytes) -> str | None:
    """The tool that a JSON-RPC message calls, or None."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    params = message.get("params") if isinstance(message, dict) else None
    if not isinstance(params, dict) or message.get("method") != "tools/call":
        return None
    name = params.get("name")
    return name if isinstance(name, str) else None


def _replayed(first: Message, receive: Receive) -> Receive:
    """Hand out once more what was read, then go on."""
    waiting = [first]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _problem(scope: Scope, status: int, error: str, cause: ServerError) -> Response:
    """Say why, in the form that the asker reads.

    A client of MCP shows its user a JSON-RPC error, and of any other body only that there was one.
    """
    if scope["path"] == MCP_PATH and scope["method"] == "POST":
        told = {"code": INVALID_REQUEST, "message": str(cause), "data": {"error": error}}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": told}, status_code=status)
    return JSONResponse({"error": error, "error_description": str(cause)}, status_code=status)


def _unavailable(scope: Scope, why: str) -> Response:
    error = RemoteUnavailable(why, "Try again in a moment.")
    response = _problem(scope, 503, "temporarily_unavailable", error)
    response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response
