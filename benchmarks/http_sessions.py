"""Sessions over HTTP that cost little themselves: sockets, no schema checks."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_HEAD_BYTES_MAX: Final = 65_536
_PROTOCOL: Final = "2025-11-25"
_HELLO: Final = {
    "protocolVersion": _PROTOCOL,
    "capabilities": {},
    "clientInfo": {"name": "load", "version": "1"},
}


class RefusedError(Exception):
    """The server would not take a call now; `has_advice` says that it told when to come again."""

    def __init__(self, said: str, *, has_advice: bool) -> None:
        super().__init__(said)
        self.has_advice = has_advice


class CallError(Exception):
    """The server answered with an error that is no refusal."""


@dataclass(frozen=True)
class Where:
    """A server, and the credential for it."""

    port: int
    token: str = ""


@dataclass
class Connection:
    """One connection that is kept, with one request on it at a time."""

    where: Where
    stream: SocketStream
    received: BufferedByteReceiveStream
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0

    @classmethod
    async def open(cls, where: Where) -> Self:
        """Connect."""
        stream = await anyio.connect_tcp("127.0.0.1", where.port)
        return cls(where, stream, BufferedByteReceiveStream(stream))

    async def send(self, method: str, path: str, body: bytes = b"", **more: str) -> None:
        """Send a request, and read the head of its answer."""
        lines = [
            f"{method} {path} HTTP/1.1",
            f"host: 127.0.0.1:{self.where.port}",
            "accept: application/json, text/event-stream",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in more.items()),
        ]
        if self.where.token:
            lines.append(f"authorization: Bearer {self.where.token}")
        await self.stream.send("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self.received.receive_until(b"\r\n\r\n", _HEAD_BYTES_MAX)
        first, *rest = head.decode().split("\r\n")
        self.status = int(first.split(" ")[1])
        pairs = (line.partition(":") for line in rest)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        if "content-length" in self.headers:
            yield await self.received.receive_exactly(int(self.headers["content-length"]))
            return
        if self.headers.get("transfer-encoding") != "chunked":
            return
        while True:
            size = int(await self.received.receive_until(b"\r\n", 32), 16)
            data = await self.received.receive_exactly(size + 2)
            if size == 0:
                return
            yield data[:-2]

    async def events(self) -> AsyncIterator[str]:
        """The data of each event of a stream."""
        waiting = b""
        async for chunk in self.chunks():
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"data: "):
                    yield line[6:].strip().decode()

    async def body(self) -> bytes:
        """All of the body."""
        return b"".join([chunk async for chunk in self.chunks()])


class Session(ABC):
    """A client of a server, with one call at a time."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._last_id = 0

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> None:
        """Call a tool; raises RefusedError or CallError."""
        result = await self._request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            text = result["content"][0]["text"]
            is_refusal = "calls" in text and ("Call again after" in text or "Wait for" in text)
            if is_refusal:
                raise RefusedError(text, has_advice=True)
            raise CallError(text)

    @abstractmethod
    async def open(self) -> None:
        """Greet the server."""

    @abstractmethod
    async def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Leave."""

    def _message(self, method: str, params: Mapping[str, Any]) -> bytes:
        self._last_id += 1
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        return json.dumps(message).encode()


_INITIALIZED: Final = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in message:
        raise CallError(str(message["error"]))
    return message["result"]


async def _refuse(connection: Connection) -> None:
    said = f"{connection.status} {(await connection.body())[:300].decode()}"
    if connection.status in {429, 503}:
        raise RefusedError(said, has_advice="retry-after" in connection.headers)
    raise CallError(said)


class HttpSession(Session):
    """Streamable HTTP, on one connection."""

    async def open(self) -> None:
        """Greet the server."""
        self._connection = await Connection.open(self._where)
        self._session = ""
        await self._request("initialize", _HELLO)
        self._session = self._connection.headers["mcp-session-id"]
        await self._connection.send("POST", "/mcp", _INITIALIZED, mcp_session_id=self._session)
        await self._connection.body()

    async def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        session = {"mcp_session_id": self._session} if self._session else {}
        await self._connection.send("POST", "/mcp", self._message(method, params), **session)
        if self._connection.status != 200:
            await _refuse(self._connection)
        if self._connection.headers["content-type"] == "application/json":
            return _result(json.loads(await self._connection.body()))
        answer = {}
        async for event in self._connection.events():
            message = json.loads(event) if event else {}
            if message.get("id") == self._last_id:
                answer = message
        return _result(answer)

    async def aclose(self) -> None:
        """Leave."""
        await self._connection.stream.aclose()


class SseSession(Session):
    """The older transport: answers come over a stream, messages go on another connection."""

    async def open(self) -> None:
        """Greet the server."""
        self._stream = await Connection.open(self._where)
        await self._stream.send("GET", "/sse")
        self._events = self._stream.events()
        self._path = await anext(self._events)
        self._connection = await Connection.open(self._where)
        await self._request("initialize", _HELLO)
        await self._post(_INITIALIZED)

    async def _post(self, body: bytes) -> None:
        await self._connection.send("POST", self._path, body)
        if self._connection.status != 202:
            await _refuse(self._connection)
        await self._connection.body()

    async def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        await self._post(self._message(method, params))
        async for event in self._events:
            message = json.loads(event)
            if message.get("id") == self._last_id:
                return _result(message)
        raise CallError("The stream ended.")

    async def aclose(self) -> None:
        """Leave."""
        await self._stream.stream.aclose()
        await self._connection.stream.aclose()
