"""The MCP tasks extension: long work handed back as a task that the client looks after.

As SEP-2663 has it: the server alone decides what becomes a task, and only for clients that have
declared the extension. Everybody else follows runs with `get_run`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, RequestParams
from pydantic import ConfigDict, Field

IDENTIFIER: Final = "io.modelcontextprotocol/tasks"
_HEADER_MISMATCH: Final = -32020
_NAME_HEADER: Final = "mcp-name"
_POLL_MS: Final = 1_000
_COMPLETE: Final = {"resultType": "complete"}

Status = Literal["working", "input_required", "completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task as a client sees it; `more` is what belongs to its status, such as its result."""

    id: str
    status: Status
    created_at: datetime
    updated_at: datetime
    message: str | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def as_created(self) -> dict[str, Any]:
        """The answer to the call that has created it."""
        return {
            "resultType": "task",
            "taskId": self.id,
            "status": self.status,
            "createdAt": self.created_at.isoformat(),
            "lastUpdatedAt": self.updated_at.isoformat(),
            "ttlMs": None,
            "pollIntervalMs": _POLL_MS,
        } | ({"statusMessage": self.message} if self.message else {})

    def as_detailed(self) -> dict[str, Any]:
        """The answer to `tasks/get`."""
        return self.as_created() | self.more | _COMPLETE


class TaskSource(Protocol):
    """Knows work of one kind that may become a task."""

    def requires(self, tool: str) -> bool:
        """Whether a tool can only be called by clients that know tasks."""
        ...

    async def start(
        self, params: CallToolRequestParams, call: Callable[[], Awaitable[HandlerResult]]
    ) -> TaskView | HandlerResult:
        """Make a call, or begin its work: a task, or the plain answer."""
        ...

    async def look(self, task_id: str) -> TaskView | None:
        """The task, or None for one that is not of this source."""
        ...

    async def cancel(self, task_id: str) -> bool:
        """Stop it; False for one that is not of this source."""
        ...

    async def update(self, task_id: str, responses: dict[str, Any]) -> bool:
        """Take what a person has answered; False for one that is not of this source."""
        ...


class _TaskParams(RequestParams):
    """Names a task."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    task_id: str = Field(alias="taskId")


class _UpdateParams(_TaskParams):
    """Answers what a task has asked."""

    input_responses: dict[str, Any] = Field(alias="inputResponses")


class Tasks(Extension):
    """Serves `tasks/get`, `tasks/update` and `tasks/cancel` over its sources."""

    identifier = IDENTIFIER

    def __init__(self, sources: Sequence[TaskSource]) -> None:
        self._sources = sources

    def methods(self) -> Sequence[MethodBinding]:
        """The methods beside those of the protocol itself."""
        return (
            MethodBinding("tasks/get", _TaskParams, self._get),
            MethodBinding("tasks/update", _UpdateParams, self._update),
            MethodBinding("tasks/cancel", _TaskParams, self._cancel),
        )

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> HandlerResult:
        """Hand long work back as a task, to clients that know what that is."""

        async def call() -> HandlerResult:
            return await call_next(ctx)

        for source in self._sources:
            if source.requires(params.name):
                require_client_extension(ctx, IDENTIFIER)
        if not knows_tasks(ctx):
            return await call()
        result: TaskView | HandlerResult = None
        for source in self._sources:
            result = await source.start(params, call)
            if result is not None:
                break
        else:
            return await call()
        return result.as_created() if isinstance(result, TaskView) else result

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: _TaskParams) -> HandlerResult:
        _check(ctx, params.task_id)
        for source in self._sources:
            found = await source.look(params.task_id)
            if found is not None:
                return found.as_detailed()
        raise _unknown(params.task_id)

    async def _update(
        self, ctx: ServerRequestContext[Any, Any], params: _UpdateParams
    ) -> HandlerResult:
        _check(ctx, params.task_id)
        for source in self._sources:
            if await source.update(params.task_id, params.input_responses):
                return dict(_COMPLETE)
        raise _unknown(params.task_id)

    async def _cancel(
        self, ctx: ServerRequestContext[Any, Any], params: _TaskParams
    ) -> HandlerResult:
        _check(ctx, params.task_id)
        for source in self._sources:
            if await source.cancel(params.task_id):
                return dict(_COMPLETE)
        raise _unknown(params.task_id)


def knows_tasks(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client of this request has declared the extension."""
    capabilities = ctx.session.client_capabilities
    return IDENTIFIER in ((capabilities.extensions if capabilities else None) or {})


def _check(ctx: ServerRequestContext[Any, Any], task_id: str) -> None:
    """Refuse clients that have not declared tasks, and a header that names another task."""
    require_client_extension(ctx, IDENTIFIER)
    headers = getattr(ctx.request, "headers", None) or {}
    named = headers.get(_NAME_HEADER)
    if named is not None and named != task_id:
        raise MCPError(_HEADER_MISMATCH, "The header Mcp-Name names another task than the body.")


def _unknown(task_id: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"No task has the id {task_id!r}.")
