"""What crosses a wire about jobs and their runs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from servicetsunami.domain.job import Job
from servicetsunami.domain.run import Run, RunState, TaskRun
from servicetsunami.services.answers import Answer, AnyObject
from servicetsunami.services.run_answers import expected_cost
from servicetsunami.services.schedule_words import in_words

_FIRES_SHOWN: Final = 5
_OUTPUT_CHARS_MAX: Final = 2_000


class SavedJob(Answer):
    """What became of a job that was saved."""

    name: str
    revision: int
    changed: bool
    schedule: str | None = None
    next_fire_times: list[str] | None = None
    next: str

    @classmethod
    def of(cls, job: Job, *, changed: bool) -> "SavedJob":
        """Take over the record of a job."""
        return cls(
            name=job.name,
            revision=job.revision,
            changed=changed,
            schedule=_schedule(job),
            next_fire_times=fire_times(job),
            next="Call run_job with this name; get_run follows its runs.",
        )


class JobRunAnswer(Answer):
    """The run of a job as it stands, with its tasks and a timeline to read."""

    run_id: str
    name: str
    kind: str = "job"
    state: str
    ran_on: str
    reason: str
    trigger: str
    parameters: dict[str, str] | None = None
    error: str | None = None
    repairs: int | None = None
    url: str | None = None
    started_at: str | None = None
    seconds: float | None = None
    cost: AnyObject | None = None
    tasks: list[AnyObject] | None = None
    timeline: str | None = None
    next: str | None = None

    @classmethod
    def of(cls, run: Run, tasks: Sequence[TaskRun]) -> "JobRunAnswer":
        """Take over the record of a run, and of all attempts of its tasks; none for a short one."""
        return cls(
            run_id=run.id,
            name=run.name,
            state=run.state.value,
            ran_on=run.ran_on,
            reason=run.reason,
            trigger=run.trigger,
            parameters=dict(run.parameters) or None,
            error=run.error,
            repairs=run.repairs or None,
            url=None if run.remote.get("url") is None else str(run.remote["url"]),
            started_at=run.started_at.isoformat() if run.started_at else None,
            seconds=_seconds(run.started_at, run.ended_at),
            cost=expected_cost(run),
            tasks=[_task(task) for task in _newest(tasks)] or None,
            timeline=_timeline(run, tasks) or None,
            next=_next(run),
        )


def fire_times(job: Job) -> list[str] | None:
    """The next times at which it runs by itself, in its own time zone."""
    schedule = job.settings.schedule
    if schedule is None or schedule.is_paused:
        return None
    times = schedule.upcoming(datetime.now(UTC), _FIRES_SHOWN)
    return [schedule.local(at).isoformat() for at in times]


def _schedule(job: Job) -> str | None:
    schedule = job.settings.schedule
    return None if schedule is None else in_words(schedule)


def described_job(job: Job, runs: Sequence[Run]) -> dict[str, Any]:
    """What describe_asset tells of a job besides its name."""
    last = [JobRunAnswer.of(run, ()).model_dump(exclude={"kind", "next", "name"}) for run in runs]
    return {
        "settings": dict(job.settings.source),
        "run_on": job.settings.run_on,
        "schedule": _schedule(job),
        "next_fire_times": fire_times(job),
        "last_runs": last,
        "job_id_on_databricks": None if job.there is None else str(job.there.job_id),
    }


def _newest(tasks: Sequence[TaskRun]) -> list[TaskRun]:
    return list({task.key: task for task in tasks}.values())


def _task(task: TaskRun) -> dict[str, Any]:
    output = dict(task.output)
    if len(str(output)) > _OUTPUT_CHARS_MAX:
        output = {"cut": str(output)[:_OUTPUT_CHARS_MAX]}
    facts: dict[str, Any] = {
        "task_key": task.key,
        "state": task.state.value,
        "attempt": task.attempt + 1 if task.attempt else None,
        "outcome": task.outcome,
        "error": task.error,
        "output": output or None,
        "values": dict(task.values) or None,
        "run_id": task.child,
        "started_at": task.started_at.isoformat() if task.started_at else None,
        "seconds": _seconds(task.started_at, task.ended_at),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _timeline(run: Run, tasks: Sequence[TaskRun]) -> str:
    """What happened when, a line for each attempt, in the order of the clock."""
    begun = [task for task in tasks if task.started_at is not None]
    lines = []
    for task in sorted(begun, key=lambda each: (each.started_at, each.key)):
        # Two clocks tell when a task on Databricks began, and they need not agree.
        after = max(0.0, _seconds(run.started_at, task.started_at) or 0.0)
        took = _seconds(task.started_at, task.ended_at)
        again = f" (attempt {task.attempt + 1})" if task.attempt else ""
        end = f"{task.state.value} after {took:.1f} s" if took is not None else task.state.value
        why = f": {task.error}" if task.error else ""
        lines.append(f"+{after:.1f} s {task.key}{again} {end}{why}")
    return "\n".join(lines)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)


def _next(run: Run) -> str | None:
    if not run.state.is_ended:
        return f"Call get_run with run_id {run.id} to follow it, or cancel_run to stop it."
    if run.state in {RunState.SUCCESS, RunState.SKIPPED}:
        return None
    if run.ran_on == "databricks" and "run_id" not in run.remote:
        return "Nothing of it has run: do what its error says, then call run_job again."
    return (
        "Mend what failed, then run_job with repair_run_id runs the failed tasks and those behind "
        "them again."
    )
