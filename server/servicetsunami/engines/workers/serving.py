"""The loop of a child: one request, one answer, and nothing of a failure that is not data."""

import gc
import importlib
import os
import select
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from servicetsunami.engines.workers.channel import Channel
from servicetsunami.engines.workers.frames import ChannelError
from servicetsunami.errors import LimitExceeded, ServerError

_TEXT_MAX = 8_000
_IDLE_AFTER_S = 0.1


class Request:
    """One call, as a method in the child sees it."""

    def __init__(self, *, arguments: Mapping[str, Any], fds: list[int], channel: Channel) -> None:
        self.arguments = arguments
        self.fds = fds
        self.recycle = False
        """Set it when the process should not be used again, such as after lack of memory."""
        self._channel = channel

    def report(self, progress: Mapping[str, Any]) -> None:
        """Tell the caller how far the work is; may be called from another thread."""
        self._channel.send({"progress": progress})


Method = Callable[[Request], Mapping[str, Any]]


def run_target(channel: Channel, target: str, options: Mapping[str, Any]) -> None:
    """Call `package.module:function` with the channel and the options.

    When it fails, whoever asks first is told: otherwise a bug would look like lack of memory.
    """
    module, _, function = target.partition(":")
    try:
        getattr(importlib.import_module(module), function)(channel, options)
    except ChannelError:
        # The server is gone, or has given this child up.
        return
    except Exception:  # noqa: BLE001 - nobody is above this: the text goes to the server's log
        channel.send({"bug": traceback.format_exc()[-_TEXT_MAX:], "recycle": True})


def serve(
    channel: Channel,
    methods: Mapping[str, Method],
    *,
    when_idle: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until the server closes the socket.

    `when_idle` prepares for the next request, after a moment without any.
    """
    while (received := channel.receive()) is not None:
        message, fds = received
        request = Request(arguments=message.get("arguments", {}), fds=fds, channel=channel)
        try:
            answer = _answer(methods, str(message.get("method")), request)
            channel.send(answer | {"recycle": request.recycle})
        except ChannelError as error:
            channel.send({"bug": str(error), "recycle": True})
        finally:
            for fd in fds:
                os.close(fd)
        if not select.select([channel], [], [], _IDLE_AFTER_S)[0]:
            when_idle()


def _answer(methods: Mapping[str, Method], name: str, request: Request) -> dict[str, Any]:
    try:
        return {"result": methods[name](request)}
    except ServerError as error:
        return {"error": _described(error)}
    except MemoryError:
        request.recycle = True
        gc.collect()
        return {"error": _described(out_of_memory())}
    except Exception:  # noqa: BLE001 - the outermost loop: the text goes to the server's log
        request.recycle = True
        return {"bug": traceback.format_exc()[-_TEXT_MAX:]}


def out_of_memory() -> LimitExceeded:
    """Say that a child has reached its memory limit, and what to do about it."""
    return LimitExceeded(
        "The work needed more memory than one call may use, and was stopped.",
        "Ask for less at once: filter or aggregate earlier, or select fewer columns.",
    )


def _described(error: ServerError) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "what": error.what[:_TEXT_MAX],
        "next_step": error.next_step[:_TEXT_MAX],
    }
