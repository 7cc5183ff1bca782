"""Serves the MCP server over Streamable HTTP, on this machine only."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn

from servicetsunami.errors import ConfigurationError
from servicetsunami.transport.mcp import LakeServer

MCP_PATH = "/mcp"
_SHUTDOWN_S = 5


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def serve(server: LakeServer, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigurationError for an address beyond loopback."""
    if not is_loopback(host):
        raise ConfigurationError(
            f"The server will not listen on {host}: anybody there could use it.",
            "Set SERVICETSUNAMI_HTTP_HOST to 127.0.0.1.",
        )
    app = server.streamable_http_app(streamable_http_path=MCP_PATH, host=host)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    await _Server(config).serve()


class _Server(uvicorn.Server):
    """Stops in order on a signal, and leaves it at that.

    uvicorn raises the signal once more after its own stop, which would end the process before our
    children and counts are looked after.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ask for an orderly stop when a signal comes."""
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
