"""Makes the records of jobs' runs, before they are written down."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import uuid4

from servicetsunami.domain.job import Job
from servicetsunami.domain.run import Run, RunState
from servicetsunami.errors import InvalidInput

_REASONS: Final = {
    "manual": "Jobs run on this machine.",
    "schedule": "Its schedule was due.",
    "run_job_task": "A task of another job runs it.",
}


def new_run(
    job: Job,
    *,
    subject: str,
    parameters: Mapping[str, str],
    at: datetime,
    trigger: str,
    parent: str | None = None,
) -> Run:
    """A run of a job as it is now; raises InvalidInput for parameters that it does not declare."""
    unknown = parameters.keys() - job.settings.parameters.keys()
    if unknown:
        declared = ", ".join(job.settings.parameters) or "none"
        raise InvalidInput(
            f"The job {job.name} has no parameter {', '.join(sorted(unknown))}.",
            f"It declares: {declared}.",
        )
    return Run(
        id=f"run-{uuid4().hex[:16]}",
        tenant=job.tenant,
        subject=subject,
        name=job.name,
        notebook=None,
        revision=job.revision,
        parameters={**job.settings.parameters, **parameters},
        state=RunState.PENDING,
        ran_on="local",
        reason=_REASONS[trigger],
        isolation=None,
        timeout_s=job.settings.timeout_s,
        cells_total=len(job.settings.tasks),
        created_at=at,
        parent=parent,
        job_id=job.id,
        definition=job.settings.source,
        trigger=trigger,
    )
