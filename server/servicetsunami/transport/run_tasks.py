"""Runs as tasks of MCP: the id of the task is the id of the run."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from mcp.server.context import HandlerResult
from mcp_types import CallToolRequestParams, CallToolResult, TextContent

from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.domain.run import CALL, Run, RunState
from servicetsunami.errors import NotFound
from servicetsunami.tools.context import Services
from servicetsunami.transport.marking import Marking
from servicetsunami.transport.tasks import Status, TaskView

_TOOLS = frozenset({"run_notebook", "ingest_dataset", "invoke_model"})
_STATUS: dict[RunState, Status] = {
    RunState.PENDING: "working",
    RunState.RUNNING: "working",
    RunState.CANCELED: "cancelled",
}


class RunTasks:
    """Makes tasks of the runs that go on when their call has been answered."""

    def __init__(self, services: Services, caller: Callable[[], Caller], words: Marking) -> None:
        self._services = services
        self._caller = caller
        self._words = words

    def requires(self, tool: str) -> bool:
        """No tool needs tasks: `get_run` does the same for every client."""
        del tool
        return False

    async def start(
        self, params: CallToolRequestParams, call: Callable[[], Awaitable[HandlerResult]]
    ) -> TaskView | HandlerResult:
        """Make the call; what it leaves running becomes a task."""
        if params.name not in _TOOLS:
            return None
        result = await call()
        answer = result.structured_content if isinstance(result, CallToolResult) else None
        if answer is None or "run_id" not in answer or RunState(answer["state"]).is_ended:
            return result
        return await self._view(self._caller(), str(answer["run_id"]))

    async def look(self, task_id: str) -> TaskView | None:
        """The run as a task; for a caller who may not read there is none."""
        caller = self._caller()
        return await self._view(caller, task_id) if Scope.READ in caller.scopes else None

    async def _view(self, caller: Caller, task_id: str) -> TaskView | None:
        try:
            run, answer = await self._services.runs.look(caller, task_id)
        except NotFound:
            return None
        more = {} if run.state in _STATUS else {"result": self._result(run, answer)}
        return TaskView(
            id=run.id,
            status=_STATUS.get(run.state, "completed"),
            created_at=run.created_at,
            updated_at=run.ended_at or datetime.now(UTC),
            message=_message(run, answer),
            more=more,
        )

    async def cancel(self, task_id: str) -> bool:
        """Stop the run; for a caller who may not run anything there is none."""
        caller = self._caller()
        if Scope.RUN not in caller.scopes:
            return False
        try:
            await self._services.runs.cancel(caller, task_id)
        except NotFound:
            return False
        return True

    async def update(self, task_id: str, responses: dict[str, Any]) -> bool:
        """Take answers for a run; it has asked nothing."""
        del responses
        return await self.look(task_id) is not None

    def _result(self, run: Run, answer: dict[str, Any]) -> dict[str, Any]:
        """What the call would have answered."""
        if run.trigger == CALL and "answer" not in answer:
            said = TextContent(type="text", text=self._words.plain(str(run.error)))
            result = CallToolResult(content=[said], is_error=True)
        else:
            answer = answer["answer"] if run.trigger == CALL else answer
            text = TextContent(type="text", text=self._words.answer(answer))
            result = CallToolResult(content=[text], structured_content=answer)
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _message(run: Run, answer: dict[str, Any]) -> str:
    """How far it is, in words."""
    if run.trigger == CALL:
        return f"{answer['tool']} {run.name}"
    return f"{answer['cells_done']} of {run.cells_total} cells"
