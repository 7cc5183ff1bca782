"""Gives every request an id and a place in a trace, which the log and the answer then carry."""

import re
from typing import Final
from uuid import uuid4

from opentelemetry import context
from opentelemetry.propagate import extract
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

_HEADER: Final = "X-Request-ID"
_SANE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What cannot end a line of a log, nor pretend to be another field of it."""


class RequestIds:
    """An ASGI middleware, the outermost: what is refused has an id too, unless it is shed.

    A client's or a proxy's id is kept where it is sane. Each message of a session is served in the
    context of the request that brought it, so that the id and the trace go along.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _id_of(headers)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        token = context.attach(extract({"traceparent": headers.get("traceparent", "")}))
        try:
            with bound_contextvars(request_id=request_id, client=_address(scope)):
                await self._app(scope, receive, answer)
        finally:
            context.detach(token)


def _address(scope: Scope) -> str:
    """Where the request comes from: beyond a proxy that is believed, else the proxy itself."""
    client = scope.get("client")
    return client[0] if client else ""


def _id_of(headers: Headers) -> str:
    given = headers.get(_HEADER, "")
    return given if _SANE.fullmatch(given) else uuid4().hex
