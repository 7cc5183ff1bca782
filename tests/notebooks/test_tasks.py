"""To clients that know tasks, a run that goes on is a task of the same id."""

from collections.abc import Sequence
from typing import Any, Literal

import anyio
import pytest
from mcp.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Request, Result
from pydantic import ConfigDict, Field

from servicetsunami.app import App
from servicetsunami.transport.mcp import LakeServer
from tests.notebooks.running import run, source, text
from tests.server.asking import call

TASKS = "io.modelcontextprotocol/tasks"


class Created(Result):
    model_config = ConfigDict(extra="allow", populate_by_name=True)

    result_type: Literal["task"] = Field(default="task", alias="resultType")
    task_id: str = Field(alias="taskId")
    status: str


class Detailed(Result):
    model_config = ConfigDict(extra="allow", populate_by_name=True)

    task_id: str | None = Field(default=None, alias="taskId")
    status: str | None = None
    status_message: str | None = Field(default=None, alias="statusMessage")
    result: CallToolResult | None = None


class KnowsTasks(ClientExtension):
    """Looks after tasks as a client would, and keeps what it has seen of them."""

    identifier = TASKS

    def __init__(self) -> None:
        self.seen: list[Detailed] = []
        self.is_to_cancel = False

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Created, resolve=self.resolve)]

    async def resolve(self, created: Created, context: ClaimContext) -> CallToolResult:
        if self.is_to_cancel:
            await asked(context.session, "tasks/cancel", created.task_id)
        while True:
            found = await asked(context.session, "tasks/get", created.task_id)
            self.seen.append(found)
            if found.status != "working":
                return found.result or CallToolResult(content=[], is_error=True)
            await anyio.lowlevel.checkpoint()


async def asked(session: Any, method: str, task_id: str) -> Detailed:
    request = Request[dict[str, Any], str](method=method, params={"taskId": task_id})
    return await session.send_request(request, Detailed)


SLOW = source("print('begun')", "import time; time.sleep(2.5)", "6 * 7")


@pytest.mark.slow
async def test_a_long_run_is_a_task_whose_result_is_the_answer(app: App) -> None:
    knows = KnowsTasks()
    async with Client(LakeServer(app.services, app.caller), extensions=[knows]) as client:
        done = await run(client, SLOW)

        assert done["state"] == "SUCCESS"
        assert text(done, 2) == "42"
        assert knows.seen[0].status == "working"
        assert "1 of 3 cells" in {each.status_message for each in knows.seen}
        assert knows.seen[-1].status == "completed"
        assert {each.task_id for each in knows.seen} == {done["run_id"]}
        quick = await run(client, "1")
        assert quick["state"] == "SUCCESS"


async def test_a_task_is_cancelled_and_its_run_with_it(app: App) -> None:
    knows = KnowsTasks()
    knows.is_to_cancel = True
    async with Client(LakeServer(app.services, app.caller), extensions=[knows]) as client:
        await client.call_tool("run_notebook", {"content": "while True: pass"})

        assert knows.seen[-1].status == "cancelled"
        listed = (await call(client, "get_run"))["runs"]
        assert [each["state"] for each in listed] == ["CANCELED"]
        with pytest.raises(MCPError, match="No task has the id 'x'"):
            await asked(client.session, "tasks/get", "x")


@pytest.mark.slow
async def test_a_client_that_knows_nothing_of_tasks_never_meets_one(client: Client) -> None:
    done = await run(client, SLOW)

    assert done["state"] == "SUCCESS"
    with pytest.raises(MCPError, match="did not declare"):
        await asked(client.session, "tasks/get", done["run_id"])
