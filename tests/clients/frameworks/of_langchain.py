"""LangChain, by langchain-mcp-adapters: tools of the server as tools of LangChain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from journey import CallFailed
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools


class Tools:
    """The tools by their names, called as a graph calls them."""

    def __init__(self, tools: list[BaseTool], told: list[float]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._told = told

    async def tools(self) -> list[str]:
        for tool in self._tools.values():
            assert convert_to_openai_tool(tool)["function"]["parameters"]["type"] == "object"
        return list(self._tools)

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        asked = {"type": "tool_call", "id": "1", "name": tool, "args": arguments}
        message = await self._tools[tool].ainvoke(asked)
        if message.status == "error":
            raise CallFailed(str(message.content))
        return message.artifact["structured_content"]

    async def call_with_progress(self, tool: str, /, **arguments: Any) -> int | None:
        self._told.clear()
        with suppress(CallFailed):  # It is meant to take too long.
            await self.call(tool, **arguments)
        return len(self._told)


@asynccontextmanager
async def connect(url: str, token: str, way: str) -> AsyncIterator[Tools]:
    told: list[float] = []

    async def note(progress: float, total: float | None, message: str | None, _: object) -> None:
        told.append(progress)

    client = MultiServerMCPClient(
        {
            "lake": {
                "transport": "sse" if way == "sse" else "streamable_http",
                "url": f"{url}/sse" if way == "sse" else f"{url}/mcp",
                "headers": {"Authorization": f"Bearer {token}"},
            }
        },
        callbacks=Callbacks(on_progress=note),
    )
    async with client.session("lake") as session:
        tools = await load_mcp_tools(session, callbacks=Callbacks(on_progress=note))
        yield Tools(tools, told)
