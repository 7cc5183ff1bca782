"""The tools, resources and prompts that the conformance suite asks for by name.

The suite cannot know what a server is for, so it calls `test_simple_text` and the like. They are
added to a server that our own factory has built: everything else it meets is the product's.
"""

import base64
import io
import struct
import wave
import zlib
from typing import Annotated, Any, Final

import anyio
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import Message, UserMessage
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import Field

from tests.conformance import asking, modern, tasks

_PAUSE_S: Final = 0.05


def add_fixtures(server: MCPServer[Any]) -> None:
    """Add all that the suite calls by name."""
    for tool in (
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_tool_with_logging,
        test_tool_with_progress,
        test_error_handling,
        *asking.TOOLS,
        *modern.TOOLS,
        *tasks.TOOLS,
    ):
        server.add_tool(tool, structured_output=False)
    _add_resources(server)
    for prompt in (
        test_simple_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
        *modern.PROMPTS,
    ):
        server.prompt()(prompt)
    _add_legacy_methods(server._lowlevel_server)


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _png() -> str:
    """One red pixel."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\x00\xff\x00\x00")),
        (b"IEND", b""),
    )
    packed = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + packed).decode()


def _wav() -> str:
    """A hundredth of a second of silence."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return base64.b64encode(buffer.getvalue()).decode()


def _image() -> ImageContent:
    return ImageContent(type="image", data=_png(), mime_type="image/png")


def _resource(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


async def test_simple_text() -> str:
    """Answer with text."""
    return "This is a simple text response for testing."


async def test_image_content() -> CallToolResult:
    """Answer with an image."""
    return CallToolResult(content=[_image()])


async def test_audio_content() -> CallToolResult:
    """Answer with sound."""
    return CallToolResult(content=[AudioContent(type="audio", data=_wav(), mime_type="audio/wav")])


async def test_embedded_resource() -> CallToolResult:
    """Answer with a resource."""
    text = "This is an embedded resource content."
    return CallToolResult(content=[_resource("test://embedded-resource", "text/plain", text)])


async def test_multiple_content_types() -> CallToolResult:
    """Answer with a text, an image and a resource."""
    mixed: list[ContentBlock] = [
        _text("Multiple content types test:"),
        _image(),
        _resource(
            "test://mixed-content-resource", "application/json", '{"test":"data","value":123}'
        ),
    ]
    return CallToolResult(content=mixed)


async def test_tool_with_logging(ctx: Context) -> str:
    """Log three times, with pauses."""
    for number, message in enumerate(
        ("Tool execution started", "Tool processing data", "Tool execution completed")
    ):
        if number:
            await anyio.sleep(_PAUSE_S)
        await ctx.info(message)  # ty: ignore[deprecated]
    return "Logged three times."


async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress three times, with pauses."""
    for percent in (0, 50, 100):
        if percent:
            await anyio.sleep(_PAUSE_S)
        await ctx.report_progress(percent, 100)
    return "Reported three times."


async def test_error_handling() -> str:
    """Fail, always."""
    raise ToolError("This tool intentionally returns an error for testing")


def _add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """A text that does not change."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """An image that does not change."""
        return base64.b64decode(_png())

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        """A text that a client can subscribe to."""
        return "This is the content of the watched resource."

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        """A text that repeats its own address."""
        return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


def test_simple_prompt() -> str:
    """One sentence."""
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(
    arg1: Annotated[str, Field(description="First test argument.")],
    arg2: Annotated[str, Field(description="Second test argument.")],
) -> str:
    """One sentence with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def test_prompt_with_embedded_resource(
    resourceUri: Annotated[str, Field(description="What to embed.")],  # noqa: N803
) -> list[Message]:
    """A resource, and a request to work on it."""
    embedded = _resource(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(embedded), UserMessage("Please process the embedded resource above.")]


def test_prompt_with_image() -> list[Message]:
    """An image, and a request to work on it."""
    return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


def _add_legacy_methods(server: Server[Any]) -> None:
    """Serve what the revisions up to 2025-11-25 ask for, and the product has no use for."""

    async def done(
        _ctx: object,
        _params: SetLevelRequestParams | SubscribeRequestParams | UnsubscribeRequestParams,
    ) -> EmptyResult:
        return EmptyResult()

    server.add_request_handler("logging/setLevel", SetLevelRequestParams, done)
    server.add_request_handler("resources/subscribe", SubscribeRequestParams, done)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, done)
