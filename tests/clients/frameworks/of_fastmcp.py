"""FastMCP's client, which makes objects out of answers by the tools' output schemas."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError
from journey import CallFailed


class Connected:
    """The client, connected."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self._client.list_tools()]

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        try:
            result = await self._client.call_tool(tool, arguments)
        except ToolError as error:
            raise CallFailed(str(error)) from error
        # `data` is the answer as an object of a class made from the tool's output schema.
        assert result.data is not None
        return result.structured_content

    async def call_with_progress(self, tool: str, /, **arguments: Any) -> int | None:
        told: list[float] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            told.append(progress)

        await self._client.call_tool(tool, arguments, progress_handler=note, raise_on_error=False)
        return len(told)


@asynccontextmanager
async def connect(url: str, token: str, way: str) -> AsyncIterator[Connected]:
    headers = {"Authorization": f"Bearer {token}"}
    transport = (
        SSETransport(f"{url}/sse", headers=headers)
        if way == "sse"
        else StreamableHttpTransport(f"{url}/mcp", headers=headers)
    )
    async with Client(transport) as client:
        yield Connected(client)
