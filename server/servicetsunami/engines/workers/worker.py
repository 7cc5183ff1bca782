"""One child as the server sees it: a call, its answer, and an end at any moment."""

import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio

from servicetsunami import errors
from servicetsunami.engines.workers.frames import (
    ANSWER_BYTES_MAX,
    REQUEST_BYTES_MAX,
    ChannelError,
    pack,
)
from servicetsunami.engines.workers.sockets import is_silent, receive, send
from servicetsunami.engines.workers.tracing import work_span
from servicetsunami.errors import LimitExceeded, ServerError, TimedOut

Progress = Callable[[dict[str, Any]], Awaitable[None] | None]

_DEATH_TIMEOUT_S = 1.5
_log = logging.getLogger(__name__)


class Worker:
    """A child that serves one call at a time; obtained from `WorkerPool.acquire`.

    `kind` is what its spans are named by.
    """

    def __init__(
        self, connection: socket.socket, *, end: Callable[[], None], kind: str = "worker"
    ) -> None:
        self._connection = connection
        self._kind = kind
        self._end = end
        self._healthy = True
        self.affinity: str | None = None
        """For whom it worked last: that tenant's connections may be warm in it."""

    @property
    def reusable(self) -> bool:
        """False once it was ended, has died, or asked not to be used again."""
        return self._healthy and is_silent(self._connection)

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any],
        *,
        timeout_s: float,
        on_progress: Progress | None = None,
        fds: Sequence[int] = (),
    ) -> dict[str, Any]:
        """Have the child run `method`, and return its result.

        `fds` are duplicated into the child until it has answered. Raises the ServerError that the
        child raised; TimedOut after `timeout_s`, with the child killed; LimitExceeded when the
        child died; RuntimeError, for the log only, when the child has a bug. When the calling
        task is cancelled, the child is dead before the cancellation goes on.
        """
        data = pack({"method": method, "arguments": arguments}, bytes_max=REQUEST_BYTES_MAX)
        with work_span(self._kind, method):
            return _result_of(await self._answer(data, timeout_s, on_progress, fds))

    async def _answer(
        self, data: bytes, timeout_s: float, on_progress: Progress | None, fds: Sequence[int]
    ) -> dict[str, Any]:
        answer = None
        try:
            with anyio.fail_after(timeout_s):
                answer = await self._exchange(data, on_progress, fds)
        except TimeoutError as error:
            raise TimedOut(
                f"The work did not end within {timeout_s:g} s, and was stopped.",
                "Ask for less, or call again with a larger timeout_s.",
            ) from error
        finally:
            if answer is None:
                await self.kill()
        if answer.get("recycle"):
            self._healthy = False
        return answer

    def end(self) -> None:
        """Have the child killed, without waiting for it."""
        self.condemn()
        self._connection.close()

    def condemn(self) -> None:
        """Have the child killed under a call that still waits for it."""
        self._healthy = False
        self._end()

    async def kill(self) -> None:
        """Have the child killed, and wait until it is: at most 1.5 s, even when cancelled."""
        self.condemn()
        with anyio.move_on_after(_DEATH_TIMEOUT_S, shield=True):
            await self._drain()

    async def _exchange(
        self, data: bytes, on_progress: Progress | None, fds: Sequence[int]
    ) -> dict[str, Any]:
        try:
            await send(self._connection, data, fds=fds)
            while (answer := await self._receive()).get("progress") is not None:
                await _tell(on_progress, answer["progress"])
        except ChannelError as error:
            _log.warning("a worker broke off: %s", error)
            raise _died() from error
        return answer

    async def _receive(self) -> dict[str, Any]:
        message = await receive(self._connection, bytes_max=ANSWER_BYTES_MAX)
        if message is None:
            raise ChannelError("its process ended")
        return message

    async def _drain(self) -> None:
        # The kernel closes a dead process's socket last, after its memory and its locks.
        try:
            while await receive(self._connection, bytes_max=ANSWER_BYTES_MAX) is not None:
                pass
        except ChannelError:
            return


async def _tell(on_progress: Progress | None, progress: dict[str, Any]) -> None:
    if on_progress is not None:
        waiting = on_progress(progress)
        if waiting is not None:
            await waiting


def _died() -> LimitExceeded:
    return LimitExceeded(
        "The process that did the work ended: most likely it needed more memory than allowed.",
        "Ask for less at once: filter or aggregate earlier, or select fewer columns.",
    )


def _result_of(answer: dict[str, Any]) -> dict[str, Any]:
    if "result" in answer:
        return answer["result"]
    if "error" in answer:
        raise _error_of(answer["error"])
    raise RuntimeError(f"A worker failed:\n{answer.get('bug')}")


def _error_of(described: Mapping[str, Any]) -> ServerError:
    # Only names of our own tree are looked up: the child's word creates nothing else.
    kind = getattr(errors, str(described["type"]), ServerError)
    if not (isinstance(kind, type) and issubclass(kind, ServerError)):
        kind = ServerError
    return kind(str(described["what"]), str(described["next_step"]))
