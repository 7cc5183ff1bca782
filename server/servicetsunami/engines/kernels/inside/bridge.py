"""Asks the server for what is outside the sandbox: data, other notebooks. One question at a time.

A frame is the length of a header (4 bytes, big-endian), the header as JSON, and as many bytes as
its `size` says.
"""

import json
import socket
import threading
from collections.abc import Iterable
from typing import Any, BinaryIO

_CHUNK_BYTES = 2**20


class LakeError(Exception):
    """The server could not do it; the message says what to do next."""


class Bridge:
    """One connection to the server, opened when it is first needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(
        self, verb: str, arguments: dict[str, Any], *, content: Iterable[bytes] = (), size: int = 0
    ) -> tuple[Any, bytes]:
        """Ask, and wait for the answer: a value, and bytes where the verb has some."""
        with self._lock:
            try:
                stream = self._open()
                _send(stream, {"verb": verb, "arguments": arguments, "size": size})
                for part in content:
                    stream.write(part)
                stream.flush()
                header, data = _receive(stream)
            except BaseException:
                # Half a question or answer may be on the way: the next one begins anew.
                self.close()
                raise
        if "error" in header:
            raise LakeError(header["error"])
        return header["value"], data

    def close(self) -> None:
        """Drop the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> BinaryIO:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(self._path)
        return self._socket.makefile("rwb")  # ty: ignore[invalid-explicit-return]


def _send(stream: BinaryIO, header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    stream.write(len(text).to_bytes(4, "big") + text)


def _receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    header = json.loads(_exactly(stream, int.from_bytes(_exactly(stream, 4), "big")))
    return header, _exactly(stream, header.get("size", 0))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise LakeError("The server has closed the connection.")
    return data
