"""The server's end of a socket to a child: never blocks the loop."""

import socket
from collections.abc import Sequence
from typing import Any

import anyio

from servicetsunami.engines.workers.frames import (
    HEADER,
    ChannelError,
    body_length,
    unpack,
)


async def send(
    connection: socket.socket,
    data: bytes,
    *,
    fds: Sequence[int] = (),
) -> None:
    """Send one packed message, with file descriptors beside it; raises ChannelError."""
    view = memoryview(data)
    while view:
        try:
            sent = socket.send_fds(connection, [view], fds)
        except BlockingIOError:
            await anyio.wait_writable(connection)
            continue
        except OSError as error:
            raise ChannelError(f"the child does not listen: {error}") from error
        view, fds = view[sent:], ()


async def receive(connection: socket.socket, *, bytes_max: int) -> dict[str, Any] | None:
    """Wait for one message; None when the child is gone. Raises ChannelError for nonsense."""
    header = await _receive_exactly(connection, HEADER.size)
    if header is None:
        return None
    body = await _receive_exactly(connection, body_length(bytes(header), bytes_max=bytes_max))
    return None if body is None else unpack(body)


def is_silent(connection: socket.socket) -> bool:
    """Tell whether an idle child is alive: it neither closed nor says what nobody asked for."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


async def _receive_exactly(connection: socket.socket, length: int) -> bytearray | None:
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        try:
            count = connection.recv_into(view)
        except BlockingIOError:
            await anyio.wait_readable(connection)
            continue
        except OSError:
            return None
        if count == 0:
            return None
        view = view[count:]
    return buffer
