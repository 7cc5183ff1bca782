"""A job: a DAG of tasks in the shape of Databricks' JobSettings (Jobs API 2.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from servicetsunami.domain.cron import Cron
from servicetsunami.domain.dataset import SyncState


class TaskKind(StrEnum):
    """What a task does, by the field of JobSettings that says it."""

    NOTEBOOK = "notebook_task"
    SQL = "sql_task"
    PYTHON = "spark_python_task"
    RUN_JOB = "run_job_task"
    CONDITION = "condition_task"
    FOR_EACH = "for_each_task"


class RunIf(StrEnum):
    """What has to have become of a task's dependencies before it runs."""

    ALL_SUCCESS = "ALL_SUCCESS"
    AT_LEAST_ONE_SUCCESS = "AT_LEAST_ONE_SUCCESS"
    NONE_FAILED = "NONE_FAILED"
    ALL_DONE = "ALL_DONE"
    AT_LEAST_ONE_FAILED = "AT_LEAST_ONE_FAILED"
    ALL_FAILED = "ALL_FAILED"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A task that has to end first; with `outcome`, a condition that has to have come out so."""

    key: str
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task; `work` is what its kind's field of JobSettings holds.

    `is_idempotent` says that it may be run again when its server is gone in the middle of it.
    `max_retries` of -1 stands for ever. `inner` is what a for-each task repeats.
    """

    key: str
    kind: TaskKind
    work: Mapping[str, object]
    depends_on: tuple[Dependency, ...] = ()
    run_if: RunIf = RunIf.ALL_SUCCESS
    max_retries: int = 0
    retry_interval_s: float = 0.0
    retry_on_timeout: bool = False
    timeout_s: float = 0.0
    is_idempotent: bool = False
    is_disabled: bool = False
    inner: "Task | None" = None

    def may_retry(self, attempt: int, *, is_timeout: bool) -> bool:
        """Whether it is tried again after that attempt, counted from 0."""
        is_left = self.max_retries < 0 or attempt < self.max_retries
        return is_left and (self.retry_on_timeout or not is_timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a job runs by itself: Quartz cron in a time zone."""

    cron: Cron
    timezone_id: str
    is_paused: bool = False

    def next_after(self, moment: datetime) -> datetime | None:
        """The next fire time in UTC; None while paused, and when there is none."""
        return None if self.is_paused else self.cron.after(moment, ZoneInfo(self.timezone_id))

    def local(self, moment: datetime) -> datetime:
        """That instant on the clocks of the schedule's time zone."""
        return moment.astimezone(ZoneInfo(self.timezone_id))

    def upcoming(self, moment: datetime, count: int) -> list[datetime]:
        """The next fire times, as if it were not paused."""
        return self.cron.upcoming(moment, ZoneInfo(self.timezone_id), count)


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """What a job does. `source` is the JSON that it was read from, in JobSettings' own shape.

    `run_on` is where its schedule runs it, and a call that does not say where: local or databricks.
    """

    name: str
    tasks: tuple[Task, ...]
    parameters: Mapping[str, str]
    schedule: Schedule | None
    max_concurrent_runs: int
    is_queued: bool
    timeout_s: float
    source: Mapping[str, object]
    run_on: str = "local"

    def task(self, key: str) -> Task:
        """The task of that key; of an iteration `loop[3]`, what is repeated."""
        name, is_iteration, _ = key.partition("[")
        found = self.by_key[name]
        if is_iteration and found.inner is not None:
            return found.inner
        return found

    def dependents(self, key: str) -> list[Task]:
        """The tasks that wait for that one."""
        return self._dependents.get(key, [])

    @cached_property
    def by_key(self) -> dict[str, Task]:
        """The tasks by their keys."""
        return {task.key: task for task in self.tasks}

    @cached_property
    def _dependents(self) -> dict[str, list[Task]]:
        found: dict[str, list[Task]] = {}
        for task in self.tasks:
            for each in task.depends_on:
                found.setdefault(each.key, []).append(task)
        return found

    def leaves(self) -> list[Task]:
        """The tasks that none waits for: they decide how a run has ended."""
        awaited = {each.key for task in self.tasks for each in task.depends_on}
        return [task for task in self.tasks if task.key not in awaited]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobThere:
    """A job's number on Databricks, and the hash of its definition there as we last wrote it.

    The hash is None until the definition has been written once.
    """

    job_id: int
    fingerprint: str | None = None

    KEY: ClassVar[str] = "there"

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "Self | None":
        """Read what `as_metadata` wrote; None for a job that was never there."""
        found = metadata.get(cls.KEY)
        if not isinstance(found, Mapping):
            return None
        fingerprint = found.get("fingerprint")
        return cls(
            job_id=int(str(found["job_id"])),
            fingerprint=None if fingerprint is None else str(fingerprint),
        )

    def as_metadata(self) -> dict[str, object]:
        """What a job's metadata keep of it."""
        return {self.KEY: {"job_id": self.job_id, "fingerprint": self.fingerprint}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the metadata remembers of a job; `there` is what is known of it on Databricks."""

    id: str
    tenant: str
    name: str
    settings: JobSettings
    revision: int
    created_at: datetime
    updated_at: datetime
    next_fire_at: datetime | None = None
    sync_state: SyncState = SyncState.WAITING
    synced_revision: int | None = None
    synced_at: datetime | None = None
    sync_error: str | None = None
    there: JobThere | None = None
