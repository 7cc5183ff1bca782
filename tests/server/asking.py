"""Short ways to call tools, and to read what a model would read."""

import re
from typing import Any

from mcp.client import Client
from mcp_types import TextContent


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer; the call must not fail."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


async def failure(client: Client, tool: str, **arguments: Any) -> str:
    """What the model reads when the call fails, which it must."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    [text] = result.content
    assert isinstance(text, TextContent)
    return unmarked(text.text)


def unmarked(text: str) -> str:
    """What a model reads, without the marks around what others may have written."""
    return re.sub(r"</?data-[0-9a-f]{8}>", "", text)


async def ask(client: Client, sql: str, **more: Any) -> list[list[Any]]:
    """The rows of a query."""
    return (await call(client, "query_dataset", sql=sql, **more))["rows"]
