"""Calls of tools as messages: which tool one calls, and how one is refused before it is served."""

import json
import math
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive

from servicetsunami.errors import TooManyCalls


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call in a JSON-RPC message."""

    id: str | int | None
    tool: str

    def refused(self, error: TooManyCalls) -> dict[str, Any]:
        """The result of a tool that failed, which a model reads."""
        said = {"type": "text", "text": str(error)}
        # Revisions with a handshake know no type of a result, and pass over it.
        return {"resultType": "complete", "content": [said], "isError": True}

    def refusal(self, error: TooManyCalls) -> Response:
        """The same as an answer over HTTP, which tells when to come again."""
        return JSONResponse(
            {"jsonrpc": "2.0", "id": self.id, "result": self.refused(error)},
            headers={"Retry-After": str(math.ceil(error.wait_s))},
        )


def tool_called(body: bytes) -> ToolCall | None:
    """The call that a message is, or None for any other."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    params = message.get("params") if isinstance(message, dict) else None
    if not isinstance(params, dict) or message.get("method") != "tools/call":
        return None
    name, number = params.get("name"), message.get("id")
    if not isinstance(name, str):
        return None
    return ToolCall(id=number if isinstance(number, str | int) else None, tool=name)


async def read_call(first: Receive, rest: Receive) -> tuple[ToolCall | None, Receive]:
    """The call that a request makes, if it does; and the request once more.

    A call comes in one piece: what does not is none, and goes on to be read by somebody else.
    """
    message = await first()
    waiting = [message]

    async def again() -> Message:
        return waiting.pop() if waiting else await rest()

    return tool_called(message.get("body", b"")), again
