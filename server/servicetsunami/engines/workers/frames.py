"""Messages between the server and its children: four bytes of length, then JSON.

JSON and not pickle, because a child works on hostile files and statements: whatever it says, the
server must only ever read data out of it.
"""

import json
from collections.abc import Mapping
from struct import Struct
from typing import Any

REQUEST_BYTES_MAX = 64 * 1024 * 1024
"""A request may carry the file list and the deletion vectors of a large table."""
ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""An answer is at most a page of rows: whatever is larger stays on disk."""
HEADER = Struct(">I")


class ChannelError(Exception):
    """The other side is gone, or does not speak our protocol."""


def pack(message: Mapping[str, Any], *, bytes_max: int) -> bytes:
    """Encode one message; raises ChannelError when it is too large, or is not JSON."""
    try:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ChannelError(f"a message cannot be written as JSON: {error}") from error
    # A lone surrogate is no text, but it must not be able to stop a message either.
    body = text.encode(errors="replace")
    if len(body) > bytes_max:
        raise ChannelError(f"a message of {len(body)} bytes is over the {bytes_max} allowed")
    return HEADER.pack(len(body)) + body


def body_length(header: bytes, *, bytes_max: int) -> int:
    """Read the length out of a header; raises ChannelError when it is over the limit."""
    (length,) = HEADER.unpack(header)
    if length > bytes_max:
        raise ChannelError(f"a message of {length} bytes is over the {bytes_max} allowed")
    return length


def unpack(body: bytes | bytearray) -> dict[str, Any]:
    """Decode one message; raises ChannelError when it is not a JSON object."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChannelError(f"a message is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ChannelError("a message is not a JSON object")
    return message
