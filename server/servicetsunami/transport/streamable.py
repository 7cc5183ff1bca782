"""Sessions over Streamable HTTP, whose requests are answered as shortly as they can be.

The SDK opens a stream of events for every request, which costs more than most of our calls. Clients
have to take a plain JSON answer as well, so a request gets one, unless there is something to say
before the answer, or it takes long: then a stream is opened, and what is said goes there. The SDK
does the same for the revisions without sessions.
"""

from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import (
    CONTENT_TYPE_SSE,
    MCP_SESSION_ID_HEADER,
    REQUEST_STREAM_BUFFER_SIZE,
    EventMessage,
    StreamableHTTPServerTransport,
    check_accept_headers,
)
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, JSONRPCError, JSONRPCRequest, JSONRPCResponse
from pydantic import ValidationError
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

_SILENT_S: Final = 1.0
"""For how long a request may run without a stream: proxies and clients wait for a head longer."""


class Sessions(StreamableHTTPSessionManager):
    """All sessions of one server."""

    def route(self, path: str) -> Route:
        """Where they are served."""
        return Route(path, endpoint=StreamableHTTPASGIApp(self))

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._server_instances)

    def _admit_session(
        self, requestor: AuthorizationContext | None
    ) -> StreamableHTTPServerTransport | None:
        if self.max_sessions is not None and self.count >= self.max_sessions:
            return None
        number = uuid4().hex
        session = _Session(
            mcp_session_id=number,
            security_settings=self.security_settings,
            idle_timeout=self.session_idle_timeout,
        )
        if requestor is not None:
            self._session_owners[number] = requestor
        self._server_instances[number] = session
        return session


class _Session(StreamableHTTPServerTransport):
    """One session; only how its requests are answered differs from the SDK's."""

    async def _handle_post_request(
        self, scope: Scope, request: Request, receive: Receive, send: Send
    ) -> None:
        asked = _asked(await request.body())
        if asked is None or not self._takes(request):
            # Its refusals, its handshake, and messages that have no answer.
            await super()._handle_post_request(scope, request, receive, send)
            return
        key = str(asked.id)
        saying, said = anyio.create_memory_object_stream[EventMessage](REQUEST_STREAM_BUFFER_SIZE)
        self._request_streams[key] = saying, said
        try:
            response = await self._answer(asked, request, said)
            await response(scope, receive, send)
        finally:
            self._request_streams.pop(key, None)
            saying.close()
            said.close()

    def _takes(self, request: Request) -> bool:
        """Whether a request is in order, as far as its head can tell."""
        return (
            all(check_accept_headers(request))
            and self._check_content_type(request)
            and self._get_session_id(request) == self.mcp_session_id
        )

    async def _answer(
        self, asked: JSONRPCRequest, request: Request, said: MemoryObjectReceiveStream[EventMessage]
    ) -> Response:
        """Have the request served; its answer, or a stream that will end with it."""
        metadata = self._message_metadata(
            request, on_request_unanswered=partial(self._terminate_unanswered_request, asked.id)
        )
        first = None
        try:
            assert self._read_stream_writer is not None
            await self._read_stream_writer.send(SessionMessage(asked, metadata=metadata))
            with anyio.move_on_after(_SILENT_S):
                first = await said.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return self._create_error_response(
                "Session terminated before the request completed",
                HTTPStatus.INTERNAL_SERVER_ERROR,
                INTERNAL_ERROR,
            )
        if first is not None and _is_answer(first):
            return self._create_json_response(first.message)
        return EventSourceResponse(
            self._events(first, said),
            headers={
                "Cache-Control": "no-cache, no-transform",
                "Content-Type": CONTENT_TYPE_SSE,
                MCP_SESSION_ID_HEADER: self.mcp_session_id or "",
            },
        )

    async def _events(
        self, first: EventMessage | None, said: MemoryObjectReceiveStream[EventMessage]
    ) -> AsyncGenerator[dict[str, Any]]:
        """What is said to a request, up to its answer."""
        if first is not None:
            yield self._create_event_data(first)
        # Closed where the session ends first.
        with suppress(anyio.ClosedResourceError):
            async for each in said:
                yield self._create_event_data(each)
                if _is_answer(each):
                    return


def _asked(body: bytes) -> JSONRPCRequest | None:
    """The request that a message is, or None for any other, and for one that begins a session."""
    try:
        found = JSONRPCRequest.model_validate_json(body, by_name=False)
    except ValidationError:
        return None
    return None if found.method == "initialize" else found


def _is_answer(each: EventMessage) -> bool:
    return isinstance(each.message, JSONRPCResponse | JSONRPCError)
