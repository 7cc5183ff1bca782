"""The tools that follow and stop runs."""

from typing import Annotated, Literal

from pydantic import Field

from servicetsunami.services.run_answers import RunsAnswer, StoppedRun
from servicetsunami.tools.context import CallOf

RunId = Annotated[str, Field(description="From run_notebook or run_job.", max_length=100)]
Wait = Annotated[bool, Field(description="Wait up to 20 s for it to end.")]
Name = Annotated[str, Field(description="Only runs of this notebook or job.", max_length=1000)]
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
    Field(description="Only runs in this state."),
]
Since = Annotated[str, Field(description="Only runs since then, ISO 8601.", max_length=40)]
Cursor = Annotated[str, Field(description="From a truncated answer: the next page.")]


async def get_run(  # noqa: PLR0917 - the order is part of the published surface
    call: CallOf,
    run_id: RunId | None = None,
    wait: Wait = True,
    name: Name | None = None,
    state: State | None = None,
    since: Since | None = None,
    cursor: Cursor | None = None,
) -> RunsAnswer:
    """Show one run with the outputs of its cells so far; without `run_id`, list runs.

    A run that is LOST was cut off by the end of its server; it is never run again by itself.
    """
    if run_id is not None:
        return await call.services.runs.get(call.caller, run_id, call.report, wait=wait)
    return await call.services.runs.list(
        call.caller, name=name, state=state, since=since, cursor=cursor
    )


async def cancel_run(call: CallOf, run_id: RunId) -> StoppedRun:
    """Stop a run within two seconds; what it has written before stays."""
    return await call.services.runs.cancel(call.caller, run_id)
