"""The tools that save and run jobs."""

from typing import Annotated, Any

from pydantic import Field, JsonValue, WithJsonSchema

from servicetsunami.errors import InvalidInput
from servicetsunami.services.answers import AnyObject
from servicetsunami.services.job_answers import SavedJob
from servicetsunami.services.routing import RunOn
from servicetsunami.services.run_answers import OneRun
from servicetsunami.tools.context import CallOf

JobName = Annotated[str, Field(description="Name of the job.", max_length=200)]
Tasks = Annotated[
    list[AnyObject],
    Field(
        description="Of JobSettings: task_key, depends_on [{task_key, outcome?}], run_if, "
        "max_retries, timeout_seconds, and notebook_task {notebook_path, base_parameters}, "
        "sql_task {statement}, spark_python_task {code}, run_job_task {job_name}, condition_task "
        "{op, left, right} or for_each_task {inputs, concurrency, task}."
    ),
]
Defaults = Annotated[dict[str, str], Field(description="Parameters with their defaults.")]


def _object(description: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "object", "additionalProperties": True, "description": description}
    )


When = Annotated[
    dict[str, JsonValue],
    _object("{quartz_cron_expression: '0 0 6 * * ?' (seconds first), timezone_id, pause_status}"),
]
Options = Annotated[
    dict[str, JsonValue],
    _object("run_on (local, databricks), max_concurrent_runs, queue, timeout_seconds, tags."),
]


async def create_job(  # noqa: PLR0917 - the order is part of the published surface
    call: CallOf,
    name: JobName,
    tasks: Tasks,
    parameters: Defaults | None = None,
    schedule: When | None = None,
    options: Options | None = None,
) -> SavedJob:
    """Create a job, a DAG of tasks, or a new revision of it.

    References: {{job.parameters.x}}, {{tasks.key.values.name}}; {{input}} in a loop. SQL may
    CREATE [OR REPLACE] TABLE AS, INSERT, UPDATE, DELETE, MERGE. An `idempotent` task may run again
    after a crash.
    """
    given: dict[str, Any] = {**(options or {}), "name": name, "tasks": tasks}
    if parameters:
        given["parameters"] = parameters
    if schedule:
        given["schedule"] = schedule
    return await call.services.jobs.save(call.caller, given)


async def run_job(
    call: CallOf,
    name: Annotated[str, Field(description="The job.", max_length=200)] = "",
    parameters: Annotated[dict[str, str], Field(description="Other than the defaults.")]
    | None = None,
    run_on: Annotated[RunOn, Field(description="auto: as the job says.")] = "auto",
    repair_run_id: Annotated[
        str, Field(description="Run again what failed in this run instead.")
    ] = "",
) -> OneRun:
    """Run a job, or repair a run of one; follow a long one with get_run."""
    jobs = call.services.jobs
    if bool(name) == bool(repair_run_id):
        raise InvalidInput("run_job needs to know what to run.", "Give `name` or `repair_run_id`.")
    if repair_run_id:
        answer = await jobs.repair(call.caller, repair_run_id, patience_s=call.patience_s)
    else:
        answer = await jobs.run(
            call.caller, name, parameters or {}, run_on=run_on, patience_s=call.patience_s
        )
    return OneRun(run=answer.model_dump())
