"""Reads the client's messages from stdin: line by line, bounded, without a thread.

The SDK's own reader has no limit for a line, and reads in a thread that cannot be stopped: a
server asked to stop would wait for its client's next message.
"""

import logging
import os
import re
from collections.abc import AsyncIterator

from anyio import wait_readable
from anyio.lowlevel import checkpoint

MESSAGE_BYTES_MAX = 16 * 2**20
_READ_BYTES = 65_536
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""A whole pair of surrogates, half of one, or any other escape, so that none is misread."""
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
        for line in complete.split(b"\n")[:-1]:
            yield mended(line.decode("utf-8", errors="replace"))


def mended(line: str) -> str:
    r"""Replace halves of characters, such as a lone `\ud83d`, that a client cut out of a text.

    They are no text in JSON, and the SDK would drop the whole message without an answer.
    """
    if "\\ud" not in line and "\\uD" not in line:
        return line
    return _ESCAPE.sub(lambda found: "\\ufffd" if found["half"] else found[0], line)


async def _read(descriptor: int) -> bytes:
    try:
        await wait_readable(descriptor)
    except PermissionError:
        # A regular file cannot be waited for, and need not be: it is always readable.
        await checkpoint()
    return os.read(descriptor, _READ_BYTES)
