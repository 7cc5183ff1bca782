"""Jobs, which the native address calls pipelines: the same things under two names."""

from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import Field

from servicetsunami.services.answers import AnyObject
from servicetsunami.services.job_answers import JobRunAnswer, SavedJob
from servicetsunami.services.routing import RunOn
from servicetsunami.services.run_answers import RunsAnswer
from servicetsunami.transport.rest.admitted import CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body, Cursor, Name
from servicetsunami.transport.rest.assets import Kind, does, router_of
from servicetsunami.transport.rest.runs import Since, State, is_going, list_runs

KIND: Final = Kind(
    name="job",
    finds=lambda services: services.jobs,
    deletes=lambda services: services.jobs,
)
_SAVE: Final = does("create_job", "job")


class Definition(Body):
    """What a job does, in the shape of Databricks' JobSettings."""

    tasks: list[AnyObject] = Field(
        description="Of JobSettings: see the tool create_job.",
        max_length=1000,
        examples=[[{"task_key": "count", "sql_task": {"statement": "SELECT count(*) FROM sales"}}]],
    )
    parameters: dict[str, str] | None = Field(default=None, examples=[{"day": "2026-11-28"}])
    schedule: AnyObject | None = Field(
        default=None,
        description="quartz_cron_expression (seconds first), timezone_id, pause_status.",
        examples=[{"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}],
    )
    options: AnyObject | None = Field(
        default=None,
        description="run_on (local, databricks), max_concurrent_runs, queue, timeout_seconds, tags",
    )


class NewJob(Definition):
    """A job with its name."""

    name: str = Field(min_length=1, max_length=200, examples=["nightly"])


class Start(Body):
    """How a job is to run."""

    parameters: dict[str, str] | None = Field(
        default=None, description="Other than the defaults.", examples=[{"day": "2026-11-28"}]
    )
    run_on: RunOn = "auto"


def jobs(prefix: str, noun: str) -> APIRouter:
    """The routes of jobs below a prefix, under the name that they have there."""
    router = router_of(KIND, f"{prefix}/{noun}", noun)

    @router.post("", name="create_job", openapi_extra=_SAVE)
    async def create(call: CallOf, job: NewJob) -> SavedJob:
        """Create a job, a DAG of tasks, or save a new revision of it."""
        return await _save(call, job.name, job)

    @router.put("/{name}", name="update_job", openapi_extra=_SAVE)
    async def update(call: CallOf, name: Name, definition: Definition) -> SavedJob:
        """Save a new revision of the job of that name."""
        return await _save(call, name, definition)

    @router.post("/{name}/run", name="run_job", openapi_extra=does("run_job", "job"))
    async def run(call: CallOf, name: Name, start: Start, response: Response) -> JobRunAnswer:
        """Run a job; one that takes long goes on, and is followed as a run."""
        answer = await call.services.jobs.run(
            call.caller,
            name,
            start.parameters or {},
            run_on=start.run_on,
            patience_s=call.patience_s,
        )
        if is_going(answer.state):
            call.accepted(response, answer.run_id)
        return answer

    @router.get("/{name}/runs", name="list_runs_of_job", openapi_extra=does("get_run", "job"))
    async def runs(
        call: CallOf,
        name: Name,
        state: State | None = None,
        since: Since | None = None,
        cursor: Cursor | None = None,
    ) -> RunsAnswer:
        """List the runs of a job, the newest first."""
        return await list_runs(call, name=name, state=state, since=since, cursor=cursor)

    return router


async def _save(call: RestCall, name: str, definition: Definition) -> SavedJob:
    given: dict[str, Any] = {
        **(definition.options or {}),
        "name": name,
        "tasks": definition.tasks,
    }
    if definition.parameters:
        given["parameters"] = definition.parameters
    if definition.schedule:
        given["schedule"] = definition.schedule
    return await call.services.jobs.save(call.caller, given)
