"""Stands before every route: whom a request may come from, who makes it, what it may ask."""

import logging
from typing import Final

from anyio import sleep
from mcp.server.transport_security import (
    RequestBodyLimitMiddleware,
    TransportSecurityMiddleware,
    TransportSecuritySettings,
)
from mcp_types import INVALID_REQUEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from servicetsunami.domain.caller import EVERYTHING, Caller
from servicetsunami.errors import (
    Denied,
    RemoteUnavailable,
    ServerError,
    TooManyCalls,
    Unauthenticated,
)
from servicetsunami.transport.admission import Admission
from servicetsunami.transport.auditing import Auditor
from servicetsunami.transport.auth import Authenticator, LakeUser
from servicetsunami.transport.dashboard.routes import DASHBOARD_PATHS
from servicetsunami.transport.health import HEALTH_PATHS
from servicetsunami.transport.patience import TooSlow, hurried
from servicetsunami.transport.problems import BodyTooSlow, answer, describe
from servicetsunami.transport.resource_metadata import WELL_KNOWN, Resource
from servicetsunami.transport.rest.admitted import is_rest
from servicetsunami.transport.scopes import TOOL_SCOPES
from servicetsunami.transport.sse import Sse
from servicetsunami.transport.tool_calls import ToolCall, read_call

_log = logging.getLogger(__name__)

MCP_PATH: Final = "/mcp"
_RETRY_AFTER_S: Final = 5
_READING: Final = ("GET", "HEAD")


class Guard:
    """An ASGI middleware; without an authenticator every request is the one local user's.

    `open_paths` are for anybody, by whatever name: they say nothing, or ask for a credential of
    their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        admission: Admission,
        security: TransportSecuritySettings,
        body_bytes_max: int,
        body_s: float,
        authenticator: Authenticator | None,
        resource: Resource,
        auditor: Auditor | None = None,
        sse: Sse | None = None,
        open_paths: frozenset[str] = HEALTH_PATHS,
    ) -> None:
        self._app = app
        self._open_paths = open_paths
        self._admission = admission
        self._security = TransportSecurityMiddleware(security)
        self._authenticator = authenticator
        self._resource = resource
        self._auditor = auditor
        self._sse = sse
        self._body_s = body_s
        self._with_body = RequestBodyLimitMiddleware(self._serve, body_bytes_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on with its user."""
        if scope["type"] == "lifespan" or scope.get("path") in self._open_paths:
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
        if is_rest(scope["path"]):
            user = scope.get("user")
            if isinstance(user, LakeUser):
                await self._held(user.caller)
                await self._admission.turns.take(user.caller.tenant)
            # Its routes bound their bodies and check their scopes themselves: a file may be long.
            await self._app(scope, receive, send)
            return
        try:
            await self._with_body(scope, hurried(scope, receive, body_s=self._body_s), send)
        except TooSlow:
            await too_slow(scope, self._body_s)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        """What to answer instead of serving; None for a request that may go on."""
        refusal = await self._security.validate_request(request)
        if refusal is not None:
            return refusal
        if self._admission.in_hand.is_closed:
            return _unavailable(request.scope, "This server is stopping.")
        if self._authenticator is None or _is_public(request):
            return None
        return await self._sign_in(request, self._authenticator)

    async def _sign_in(self, request: Request, authenticator: Authenticator) -> Response | None:
        """Note whose request it is; what to answer where that cannot be told."""
        try:
            request.scope["user"] = await authenticator.user(request.headers)
        except Unauthenticated as error:
            _log.info("a credential was refused: %s", error)
            self._note(request, error)
            return self._unauthenticated(request.scope, error)
        except Denied as error:
            self._note(request, error)
            return _problem(request.scope, 403, "access_denied", error)
        except ServerError as error:
            _log.warning("a credential could not be checked: %s", error)
            return _unavailable(request.scope, "Credentials cannot be checked at the moment.")
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it calls a tool that it may not call, or not now.

        The call itself would be refused too. Asked over HTTP, the status is what makes a client
        ask its user for more; and what is too much is refused before it costs what a call costs.
        """
        user = scope.get("user")
        if not isinstance(user, LakeUser) or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        asked, receive = await read_call(receive, receive)
        response = None if asked is None else await self._refused(asked, user.caller, scope)
        if response is not None:
            await response(scope, receive, send)
            return
        limits = self._admission.limits
        if asked is None or limits is None:
            await self._app(scope, receive, send)
            return
        with limits.coming(user.caller):
            await self._admission.turns.take(user.caller.tenant)
            await self._app(scope, receive, send)

    async def _refused(self, asked: ToolCall, caller: Caller, scope: Scope) -> Response | None:
        """What to answer instead of calling a tool; None for a call that may go on."""
        needed = TOOL_SCOPES.get(asked.tool)
        if needed is not None and needed not in caller.scopes:
            error = Denied(
                f"{asked.tool} needs the scope {needed}.", "Ask for a credential with it."
            )
            await self._admission.note_refusal(caller, asked.tool, error, door="mcp")
            response = _problem(scope, 403, "insufficient_scope", error)
            response.headers["WWW-Authenticate"] = self._resource.challenge(
                error="insufficient_scope", scopes=[*sorted(caller.scopes), needed]
            )
            return response
        refusal = await self._held(caller)
        if refusal is None:
            return None
        response = told(scope, asked, refusal, to=caller, sse=self._sse)
        if response is not None:
            await self._admission.note_refusal(caller, asked.tool, refusal, door="mcp")
        return response

    async def _held(self, caller: Caller) -> TooManyCalls | None:
        """Why a call would not be let in, said after a while; None at once where it would."""
        limits = self._admission.limits
        refusal = None if limits is None else limits.refusal_at_door(caller)
        if limits is not None and refusal is not None:
            await sleep(limits.hold_s(caller))
        return refusal

    def _note(self, request: Request, error: ServerError) -> None:
        """Have a refused credential recorded."""
        if self._auditor is not None:
            address = request.client.host if request.client else ""
            self._auditor.refused(address=address, path=request.url.path, error=error)

    def _unauthenticated(self, scope: Scope, error: Unauthenticated) -> Response:
        response = _problem(scope, 401, "invalid_token", error)
        response.headers["WWW-Authenticate"] = self._resource.challenge(
            error="invalid_token", scopes=sorted(EVERYTHING)
        )
        return response


def _is_public(request: Request) -> bool:
    """Whether anybody may have it: how to get a credential, and the page that asks for one."""
    path = request.url.path
    return path in WELL_KNOWN or (request.method in _READING and path in DASHBOARD_PATHS)


def told(
    scope: Scope, call: ToolCall, error: TooManyCalls, *, to: Caller | bytes, sse: Sse | None
) -> Response | None:
    """The refusal of a call as its transport has it, `to` a caller or a credential that is unread.

    None for a session that is another's.
    """
    if scope["path"] == MCP_PATH:
        return call.refusal(error)
    return None if sse is None else sse.refusal(scope, call, error, to=to)


def too_slow(scope: Scope, body_s: float) -> Response:
    """What to answer when a body is not there after so long; nobody has read it yet."""
    response = _problem(scope, 408, "request_timeout", BodyTooSlow.after(body_s))
    response.headers["Connection"] = "close"
    return response


def _problem(scope: Scope, status: int, error: str, cause: ServerError) -> Response:
    """Say why, in the form that the asker reads.

    A client of MCP shows its user a JSON-RPC error, and of any other body only that there was one.
    """
    if scope["path"] == MCP_PATH and scope["method"] == "POST":
        told = {"code": INVALID_REQUEST, "message": str(cause), "data": {"error": error}}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": told}, status_code=status)
    return answer(describe(cause, status=status, oauth_error=error))


def _unavailable(scope: Scope, why: str) -> Response:
    error = RemoteUnavailable(why, "Try again in a moment.")
    response = _problem(scope, 503, "temporarily_unavailable", error)
    response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response
