"""The child's end of the socket: blocking, one request at a time, with descriptors beside it."""

import array
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

from servicetsunami.engines.workers.frames import HEADER, ChannelError, body_length, pack, unpack

_FDS_MAX = 8


class Channel:
    """Receives messages with file descriptors, and sends messages from any thread."""

    def __init__(self, connection: socket.socket, *, receive_max: int, send_max: int) -> None:
        self._connection = connection
        self._receive_max = receive_max
        self._send_max = send_max
        self._sending = threading.Lock()

    def fileno(self) -> int:
        """Let the channel be waited for with select."""
        return self._connection.fileno()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message; raises ChannelError when it is too large or nobody listens."""
        data = pack(message, bytes_max=self._send_max)
        with self._sending:
            try:
                self._connection.sendall(data)
            except OSError as error:
                raise ChannelError(f"nobody listens: {error}") from error

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Wait for one message; None when the other side has closed. The caller owns the fds."""
        header, fds = self._receive_header()
        if not header:
            return None
        length = body_length(header, bytes_max=self._receive_max)
        return unpack(self._receive_exactly(length)), fds

    def close(self) -> None:
        """Give the socket back; the other side then sees the end."""
        self._connection.close()

    def _receive_header(self) -> tuple[bytes, list[int]]:
        # Descriptors travel with the first byte of a message, so only the header can carry them.
        space = socket.CMSG_SPACE(_FDS_MAX * array.array("i").itemsize)
        header, ancillary, _flags, _address = self._connection.recvmsg(HEADER.size, space)
        fds = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        for fd in fds:
            os.set_inheritable(fd, False)
        if header and len(header) < HEADER.size:
            header += self._receive_exactly(HEADER.size - len(header))
        return header, list(fds)

    def _receive_exactly(self, length: int) -> bytes:
        buffer = bytearray(length)
        view = memoryview(buffer)
        while view:
            count = self._connection.recv_into(view)
            if count == 0:
                raise ChannelError("the other side closed in the middle of a message")
            view = view[count:]
        return bytes(buffer)
