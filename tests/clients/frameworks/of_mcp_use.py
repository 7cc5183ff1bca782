"""mcp-use: the server by its entry in a configuration, and as tools of LangChain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from journey import CallFailed
from mcp_use import MCPClient, MCPSession
from mcp_use.agents.adapters.langchain_adapter import LangChainAdapter


class Session:
    """The session that mcp-use made."""

    def __init__(self, client: MCPClient, session: MCPSession) -> None:
        self._client = client
        self._session = session

    async def tools(self) -> list[str]:
        made = await LangChainAdapter().create_tools(self._client)
        listed = [tool.name for tool in await self._session.list_tools()]
        assert {*listed} <= {tool.name for tool in made}
        return listed

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        result = await self._session.call_tool(tool, arguments)
        if result.isError:
            raise CallFailed(result.content[0].text)
        return result.structuredContent

    async def call_with_progress(self, tool: str, /, **arguments: Any) -> int | None:
        with suppress(CallFailed):  # It is meant to take too long.
            await self.call(tool, **arguments)
        return None


@asynccontextmanager
async def connect(url: str, token: str, way: str) -> AsyncIterator[Session]:
    entry = {
        "url": f"{url}/sse" if way == "sse" else f"{url}/mcp",
        "headers": {"Authorization": f"Bearer {token}"},
    }
    client = MCPClient.from_dict({"mcpServers": {"lake": entry}})
    try:
        yield Session(client, await client.create_session("lake"))
    finally:
        await client.close_all_sessions()
