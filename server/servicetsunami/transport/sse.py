"""The older transport: a stream of events for each client, at /sse, and messages to /messages/."""

import hmac
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from anyio import move_on_after
from mcp.server.sse import SseServerTransport
from mcp.server.transport_security import TransportSecuritySettings
from prometheus_client import Gauge
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message, Receive, Scope, Send

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import TooManyCalls
from servicetsunami.transport.auth import LakeUser, presented
from servicetsunami.transport.mcp import LakeServer
from servicetsunami.transport.tool_calls import ToolCall

_SSE_PATH: Final = "/sse"
MESSAGES_PATH: Final = "/messages/"
_SESSION: Final = re.compile(rb"session_id=([0-9a-f]{32})")
_READ_WITHIN_S: Final = 5.0


@dataclass(slots=True)
class _Session:
    """One open stream; its number is known once the client is told it."""

    caller: Caller | None
    credential: bytes
    """What the client presented for the stream, and was let in with."""
    send: Send
    number: str = ""

    def is_of(self, client: Caller | bytes) -> bool:
        """Whether a caller, or who presents this credential, may be answered here."""
        if isinstance(client, bytes):
            return hmac.compare_digest(client, self.credential)
        return self.caller is not None and _whose(client) == _whose(self.caller)


class Sse:
    """Serves clients of the older transport, each for as long as it keeps its stream open."""

    def __init__(
        self,
        server: LakeServer,
        *,
        body_bytes_max: int,
        security: TransportSecuritySettings,
        open_sessions: Gauge,
    ) -> None:
        self._server = server
        self._open = open_sessions
        self._sessions: dict[str, _Session] = {}
        self._transport = SseServerTransport(
            MESSAGES_PATH, security_settings=security, max_request_body_size=body_bytes_max
        )

    def routes(self) -> list[BaseRoute]:
        """Where streams are opened, and where messages go."""
        return [
            Route(_SSE_PATH, endpoint=_Endpoint(self), methods=["GET"]),
            Mount(MESSAGES_PATH, app=self._transport.handle_post_message),
        ]

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        user = scope.get("user")
        session = _Session(
            caller=user.caller if isinstance(user, LakeUser) else None,
            credential=presented(scope["headers"]),
            send=send,
        )

        async def sent(message: Message) -> None:
            if not session.number:
                self._note_number(session, message)
            await send(message)

        with self._open.track_inprogress():
            try:
                async with self._transport.connect_sse(scope, receive, sent) as streams:
                    await self._server.run_streams(*streams)
            finally:
                self._sessions.pop(session.number, None)

    def _note_number(self, session: _Session, message: Message) -> None:
        # The first event tells the client where to send its messages, and nothing else does.
        found = _SESSION.search(message.get("body", b""))
        if found:
            session.number = found[1].decode()
            self._sessions[session.number] = session

    def refusal(
        self, scope: Scope, call: ToolCall, error: TooManyCalls, *, to: Caller | bytes
    ) -> Response | None:
        """Refuse a call over the stream of its session; None where that is somebody else's.

        It is `to` a caller, or to whoever presents that credential, unread. To go round the session
        costs a fraction of a call that is begun and then refused.
        """
        asked = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
        session = self._sessions.get(asked.get("session_id", [""])[0])
        if session is None or call.id is None or not session.is_of(to):
            return None
        answer = {"jsonrpc": "2.0", "id": call.id, "result": call.refused(error)}
        event = f"event: message\r\ndata: {json.dumps(answer)}\r\n\r\n".encode()
        return Response(
            "Accepted", status_code=202, background=BackgroundTask(_say, session.send, event)
        )


class _Endpoint:
    """An ASGI app, which Starlette tells from a function by its class."""

    def __init__(self, sse: Sse) -> None:
        self._sse = sse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._sse.serve(scope, receive, send)


async def _say(send: Send, event: bytes) -> None:
    """Send an event over a stream, unless nobody reads it any more."""
    # The stream may end while this waits for its reader.
    with move_on_after(_READ_WITHIN_S), suppress(RuntimeError):
        await send({"type": "http.response.body", "body": event, "more_body": True})


def _whose(caller: Caller) -> tuple[str, str, str]:
    """Whom a session belongs to, as the SDK sees it too."""
    return caller.tenant, caller.issuer, caller.subject
