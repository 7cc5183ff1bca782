"""Reads the client's messages from stdin: line by line, bounded, without a thread.

The SDK's own reader has no limit for a line, and reads in a thread that cannot be stopped: a
server asked to stop would wait for its client's next message.
"""

import logging
import os
from collections.abc import AsyncIterator

from anyio import wait_readable
from anyio.lowlevel import checkpoint

MESSAGE_BYTES_MAX = 16 * 2**20
_READ_BYTES = 65_536
_log = logging.getLogger(__name__)


def claim_stdin() -> int:
    """Take stdin for the protocol: a private descriptor, with 0 on the null device.

    Whatever runs in this process or in a child then reads nothing that was meant for us.
    """
    private = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return private


async def lines(descriptor: int) -> AsyncIterator[str]:
    """Yield lines of UTF-8 text; ends with the input, or at a message over 16 MiB."""
    pending = bytearray()
    while data := await _read(descriptor):
        begin = len(pending)
        pending += data
        if b"\n" not in data:
            if len(pending) > MESSAGE_BYTES_MAX:
                _log.error("a message of more than %d bytes: closing", MESSAGE_BYTES_MAX)
                return
            continue
        end = pending.rindex(b"\n", begin) + 1
        complete = bytes(pending[:end])
        del pending[:end]
        for line in complete.splitlines():
            yield line.decode("utf-8", errors="replace")


async def _read(descriptor: int) -> bytes:
    try:
        await wait_readable(descriptor)
    except PermissionError:
        # A regular file cannot be waited for, and need not be: it is always readable.
        await checkpoint()
    return os.read(descriptor, _READ_BYTES)
