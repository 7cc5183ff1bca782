"""Fixture tools that ask the client while they run, as revisions up to 2025-11-25 allow."""

import json
from typing import Any, Final, Literal

from mcp.server.mcpserver import Context
from mcp_types import ElicitResult, SamplingMessage, TextContent
from pydantic import BaseModel, Field


class _Person(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class _Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


_ENUMS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": "value1", "title": "First Option"},
                {"const": "value2", "title": "Second Option"},
            ],
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"const": "value1", "title": "First Choice"},
                    {"const": "value2", "title": "Second Choice"},
                ]
            },
        },
    },
}


async def test_sampling(ctx: Context, prompt: str) -> str:
    """Let the client's model answer."""
    question = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message(
        [question], max_tokens=100, related_request_id=ctx.request_id
    )
    text = answer.content.text if isinstance(answer.content, TextContent) else "not a text"
    return f"LLM response: {text}"


async def test_elicitation(ctx: Context, message: str) -> str:
    """Ask the person at the client for two texts."""
    answer = await ctx.elicit(message, _Person)
    data = answer.data.model_dump() if answer.action == "accept" else {}
    return f"User response: action={answer.action}, content={json.dumps(data)}"


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask for one value of each simple type, each with a default."""
    answer = await ctx.elicit("Please check these values.", _Defaults)
    data = answer.data.model_dump() if answer.action == "accept" else {}
    return f"Elicitation completed: action={answer.action}, content={json.dumps(data)}"


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask for a choice, in each way in which a choice can be written."""
    answer: ElicitResult = await ctx.session.elicit_form(
        "Please choose.", _ENUMS, related_request_id=ctx.request_id
    )
    return f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}"


TOOLS: Final = (
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
)
