"""The least that an MCP server can be with this SDK: what we compare our own costs with."""

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel


class Answer(BaseModel):
    """One number, with a schema, as our own answers have one."""

    one: int


async def answer(sql: str) -> Answer:
    """Answer one, whatever is asked."""
    return Answer(one=len(sql) and 1)


def main() -> None:
    """Serve one tool over stdio."""
    server = MCPServer("bare", log_level="WARNING")
    server.add_tool(answer)
    server.run("stdio")


if __name__ == "__main__":
    main()
