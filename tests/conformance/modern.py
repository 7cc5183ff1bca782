"""Fixture tools and a prompt that ask the client as revision 2026-07-28 does.

Instead of asking while it runs, a call ends with `input_required` and is made again with the
answers; what has to be remembered meanwhile travels in `request_state`, which the SDK seals.
"""

from typing import Any, Final, Literal

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    SamplingMessage,
    TextContent,
)


def _form(message: str, field: str, kind: Literal["string", "boolean"]) -> ElicitRequest:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field: {"type": kind}},
        "required": [field],
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _question(text: str, tokens_max: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=tokens_max)
    )


def _ask(state: str | None = None, /, **requests: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def _form_answer(ctx: Context, key: str, field: str) -> Any:
    """What the person typed, or None when this question has not been answered."""
    answer = (ctx.input_responses or {}).get(key)
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return None
    return (answer.content or {}).get(field)


async def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Ask for a name, and greet."""
    name = _form_answer(ctx, "user_name", "name")
    if name is None:
        return _ask(user_name=_form("What is your name?", "name", "string"))
    return f"Hello, {name}!"


async def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
    """Let the client's model answer."""
    answer = (ctx.input_responses or {}).get("capital_question")
    if answer is None:
        return _ask(capital_question=_question("What is the capital of France?", 100))
    return f"LLM response: {answer.model_dump_json()}"


async def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
    """Ask which folders the client shows us."""
    answer = (ctx.input_responses or {}).get("client_roots")
    if not isinstance(answer, ListRootsResult):
        return _ask(client_roots=ListRootsRequest())
    return "Roots: " + ", ".join(str(root.uri) for root in answer.roots)


async def test_input_required_result_request_state(ctx: Context) -> str | InputRequiredResult:
    """Ask for a confirmation, and see our own state come back."""
    if ctx.request_state != "first" or _form_answer(ctx, "confirm", "ok") is None:
        return _ask("first", confirm=_form("Please confirm", "ok", "boolean"))
    return "state-ok"


async def test_input_required_result_tampered_state(ctx: Context) -> str | InputRequiredResult:
    """Ask for a confirmation; whoever changes the state is refused before this is called."""
    return await test_input_required_result_request_state(ctx)


async def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
    """Ask three things at once."""
    answers = ctx.input_responses or {}
    if {"user_name", "greeting", "client_roots"} <= set(answers):
        return "Hello; all three answers have come."
    return _ask(
        "asked",
        user_name=_form("What is your name?", "name", "string"),
        greeting=_question("Generate a greeting", 50),
        client_roots=ListRootsRequest(),
    )


async def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
    """Ask for a name, then for a colour."""
    name = _form_answer(ctx, "step1", "name")
    if ctx.request_state == "step1" and name is not None:
        question = _form("Step 2: What is your favorite color?", "color", "string")
        return _ask(f"step2:{name}", step2=question)
    color = _form_answer(ctx, "step2", "color")
    if ctx.request_state is not None and color is not None:
        return f"Hello, {ctx.request_state.removeprefix('step2:')}; {color} it is."
    return _ask("step1", step1=_form("Step 1: What is your name?", "name", "string"))


async def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
    """Ask only in ways that the client has declared."""
    if ctx.input_responses:
        return "Answered."
    requests: dict[str, InputRequest] = {}
    declared = ctx.client_capabilities or ClientCapabilities()
    if declared.sampling is not None:
        requests["greeting"] = _question("Generate a greeting", 50)
    if declared.elicitation is not None:
        requests["user_name"] = _form("What is your name?", "name", "string")
    return _ask(**requests) if requests else "There is no way to ask this client."


async def test_missing_capability(ctx: Context) -> str:
    """Refuse a client that has not declared sampling."""
    if (ctx.client_capabilities or ClientCapabilities()).sampling is not None:
        return "The client can sample."
    required = MissingRequiredClientCapabilityErrorData(
        required_capabilities=ClientCapabilities(sampling=SamplingCapability())
    )
    raise MCPError(
        code=MISSING_REQUIRED_CLIENT_CAPABILITY,
        message="This tool needs a client that can sample.",
        data=required.model_dump(by_alias=True, mode="json", exclude_none=True),
    )


async def test_streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
    """Report progress on the stream, then ask: never a request of our own on it."""
    await ctx.report_progress(1, 2)
    return await test_input_required_result_elicitation(ctx)


async def test_logging_tool(ctx: Context) -> str:
    """Log, which reaches only a client that has asked for it."""
    await ctx.info("Logged for whoever asked.")  # ty: ignore[deprecated]
    return "Logged."


async def test_trigger_tool_change(ctx: Context) -> str:
    """Tell subscribers that the tools have changed."""
    await ctx.notify_tools_changed()
    return "Told."


async def test_trigger_prompt_change(ctx: Context) -> str:
    """Tell subscribers that the prompts have changed."""
    await ctx.notify_prompts_changed()
    return "Told."


async def test_input_required_result_prompt(ctx: Context) -> str | InputRequiredResult:
    """Ask for a context before the prompt is written."""
    context = _form_answer(ctx, "user_context", "context")
    if context is None:
        question = _form("What context should the prompt use?", "context", "string")
        return _ask(user_context=question)
    return f"Use this context: {context}"


TOOLS: Final = (
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    test_missing_capability,
    test_streaming_elicitation,
    test_logging_tool,
    test_trigger_tool_change,
    test_trigger_prompt_change,
)
PROMPTS: Final = (test_input_required_result_prompt,)
