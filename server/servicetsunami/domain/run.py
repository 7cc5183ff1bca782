"""A run: one execution of a notebook or a job, here or on Databricks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from servicetsunami.domain.notebook import NotebookName


class RunState(StrEnum):
    """Where a run or a cell stands, in Databricks' words where it has one."""

    BLOCKED = "BLOCKED"
    QUEUED = "QUEUED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING_FOR_RETRY = "WAITING_FOR_RETRY"
    SUCCESS = "SUCCESS"
    SUCCESS_WITH_FAILURES = "SUCCESS_WITH_FAILURES"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    SKIPPED = "SKIPPED"
    EXCLUDED = "EXCLUDED"
    DISABLED = "DISABLED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    UPSTREAM_CANCELED = "UPSTREAM_CANCELED"
    LOST = "LOST"
    """Its server is gone, and nobody knows how far it came. Never run again by itself."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in ACTIVE_STATES


ACTIVE_STATES: Final = frozenset(
    {
        RunState.BLOCKED,
        RunState.QUEUED,
        RunState.PENDING,
        RunState.RUNNING,
        RunState.WAITING_FOR_RETRY,
    }
)


CALL: Final = "call"
"""The trigger of a run that began as a call which took too long to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """What came of one cell; `outputs` are short, the whole is on disk."""

    index: int
    kind: str
    title: str | None
    state: RunState
    outputs: tuple[Mapping[str, object], ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the metadata remembers of a run.

    A run of a job has `job_id` and `definition`, the JobSettings it began with; `due_at` is the
    fire time of the schedule that began it, and `repairs` counts how often it was repaired.
    Of a run whose trigger is CALL, `exit_value` is what the call would have answered, as JSON.
    `isolation` is the level of the sandbox that it ran in. `lease_until` is renewed by the server
    that does it; when it has passed, that server is gone.
    """

    id: str
    tenant: str
    subject: str
    name: str
    notebook: NotebookName | None
    revision: int | None
    parameters: Mapping[str, str]
    state: RunState
    ran_on: str
    reason: str
    isolation: str | None
    timeout_s: float
    cells_total: int
    created_at: datetime
    parent: str | None = None
    exit_value: str | None = None
    error: str | None = None
    remote: Mapping[str, object] = field(default_factory=dict)
    cancel_requested: bool = False
    owner: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    job_id: str | None = None
    definition: Mapping[str, object] | None = None
    trigger: str = "manual"
    due_at: datetime | None = None
    repairs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One attempt of a task of a job's run; the newest attempt tells how the task stands.

    `key` of an iteration is `loop[3]`, with its `input`. `child` is the run that does the work.
    `values` are what it left for later tasks, and `output` what came of it.
    """

    run_id: str
    key: str
    attempt: int
    tenant: str
    state: RunState
    parent: str | None = None
    input: object = None
    outcome: str | None = None
    error: str | None = None
    output: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    child: str | None = None
    not_before: datetime | None = None
    owner: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
