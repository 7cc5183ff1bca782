"""Sheds calls while the server is full, before anything is done for them.

A call that the guard refuses costs a fourth of one that is served: asked four times as much as it
can do, a server would be busy with refusals. Here one costs a third of that again: nothing is
read of it but whom to answer. Its credential is not judged: a call that has none, or not that of
the stream which it names, goes on to where that is told.
"""

from collections.abc import Callable, Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from servicetsunami.transport.auth import presented
from servicetsunami.transport.guard import MCP_PATH, told, too_slow
from servicetsunami.transport.limits import Limits
from servicetsunami.transport.patience import TooSlow, hurried
from servicetsunami.transport.sse import MESSAGES_PATH, Sse
from servicetsunami.transport.tool_calls import read_call

_CALLED_AT: Final = (MCP_PATH, MESSAGES_PATH)


class Shedding:
    """An ASGI app, around the one that serves; each of `watchers` is told of a refusal."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        body_s: float,
        sse: Sse | None,
        watchers: Sequence[Callable[[], None]],
    ) -> None:
        self._app = app
        self._limits = limits
        self._body_s = body_s
        self._sse = sse
        self._watchers = watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a call that there is no room for; pass on everything else."""
        error = self._limits.refusal_of_all() if _may_call(scope) else None
        credential = b"" if error is None else presented(scope["headers"])
        if error is None or not credential:
            await self._app(scope, receive, send)
            return
        try:
            call, receive = await read_call(hurried(scope, receive, body_s=self._body_s), receive)
        except TooSlow:
            await too_slow(scope, self._body_s)(scope, receive, send)
            return
        response = None if call is None else told(scope, call, error, to=credential, sse=self._sse)
        if response is None:
            await self._app(scope, receive, send)
            return
        for note in self._watchers:
            note()
        await response(scope, receive, send)


def _may_call(scope: Scope) -> bool:
    """Whether a request may hold the call of a tool, as far as its first line tells."""
    return scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _CALLED_AT
