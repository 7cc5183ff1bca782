"""Brings every request to the worker that serves its tenant, where several share one address.

A new connection comes to any of the workers. Sessions, limits and what is remembered of a tenant
live in one, which the credential of a request names: the tenant that a token claims to be of, or
the API key itself. A worker that reads the head of somebody else's request hands the connection
over, with what it has read of it; requests that follow on the connection are the other's, so that
most connections move once or never.

The credential is only looked at here, not judged: a forged one is refused by whichever worker it
leads to.
"""

import asyncio
import os
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from servicetsunami.transport.addresses import bind_shared
from servicetsunami.transport.metrics import METRICS_PATH, WORKER
from servicetsunami.transport.patience import ImpatientProtocol
from servicetsunami.transport.tokens import tenant_claimed

if TYPE_CHECKING:
    from asyncio import Transport

_HEAD_END: Final = b"\r\n\r\n"
_CREDENTIAL: Final = re.compile(
    rb"\r\n(?:authorization:[ \t]*bearer[ \t]+|x-api-key:[ \t]*)([^\r\n]+)", re.IGNORECASE
)
_METRICS: Final = re.compile(rf"GET {METRICS_PATH}\?{WORKER}=(\d{{1,4}}) ".encode())
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"retry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What one of several workers has: its socket at the address, and the ways to all of them.

    Seats are made before the workers are forked. A seat outlives the worker in it: what arrives
    meanwhile waits for the next one.
    """

    number: int
    """From 0."""
    owner: int
    """The process that forks the workers, which is to outlive them."""
    listening: socket.socket
    inbox: socket.socket
    outboxes: Sequence[socket.socket]
    """By the number of the worker that each leads to."""


def take_seats(host: str, port: int, *, count: int) -> tuple[Seat, ...]:
    """Take the address for so many workers; raises ConfigurationError when it is not free."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
    for each in pairs:
        for end in each:
            end.setblocking(False)
    return tuple(
        Seat(
            number=number,
            owner=os.getpid(),
            listening=listening,
            inbox=inbox,
            outboxes=[out for _, out in pairs],
        )
        for number, (listening, (inbox, _)) in enumerate(
            zip(bind_shared(host, port, count=count), pairs, strict=True)
        )
    )


class Steering:
    """Knows which worker a request is for, and hands connections over to it."""

    def __init__(self, seat: Seat, *, tenant_claim: str) -> None:
        self.number = seat.number
        self.count = len(seat.outboxes)
        self._owner = seat.owner
        self._inbox = seat.inbox
        self._outboxes = seat.outboxes
        self._tenant_claim = tenant_claim
        self._taking: set[asyncio.Task[None]] = set()

    @property
    def is_orphaned(self) -> bool:
        """Whether the process that has forked this one is gone."""
        return os.getppid() != self._owner

    def worker_for(self, head: bytes) -> int:
        """The number of the worker for a request with this head; this one, where any would do."""
        asked = _METRICS.match(head)
        if asked is not None and 1 <= int(asked[1]) <= self.count:
            return int(asked[1]) - 1
        found = _CREDENTIAL.search(head)
        if found is None:
            return self.number
        credential = found[1].strip()
        whose = tenant_claimed(credential, self._tenant_claim) or credential
        return crc32(whose) % self.count

    def hand_over(self, connection: int, read: bytes, *, to: int) -> bool:
        """Give a connection to another worker, with what was read; False if it takes none now.

        The descriptor stays the caller's to close: the other one gets its own.
        """
        try:
            memory = os.memfd_create("read")
            try:
                os.write(memory, read)
                socket.send_fds(self._outboxes[to], [b"\0"], [connection, memory])
            finally:
                os.close(memory)
        except OSError:
            return False
        return True

    def take_in(self, protocol_for: Callable[[bytes], asyncio.Protocol]) -> None:
        """From now on, serve what others hand over, by a protocol for what they have read."""
        asyncio.get_running_loop().add_reader(self._inbox, self._receive, protocol_for)

    def close(self) -> None:
        """Take in nothing more; what is still to come waits for the next worker in this seat."""
        asyncio.get_running_loop().remove_reader(self._inbox)

    def _receive(self, protocol_for: Callable[[bytes], asyncio.Protocol]) -> None:
        try:
            _, received, *_ = socket.recv_fds(self._inbox, 1, 2, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        if len(received) < 2:
            # This process may open no more: the client is told by the end of its connection.
            for each in received:
                os.close(each)
            return
        connection, memory = received
        with os.fdopen(memory, "rb") as kept:
            kept.seek(0)
            read = kept.read()
        taking = asyncio.get_running_loop().create_task(
            _take(socket.socket(fileno=connection), partial(protocol_for, read))
        )
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)


async def _take(connection: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
    # The client may have left meanwhile.
    with suppress(OSError):
        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)


class SteeredProtocol(ImpatientProtocol):
    """Looks at the head of each request first, and keeps the connection only for its own.

    `first` is what another worker has read of a connection that it has handed over.
    """

    def __init__(self, steering: Steering, *, first: bytes = b"", **of_uvicorn: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(**of_uvicorn)
        self._steering = steering
        self._first = first
        self._head = b""

    def connection_made(self, transport: "Transport") -> None:
        """Go on where another worker has stopped."""
        super().connection_made(transport)
        if self._first:
            self.data_received(self._first)

    def _feed(self, data: bytes) -> None:
        """Parse what is for this worker; hand over what is not."""
        if not self._is_head_due or (self.cycle and not self.cycle.response_complete):
            super()._feed(data)
            return
        self._head += data
        if _HEAD_END not in self._head:
            return
        read, self._head = self._head, b""
        to = self._steering.worker_for(read[: read.index(_HEAD_END)])
        if to == self._steering.number:
            super()._feed(read)
            return
        connection = self.transport.get_extra_info("socket").fileno()
        if self._steering.hand_over(connection, read, to=to):
            self.transport.abort()
        else:
            self.transport.write(_BUSY)
            self.transport.close()
