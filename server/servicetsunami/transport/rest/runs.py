"""Runs: of notebooks, of jobs, and of calls that took long; followed, repaired and stopped."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from servicetsunami.domain.run import RunState
from servicetsunami.services.job_answers import JobRunAnswer
from servicetsunami.services.progress import silent
from servicetsunami.services.routing import RunOn
from servicetsunami.services.run_answers import RunAnswer, RunsAnswer, StoppedRun
from servicetsunami.services.run_plans import RunRequest
from servicetsunami.transport.rest.admitted import AdmittedRoute, CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body, Cursor, RunId
from servicetsunami.transport.rest.assets import does

State = Annotated[
    Literal[
        "QUEUED",
        "PENDING",
        "RUNNING",
        "SUCCESS",
        "SUCCESS_WITH_FAILURES",
        "FAILED",
        "TIMEDOUT",
        "CANCELED",
        "SKIPPED",
        "LOST",
    ],
    Query(description="Only runs in this state."),
]
Since = Annotated[str, Query(description="Only runs since then, ISO 8601.", max_length=40)]
OfName = Annotated[str, Query(description="Only runs of this notebook or job.", max_length=1000)]
Wait = Annotated[bool, Query(description="Wait up to 20 s for it to end.")]


class Execution(Body):
    """How a notebook is to run."""

    parameters: dict[str, str] | None = Field(default=None, examples=[{"day": "2026-11-28"}])
    run_on: RunOn = "auto"
    timeout_s: Annotated[float, Field(ge=1, le=86400)] | None = None


class TextExecution(Execution):
    """A text that is to run without being saved."""

    content: str = Field(
        min_length=1,
        description="Databricks SOURCE text, or .ipynb JSON; plain Python is one cell.",
        examples=["print('hello')"],
    )


def runs(prefix: str) -> APIRouter:
    """The routes of runs below a prefix."""
    router = APIRouter(prefix=f"{prefix}/runs", tags=["runs"], route_class=AdmittedRoute)

    @router.get("", name="list_runs", openapi_extra=does("get_run"))
    async def list_all(
        call: CallOf,
        name: OfName | None = None,
        state: State | None = None,
        since: Since | None = None,
        cursor: Cursor | None = None,
    ) -> RunsAnswer:
        """List runs, the newest first; `cursor` brings the next page."""
        return await list_runs(call, name=name, state=state, since=since, cursor=cursor)

    @router.post("", name="run_text", openapi_extra=does("run_notebook"))
    async def run_text(call: CallOf, text: TextExecution, response: Response) -> RunAnswer:
        """Run a text that is not saved as a notebook."""
        return await execute(call, None, text.content, text, response)

    @router.get("/{run_id}", name="get_run", openapi_extra=does("get_run"))
    async def get(call: CallOf, run_id: RunId, wait: Wait = False) -> RunsAnswer:
        """Show one run with its cells or tasks, or with what a call has come to."""
        return await call.services.runs.get(call.caller, run_id, silent, wait=wait)

    @router.post("/{run_id}/cancel", name="cancel_run", openapi_extra=does("cancel_run"))
    async def cancel(call: CallOf, run_id: RunId) -> StoppedRun:
        """Stop a run; what it has written before stays, and one that has ended stays as it is."""
        return await call.services.runs.cancel(call.caller, run_id)

    @router.post("/{run_id}/repair", name="repair_run", openapi_extra=does("run_job"))
    async def repair(call: CallOf, run_id: RunId, response: Response) -> JobRunAnswer:
        """Run again what failed in the run of a job, and all behind it."""
        answer = await call.services.jobs.repair(call.caller, run_id, patience_s=call.patience_s)
        if is_going(answer.state):
            call.accepted(response, answer.run_id)
        return answer

    return router


def is_going(state: str) -> bool:
    """Whether a run has not ended."""
    return not RunState(state).is_ended


async def list_runs(
    call: RestCall, *, name: str | None, state: str | None, since: str | None, cursor: str | None
) -> RunsAnswer:
    """A page of runs, of one notebook or job, or of all."""
    return await call.services.runs.list(
        call.caller, name=name, state=state, since=since, cursor=cursor
    )


async def execute(
    call: RestCall, name: str | None, content: str | None, how: Execution, response: Response
) -> RunAnswer:
    """Run a saved notebook or a text; one that takes long goes on, and is followed as a run."""
    request = RunRequest(
        name=name,
        content=content,
        parameters=how.parameters or {},
        run_on=how.run_on,
        timeout_s=how.timeout_s,
    )
    answer = await call.services.runs.run_notebook(
        call.caller, request, silent, patience_s=call.patience_s
    )
    if is_going(answer.state):
        call.accepted(response, answer.run_id)
    return answer
