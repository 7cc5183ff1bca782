"""Waits for a request for so long and no longer: whoever sends slowly must not hold a place."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import anyio
from starlette.types import Message, Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import Transport

HEAD_S: Final = 10.0
"""From the first byte of a request, or from the connection, until its headers are complete."""
HEAD_BYTES_MAX: Final = 64 * 2**10
_WHOLE: Final = "servicetsunami.whole"
"""In the state of a request of which all has arrived."""


class TooSlow(Exception):
    """The body of a request did not arrive in time."""


def hurried(scope: Scope, receive: Receive, *, body_s: float) -> Receive:
    """Receive a request whose body must be complete after so long; raises TooSlow."""
    if _WHOLE in scope.get("state", ()):
        # As most are: they came in one piece.
        return receive
    ends_at = anyio.current_time() + body_s
    is_whole = False

    async def hurry() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        with anyio.CancelScope(deadline=ends_at):
            message = await receive()
            is_whole = not message.get("more_body", False)
            return message
        raise TooSlow

    return hurry


def steady(receive: Receive, *, pause_s: float) -> Receive:
    """Receive a request of any length, whose parts follow each other; raises TooSlow."""
    is_whole = False

    async def next_part() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        with anyio.move_on_after(pause_s):
            message = await receive()
            is_whole = not message.get("more_body", False)
            return message
        raise TooSlow

    return next_part


class ImpatientProtocol(HttpToolsProtocol):
    """uvicorn's own, with limits on the time and the length of the headers, of which it has none.

    Only what has sent nothing at all is closed without a word: it has asked nothing.
    """

    _end_waiting: Callable[[], None] | None = None
    _is_head_due = True
    _head_bytes = 0

    def connection_made(self, transport: "Transport") -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, unless the headers get too long."""
        if self._is_head_due:
            self._head_bytes += len(data)
        self._feed(data)
        # Most requests come in one piece: their headers are complete by now.
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse()
        elif self._head_bytes and self._end_waiting is None:
            self._wait_for_head()

    def _feed(self, data: bytes) -> None:
        """Parse what has come, and serve it."""
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Take as long as it takes to answer."""
        self._stop_waiting()
        self._is_head_due, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect another request, which is waited for once it begins."""
        self._stop_waiting()
        self._is_head_due = True
        self.scope["state"][_WHOLE] = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the rest of a body that nobody wants, but not for long."""
        if not self._is_head_due:
            self._wait_for_head()
        super().on_response_complete()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._end_waiting = self.loop.call_later(HEAD_S, self._refuse).cancel

    def _stop_waiting(self) -> None:
        if self._end_waiting is not None:
            self._end_waiting()
            self._end_waiting = None

    def _refuse(self) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self._head_bytes:
            self.send_400_response("The headers take too long, or are too long.")
        else:
            self.transport.close()
