"""The MCP server object: registration, error translation, resources and completions."""

import inspect
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from anyio import AsyncFile
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, Extension, MCPServer
from mcp.server.mcpserver.exceptions import (
    ResourceError,
    ToolError,
    UnexpectedResourceError,
    UnexpectedToolError,
)
from mcp.server.mcpserver.prompts.base import Prompt
from mcp.server.mcpserver.server import ReadResourceContents
from mcp.server.mcpserver.tools import Tool as RegisteredTool
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    InputRequiredResult,
    PromptReference,
    Resource,
    ResourceTemplateReference,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import AnyUrl, ValidationError

from servicetsunami import __version__
from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.errors import ServerError
from servicetsunami.services.progress import silent
from servicetsunami.stores.visibility import only
from servicetsunami.tools import prompts
from servicetsunami.tools.context import Services
from servicetsunami.transport.admission import Admission
from servicetsunami.transport.dashboard.app import DashboardApp
from servicetsunami.transport.instructions import instructions
from servicetsunami.transport.marking import Marking
from servicetsunami.transport.run_tasks import RunTasks
from servicetsunami.transport.schemas import published_input, published_output
from servicetsunami.transport.scopes import scope_of
from servicetsunami.transport.stdio import claim_stdin, lines
from servicetsunami.transport.subscribing import Subscribing
from servicetsunami.transport.subscriptions import Subscriptions
from servicetsunami.transport.tasks import Tasks, TaskSource
from servicetsunami.transport.toolsets import TOOLSETS, ToolLine, offered

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage

_log = logging.getLogger(__name__)

_PROMPTS: Final = (
    (prompts.explore_data, "Explore data"),
    (prompts.automate, "Automate an answer"),
    (prompts.ask_documents, "Ask documents"),
)

_AUDIT: Final = "lake://audit"
_AUDIT_RECORDS: Final = 200

_RESOURCES: Final = (
    (
        "lake://datasets/{schema}.{table}",
        "dataset",
        "Dataset",
        "Columns, sample rows, versions and sync state of one dataset.",
        "application/json",
    ),
    (
        "lake://notebooks/{+name}",
        "notebook",
        "Notebook",
        "The text of a notebook.",
        "text/plain",
    ),
    (
        "lake://runs/{run_id}",
        "run",
        "Run",
        "One run with the outputs of its cells.",
        "application/json",
    ),
    (
        "lake://runs/{run_id}/cells/{cell}",
        "cell output",
        "Output of a cell",
        "The whole text that a cell of a run has put out.",
        "text/plain",
    ),
    (
        "lake://runs/{run_id}/images/{file}",
        "image",
        "Image of a cell",
        "An image that a cell of a run has put out.",
        "image/png",
    ),
    (
        _AUDIT,
        "audit",
        "Audit record",
        "The last operations of the tenant, for its administrators.",
        "application/json",
    ),
)
"""Address, name, title, description and type of each resource."""

_HINTS: Final = {
    "read": ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    # Overwriting is destructive to the current version, though the earlier one stays readable.
    "write": ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
    ),
    # Code may do to the tenant's data whatever a write may.
    "execute": ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
    ),
    "destroy": ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
    ),
}


@cache
def described(line: ToolLine) -> RegisteredTool:
    """Describe a tool, once in a process: the schemas of all of them take 0.2 s."""
    return RegisteredTool.from_function(
        line.function,
        title=line.title,
        description=inspect.getdoc(line.function),
        annotations=_HINTS[line.kind],
    )


@cache
def _prompt(function: Callable[..., str], title: str) -> Prompt:
    return Prompt.from_function(function, title=title, description=inspect.getdoc(function))


class LakeServer(MCPServer[Any]):
    """An MCPServer that knows our services, and speaks of failures as a model needs it."""

    def __init__(
        self,
        services: Services,
        caller: Callable[[], Caller],
        *,
        read_only: bool = False,
        toolsets: Collection[str] = TOOLSETS,
        admission: Admission | None = None,
        extensions: Sequence[Extension] = (),
        task_sources: Sequence[TaskSource] = (),
        marking: Marking | None = None,
        is_recorded: bool = False,
    ) -> None:
        lines = offered(toolsets, read_only=read_only)
        words = marking or Marking()
        dashboard = DashboardApp()
        super().__init__(
            "servicetsunami",
            title="ServiceTsunami",
            version=__version__,
            instructions=instructions({line.name for line in lines}),
            log_level="WARNING",
            tools=[described(line) for line in lines],
            extensions=[
                *extensions,
                dashboard,
                Tasks([RunTasks(services, caller, words), *task_sources]),
            ],
        )
        self._words = words
        self.services = services
        self.caller = caller
        self.is_read_only = read_only
        self.admission = admission or Admission()
        self.middleware.append(self._see_own_rows)
        self.middleware.append(dashboard.tie)
        for prompt, title in _PROMPTS:
            self.add_prompt(_prompt(prompt, title))
        self._add_resources(is_recorded=is_recorded)
        self.completion()(self._complete)
        self.subscriptions = Subscriptions(services.watching)
        Subscribing(
            self.subscriptions,
            caller=caller,
            admission=self.admission,
            shared=self._subscriptions,
        ).add_to(self._lowlevel_server)

    async def _see_own_rows(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Have every message served with the rows of its own tenant alone."""
        with only(self.caller().tenant):
            return await call_next(ctx)

    def _add_resources(self, *, is_recorded: bool) -> None:
        readers = {
            "dataset": self._dataset_resource,
            "notebook": self._notebook_resource,
            "run": self._run_resource,
            "cell output": self._cell_resource,
            "image": self._image_resource,
            "audit": self._audit_resource,
        }
        for uri, name, title, description, mime_type in _RESOURCES:
            if name != "audit" or is_recorded:
                self.resource(
                    uri,
                    name=name,
                    title=title,
                    description=description,
                    mime_type=self._words.mime_type(mime_type),
                )(readers[name])

    async def run_stdio_async(self) -> None:
        """Serve one client over stdin and stdout until it closes stdin."""
        stdin = lines(claim_stdin())
        # The SDK only iterates over it, though it asks for a file.
        async with stdio_server(stdin=cast("AsyncFile[str]", stdin)) as (incoming, outgoing):
            await self.run_streams(incoming, outgoing)

    async def run_streams(
        self,
        incoming: "ReadStream[SessionMessage | Exception]",
        outgoing: "WriteStream[SessionMessage]",
    ) -> None:
        """Serve one client over a pair of streams until it is gone."""
        await self._lowlevel_server.run(
            incoming, outgoing, self._lowlevel_server.create_initialization_options()
        )

    async def list_tools(self) -> list[Tool]:
        """List the tools that the caller may call, their schemas as short as they can be said."""
        scopes = self.caller().scopes
        return [
            tool.model_copy(
                update={
                    "input_schema": published_input(tool.input_schema),
                    "output_schema": tool.output_schema and published_output(tool.output_schema),
                }
            )
            for tool in await super().list_tools()
            if scope_of(tool.name) in scopes
        ]

    async def list_resources(self) -> list[Resource]:
        """List the resources that the caller may read."""
        is_admin = Scope.ADMIN in self.caller().scopes
        return [each for each in await super().list_resources() if is_admin or each.uri != _AUDIT]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool, with our errors in their own words and the answer as compact text.

        The SDK hides every exception but ToolError from the model. Ours are meant for the
        model; anything else stays hidden, and is logged by the SDK with its traceback.
        """
        try:
            if self._tool_manager.get_tool(name) is None:
                return await super().call_tool(name, arguments, context)
            async with self.admission.admit(
                self.caller(), scope_of(name), name, door="mcp", arguments=arguments
            ):
                result = await super().call_tool(name, arguments, context)
        except ServerError as error:
            raise ToolError(self._words.error(error)) from error
        except UnexpectedToolError as error:
            if isinstance(error.__cause__, ServerError):
                raise ToolError(self._words.error(error.__cause__)) from error
            raise
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(
                    self._words.plain(_explain(name, error.__cause__))
                ) from error.__cause__
            raise
        if isinstance(result, CallToolResult) and result.structured_content is not None:
            text = self._words.answer(result.structured_content)
            return result.model_copy(update={"content": [TextContent(type="text", text=text)]})
        return result

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource, with our errors in their own words."""
        try:
            async with self.admission.admit(
                self.caller(), Scope.READ, "read_resource", door="mcp", arguments={"uri": str(uri)}
            ):
                return await super().read_resource(uri, context)
        except ServerError as error:
            raise ResourceError(self._words.error(error)) from error
        except UnexpectedResourceError as error:
            cause = _root_cause(error)
            if isinstance(cause, ServerError):
                raise ResourceError(self._words.error(cause)) from error
            raise

    async def _dataset_resource(self, schema: str, table: str) -> str:
        described = await self.services.datasets.describe(self.caller(), f"{schema}.{table}")
        return self._words.answer(described.model_dump(mode="json"))

    async def _notebook_resource(self, name: str) -> str:
        parsed = NotebookName.parse(name)
        text = (await self.services.notebooks.load(self.caller(), parsed))[1].content
        return self._words.text(text)

    async def _run_resource(self, run_id: str) -> str:
        found = await self.services.runs.get(self.caller(), run_id, silent, wait=False)
        return self._words.answer(found.model_dump(mode="json"))

    async def _audit_resource(self) -> str:
        records = await self.services.audit.tail(self.caller(), _AUDIT_RECORDS)
        return self._words.answer([record.model_dump(mode="json") for record in records])

    async def _cell_resource(self, run_id: str, cell: int) -> str:
        return self._words.text(await self.services.runs.output(self.caller(), run_id, cell))

    async def _image_resource(self, run_id: str, file: str) -> bytes:
        return await self.services.runs.image(self.caller(), run_id, file)

    async def _complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        caller = self.caller()
        if Scope.READ not in caller.scopes:
            return None
        if isinstance(ref, PromptReference) and argument.name != "dataset":
            return None
        known = (context.arguments or {}) if context else {}
        found = await self.services.datasets.complete(
            caller, part=argument.name, prefix=argument.value, schema=known.get("schema")
        )
        return Completion(values=found[:100], total=len(found), has_more=len(found) > 100)


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _explain(tool: str, error: ValidationError) -> str:
    """Say which arguments are wrong, without the values, which may be long or private."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in fault["loc"]) or "arguments"
        faults.append(f"`{field}`: {fault['msg']}")
    listed = "; ".join(dict.fromkeys(faults))
    return f"The arguments of {tool} are not usable: {listed}. Correct them and call again."
