"""Pydantic AI: the server as a toolset, asked by an agent whose model is a function."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from journey import CallFailed
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


class Toolset:
    """The toolset, called as an agent calls it."""

    def __init__(self, toolset: MCPToolset, told: list[float]) -> None:
        self._toolset = toolset
        self._told = told

    async def tools(self) -> list[str]:
        shown: list[str] = []

        def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            shown.extend(tool.name for tool in info.function_tools)
            return ModelResponse(parts=[TextPart("done")])

        await Agent(FunctionModel(model), toolsets=[self._toolset]).run("look")
        return shown

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        try:
            answer = await self._toolset.direct_call_tool(tool, arguments)
        except ModelRetry as error:
            raise CallFailed(str(error)) from error
        return json.loads(answer) if isinstance(answer, str) else answer

    async def call_with_progress(self, tool: str, /, **arguments: Any) -> int | None:
        self._told.clear()
        with suppress(CallFailed):  # It is meant to take too long.
            await self.call(tool, **arguments)
        return len(self._told)


@asynccontextmanager
async def connect(url: str, token: str, way: str) -> AsyncIterator[Toolset]:
    told: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    headers = {"Authorization": f"Bearer {token}"}
    transport = (
        SSETransport(f"{url}/sse", headers=headers)
        if way == "sse"
        else StreamableHttpTransport(f"{url}/mcp", headers=headers)
    )
    async with MCPToolset(transport, progress_handler=note) as toolset:
        yield Toolset(toolset, told)
