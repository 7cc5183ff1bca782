"""The bare server over HTTP: Streamable HTTP and SSE in one app, as the SDK makes them."""

import sys

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.sse import SseServerTransport
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from benchmarks.bare_server import answer


class Sse:
    """Serves one client for as long as it keeps its stream open."""

    def __init__(self, server: MCPServer, transport: SseServerTransport) -> None:
        self._server = server._lowlevel_server
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client."""
        options = self._server.create_initialization_options()
        async with self._transport.connect_sse(scope, receive, send) as (incoming, outgoing):
            await self._server.run(incoming, outgoing, options)


def main() -> None:
    """Serve one tool at the port that is given, on the loop and the parser that we use."""
    server = MCPServer("bare", log_level="WARNING")
    server.add_tool(answer)
    http = server.streamable_http_app()
    transport = SseServerTransport("/messages/")
    app = Starlette(
        routes=[
            *http.routes,
            Route("/sse", endpoint=Sse(server, transport), methods=["GET"]),
            Mount("/messages/", app=transport.handle_post_message),
        ],
        lifespan=lambda _: server.session_manager.run(),
    )
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="error",
        lifespan="on",
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
