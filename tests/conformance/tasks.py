"""The fixture tools of the suite's task scenarios, and the source that makes tasks of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from mcp.server.context import HandlerResult
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolRequestParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel

from servicetsunami.transport.tasks import Status, TaskView
from tests.conformance.modern import _ask, _form

SLOW: Final = ("slow_compute", "protocol_error_job", "confirm_delete", "multi_input")
REQUIRED: Final = ("failing_job", "test_tool_with_task")


async def greet(name: str) -> str:
    """Greet."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float = 0, label: str = "") -> str:
    """Compute for so long."""
    await anyio.sleep(seconds)
    return f"computed {label}"


async def failing_job() -> str:
    """Fail after a while."""
    await anyio.sleep(1)
    raise ToolError("It failed.")


async def protocol_error_job() -> str:
    """End in an error of the protocol."""
    raise MCPError(INTERNAL_ERROR, "It broke.")


async def confirm_delete(filename: str = "") -> str:
    """Delete once a person has agreed."""
    return f"deleted {filename}"


async def multi_input() -> str:
    """Ask for two things at once."""
    return "got both"


async def test_tool_with_task(ctx: Context) -> str | InputRequiredResult:
    """Ask for a name, then work."""
    answer = (ctx.input_responses or {}).get("user_name")
    if not isinstance(answer, ElicitResult):
        return _ask(user_name=_form("Who are you?", "name", "string"))
    return f"Hello, {(answer.content or {}).get('name')}!"


TOOLS: Final = (
    greet,
    slow_compute,
    failing_job,
    protocol_error_job,
    confirm_delete,
    multi_input,
    test_tool_with_task,
)
_ASKS: Final = {"confirm_delete": ("confirm",), "multi_input": ("first", "second")}


@dataclass
class FixtureTask:
    id: str
    asks: dict[str, Any]
    answered: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: Status = "working"
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def view(self) -> TaskView:
        is_asking = self.asks and self.status == "working"
        return TaskView(
            id=self.id,
            status="input_required" if is_asking else self.status,
            created_at=self.created_at,
            updated_at=datetime.now(UTC),
            more={"inputRequests": self.asks} if is_asking else self.more,
        )

    async def run(self, call: Callable[[], Awaitable[HandlerResult]]) -> None:
        with self.scope:
            try:
                if self.asks:
                    await self.answered.wait()
                result = await call()
                dumped = (
                    result.model_dump(by_alias=True, mode="json", exclude_none=True)
                    if isinstance(result, BaseModel)
                    else result
                )
                self.status, self.more = "completed", {"result": dumped}
            except MCPError as error:
                self.more = {"error": {"code": error.code, "message": error.message}}
                self.status = "failed"
        if self.scope.cancelled_caught:
            self.status = "cancelled"


class FixtureTasks:
    """Runs the fixture tools in the background of the server."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._all: dict[str, FixtureTask] = {}

    def requires(self, tool: str) -> bool:
        return tool in REQUIRED

    async def start(
        self, params: CallToolRequestParams, call: Callable[[], Awaitable[HandlerResult]]
    ) -> TaskView | HandlerResult:
        if params.name not in SLOW + REQUIRED:
            return None
        if params.name == "test_tool_with_task" and not params.input_responses:
            return None
        asks = {
            key: _form(f"{key}?", key, "boolean").model_dump(by_alias=True, exclude_none=True)
            for key in _ASKS.get(params.name, ())
        }
        task = self._all[uuid4().hex] = FixtureTask(uuid4().hex, asks)
        self._all[task.id] = task
        self._tasks.start_soon(task.run, call)
        return task.view

    async def look(self, task_id: str) -> TaskView | None:
        task = self._all.get(task_id)
        return None if task is None else task.view

    async def cancel(self, task_id: str) -> bool:
        task = self._all.get(task_id)
        if task is not None:
            task.scope.cancel()
        return task is not None

    async def update(self, task_id: str, responses: dict[str, Any]) -> bool:
        task = self._all.get(task_id)
        if task is None:
            return False
        task.asks = {key: ask for key, ask in task.asks.items() if key not in responses}
        if not task.asks:
            task.answered.set()
        return True
