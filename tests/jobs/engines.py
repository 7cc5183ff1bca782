"""Job engines on a real database, with tasks whose work is decided by the test."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import anyio
from anyio.lowlevel import checkpoint

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.job import Job
from servicetsunami.domain.job_settings import read_settings
from servicetsunami.domain.run import Run, RunState, TaskRun
from servicetsunami.services import job_progress
from servicetsunami.services.job_engine import JobEngine
from servicetsunami.services.job_progress import TaskResult
from servicetsunami.services.job_records import new_run
from servicetsunami.services.job_tasks import TaskCall
from servicetsunami.stores.metadata import Metadata

NOTHING = {"spark_python_task": {"code": "pass"}}


def caller_of(tenant: str, subject: str) -> Caller:
    return Caller(tenant=tenant, subject=subject, catalog="main")


class Work:
    """Does tasks: at once and well, unless the test has other plans for a key."""

    def __init__(self) -> None:
        self.plans: dict[str, list[RunState]] = {}
        self.done: list[str] = []
        self.hanging: set[str] = set()
        self.bugs: set[str] = set()
        self.steps = 1
        self.before_end: Callable[[], None] = lambda: None
        self.at_once = self.at_once_max = 0

    async def do(self, call: TaskCall, on_child: Callable[[str], Any]) -> TaskResult:
        key = call.task.key
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            if key in self.hanging:
                await call.stopping.wait()
                return TaskResult(state=RunState.CANCELED, error="It was cancelled.")
            for _ in range(self.steps):
                await checkpoint()
                if call.stopping.is_set():
                    return TaskResult(state=RunState.CANCELED, error="It was stopped.")
        finally:
            self.at_once -= 1
        if key in self.bugs:
            raise ZeroDivisionError("secret")
        self.done.append(key)
        self.before_end()
        plan = self.plans.get(key) or [RunState.SUCCESS]
        state = plan.pop(0)
        return TaskResult(state=state, error=None if state is RunState.SUCCESS else "bad luck")


class Clock:
    """A clock that the test moves, and that may fail as often as the test says."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
        self.failures = 0

    def __call__(self) -> datetime:
        if self.failures:
            self.failures -= 1
            raise OSError("the clock has stopped")
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class House:
    """A database with jobs, and the engines that share its work."""

    def __init__(self, metadata: Metadata, tasks: Any) -> None:
        self.metadata = metadata
        self.clock = Clock()
        self.work = Work()
        self._tasks = tasks

    def engine(self, **more: Any) -> JobEngine:
        given: dict[str, Any] = {"lease_s": 30.0, "slots": 8, "per_tenant": 8, **more}
        return JobEngine(
            metadata=self.metadata,
            work=self.work,  # ty: ignore[invalid-argument-type]
            tasks=self._tasks,
            owner=f"engine-{uuid4().hex[:6]}",
            caller_of=caller_of,
            now=self.clock,
            **given,
        )

    async def job(self, *tasks: dict[str, Any], name: str = "j", **more: Any) -> Job:
        given = [{**({} if _has_work(task) else NOTHING), **task} for task in tasks]
        settings = read_settings({"name": name, "tasks": given, **more})
        schedule = settings.schedule
        job = Job(
            id=uuid4().hex,
            tenant="acme",
            name=name,
            settings=settings,
            revision=1,
            created_at=self.clock.now,
            updated_at=self.clock.now,
            next_fire_at=None if schedule is None else schedule.next_after(self.clock.now),
        )
        async with self.metadata.begin() as transaction:
            await transaction.jobs.add(job)
        return job

    async def run(self, job: Job, **parameters: str) -> Run:
        run = new_run(job, subject="me", parameters=parameters, at=self.clock.now, trigger="manual")
        async with self.metadata.begin() as transaction:
            return await job_progress.add_run(transaction, run, job.settings)

    async def look(self, run: Run) -> Run:
        async with self.metadata.read() as transaction:
            return await transaction.runs.get("acme", run.id)

    async def runs(self) -> list[Run]:
        async with self.metadata.read() as transaction:
            return list(await transaction.runs.list("acme", limit=1000))

    async def tasks(self, run: Run) -> dict[str, TaskRun]:
        async with self.metadata.read() as transaction:
            return {each.key: each for each in await transaction.run_tasks.history("acme", run.id)}

    async def until_running(self, run: Run, key: str) -> None:
        """Wait until that task has begun."""
        with anyio.fail_after(60):
            while (await self.tasks(run))[key].state is not RunState.RUNNING:
                await checkpoint()

    async def until_ended(self, run: Run, *engines: JobEngine) -> Run:
        """Let the engines look until the run has ended."""
        with anyio.fail_after(60):
            while True:
                for engine in engines:
                    await engine.look()
                seen = await self.look(run)
                if seen.state.is_ended:
                    return seen
                await checkpoint()


def _has_work(task: dict[str, Any]) -> bool:
    return any(name.endswith("_task") for name in task)


@asynccontextmanager
async def house(url: str) -> AsyncGenerator[House]:
    metadata = Metadata(url)
    try:
        async with anyio.create_task_group() as tasks:
            yield House(metadata, tasks)
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await metadata.close()
