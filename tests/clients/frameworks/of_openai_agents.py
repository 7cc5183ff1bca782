"""The OpenAI Agents SDK: the server as one of an agent's MCP servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from agents import Agent
from agents.mcp import MCPServer, MCPServerSse, MCPServerStreamableHttp, MCPUtil
from agents.run_context import RunContextWrapper
from journey import CallFailed


class Server:
    """The server as the SDK holds it."""

    def __init__(self, server: MCPServer) -> None:
        self._server = server

    async def tools(self) -> list[str]:
        context, agent = RunContextWrapper(None), Agent(name="a", mcp_servers=[self._server])
        for strict in (False, True):
            made = await MCPUtil.get_function_tools(self._server, strict, context, agent)
        return [tool.name for tool in made]

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        result = await self._server.call_tool(tool, arguments)
        error = getattr(result, "is_error", None) or getattr(result, "isError", None)
        if error:
            raise CallFailed(result.content[0].text)
        found = getattr(result, "structured_content", None)
        return found if found is not None else result.structuredContent

    async def call_with_progress(self, tool: str, /, **arguments: Any) -> int | None:
        with suppress(CallFailed):  # It is meant to take too long.
            await self.call(tool, **arguments)
        return None


@asynccontextmanager
async def connect(url: str, token: str, way: str) -> AsyncIterator[Server]:
    kind = MCPServerSse if way == "sse" else MCPServerStreamableHttp
    params = {
        "url": f"{url}/sse" if way == "sse" else f"{url}/mcp",
        "headers": {"Authorization": f"Bearer {token}"},
    }
    # Its own limit of 5 s for an answer is less than a notebook takes.
    async with kind(params=params, client_session_timeout_seconds=60) as server:
        yield Server(server)
