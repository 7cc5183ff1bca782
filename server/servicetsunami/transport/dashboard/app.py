"""Offers the dashboard to hosts that show MCP Apps, in the place of a tool's text."""

from typing import Any, Final

from anyio import to_thread
from mcp.server.apps import APP_MIME_TYPE, Apps, client_supports_apps
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.resources import Resource
from pydantic import PrivateAttr

from servicetsunami.transport.dashboard.page import Page

URI: Final = "ui://servicetsunami/dashboard.html"
_TOOL: Final = "tenant_usage"
"""Whoever asks how things are is shown them."""


class DashboardResource(Resource):
    """The page, read when a host asks for it."""

    _page: Page = PrivateAttr(default_factory=Page)

    async def read(self) -> str:
        """The document."""
        return await to_thread.run_sync(self._read)

    def _read(self) -> str:
        return self._page.html


class DashboardApp(Apps):
    """The dashboard as an MCP App, tied to one tool."""

    def __init__(self) -> None:
        super().__init__()
        self.add_resource(
            DashboardResource(
                uri=URI,
                name="dashboard",
                title="Dashboard",
                description="Datasets, runs, sync and usage of the tenant, to look at and to act.",
                mime_type=APP_MIME_TYPE,
                meta={"ui": {"prefersBorder": False}},
            )
        )

    async def tie(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Say in the list of tools which one the page belongs to, to clients that show pages.

        A middleware: all others, and their models, are spared the words.
        """
        result = await call_next(ctx)
        if ctx.method == "tools/list" and isinstance(result, dict) and client_supports_apps(ctx):
            for tool in result.get("tools", ()):
                if tool["name"] == _TOOL:
                    tool["_meta"] = {**tool.get("_meta", {}), "ui": {"resourceUri": URI}}
        return result
