"""A real server over HTTP in a process of its own, and clients of it."""

import os
import signal
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import httpx
import httpx2
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.warm import Process, Streams

_START_S = 60.0
# A context that has not loaded the certificates of all authorities, which takes 50 ms each time.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
Way = Literal["sse", "http, with a handshake", "http, without one"]
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that is up."""

    url: str
    process: Process
    log: Path

    def stop(self) -> int:
        """Ask it to stop, and wait: its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Ask once, on a connection of its own."""
        return httpx.get(self.url + path, verify=_NO_TLS, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """Send once, on a connection of its own."""
        return httpx.post(self.url + path, verify=_NO_TLS, **more)

    def client(self, **more: Any) -> httpx.Client:
        """For many requests."""
        return httpx.Client(base_url=self.url, verify=_NO_TLS, **more)

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextmanager
def http_server(folder: Path, **environment: str) -> Generator[HttpServer]:
    """Start `serve --http` on a data directory in the folder, and stop it in order at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "server.log"
    settings = {**os.environ, "SERVICETSUNAMI_DATA_DIR": str(folder / "data"), **environment}
    words = ("serve", "--http", "--port", str(port))
    with log.open("wb") as logged, Path(os.devnull).open("rb") as nothing:
        streams = Streams(nothing.fileno(), logged.fileno(), logged.fileno())
        process = Process(*words, env=settings, streams=streams)
    server = HttpServer(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_until_ready(server)
        yield server
        if process.poll() is None:
            assert server.stop() == 0, server.logged()
    finally:
        process.kill()
        process.wait(timeout=30)


def _wait_until_ready(server: HttpServer) -> None:
    ends_at = time.monotonic() + _START_S
    while time.monotonic() < ends_at:
        assert server.process.poll() is None, server.logged()
        try:
            if server.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(server.logged())


@asynccontextmanager
async def connected(
    server: HttpServer, credential: str, way: Way = "http, without one"
) -> AsyncGenerator[Client]:
    """The official client, over either transport and in both eras of the protocol."""
    headers: dict[str, Any] = {"Authorization": f"Bearer {credential}"}
    if way == "sse":
        stream = sse_client(f"{server.url}/sse", headers=headers, httpx_client_factory=async_client)
        async with Client(stream) as client:
            yield client
        return
    mode = "legacy" if way == "http, with a handshake" else "auto"
    timeout = httpx2.Timeout(30, read=120)
    async with (
        async_client(headers, timeout) as http,
        Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def async_client(
    headers: dict[str, Any] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
) -> httpx2.AsyncClient:
    """As clients of the SDK are made, without the certificates of all authorities."""
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, verify=_NO_TLS)
