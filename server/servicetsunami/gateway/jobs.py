"""Jobs of a workspace and their runs: saved, run, followed, repaired (API /api/2.2/jobs)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.run import RunState
from servicetsunami.errors import RemoteNotFound
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.run_states import message_of, moment_of, state_of

_JOBS: Final = "/api/2.2/jobs"
_RUNS: Final = f"{_JOBS}/runs"
_PAGES_MAX: Final = 20
_NAMED_MAX: Final = 100
_RUNS_MAX: Final = 24
"""As many as one page of runs may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A job as the workspace has it."""

    job_id: int
    settings: Mapping[str, Any]

    def tag(self, name: str) -> str | None:
        """The value of one of its tags."""
        value = (self.settings.get("tags") or {}).get(name)
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTask:
    """The newest attempt of a task; `run_id` is where its output is found."""

    key: str
    run_id: int
    attempt: int
    state: RunState
    message: str
    outcome: str | None
    is_loop: bool
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJobRun:
    """The run of a job; `repairs` are the ids of its repairs, the oldest first."""

    run_id: int
    state: RunState
    message: str
    page_url: str | None
    parameters: Mapping[str, str]
    trigger: str
    started_at: datetime | None
    ended_at: datetime | None
    tasks: Sequence[RemoteTask] = ()
    repairs: Sequence[int] = ()


class Jobs:
    """The verbs of jobs."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client

    async def create(self, settings: Mapping[str, Any]) -> int:
        """Create a job. There is no token for this: who asks twice has two jobs."""
        answer = await self._client.send(
            "POST", f"{_JOBS}/create", body=dict(settings), replay=Replay.UNSAFE
        )
        with replies.understood("the creation of a job"):
            return int(answer["job_id"])

    async def find(self, job_id: int) -> RemoteJob | None:
        """The job of that number with all its tasks, or None."""
        settings: dict[str, Any] = {}
        try:
            async for page in self._pages(f"{_JOBS}/get", {"job_id": job_id}):
                found = page.get("settings") or {}
                tasks = [*(settings.get("tasks") or ()), *(found.get("tasks") or ())]
                settings = {**found, **settings, "tasks": tasks}
        except RemoteNotFound:
            return None
        return RemoteJob(job_id=job_id, settings=settings)

    async def find_tagged(self, name: str, tag: str, value: str) -> RemoteJob | None:
        """The job of that name that carries the tag, or None; names need not be unique there."""
        query = {"name": name, "limit": _NAMED_MAX}
        async for page in self._pages(f"{_JOBS}/list", query):
            for each in page.get("jobs") or ():
                job = RemoteJob(job_id=int(each["job_id"]), settings=each.get("settings") or {})
                if job.tag(tag) == value:
                    return job
        return None

    async def reset(self, job_id: int, settings: Mapping[str, Any]) -> None:
        """Replace the whole definition of a job."""
        body = {"job_id": job_id, "new_settings": dict(settings)}
        await self._client.send("POST", f"{_JOBS}/reset", body=body, replay=Replay.SAFE)

    async def delete(self, job_id: int) -> None:
        """Delete a job; nothing to do where there is none."""
        try:
            await self._client.send(
                "POST", f"{_JOBS}/delete", body={"job_id": job_id}, replay=Replay.SAFE
            )
        except RemoteNotFound:
            return

    async def run_now(
        self, job_id: int, parameters: Mapping[str, str], *, token: str, permit: Permit
    ) -> int:
        """Begin a run; the same `token` begins it once, however often it is asked for."""
        body = {
            "job_id": job_id,
            "job_parameters": dict(parameters),
            "idempotency_token": token,
        }
        answer = await self._client.send(
            "POST", f"{_JOBS}/run-now", body=body, replay=Replay.SAFE, permit=permit
        )
        with replies.understood("the start of a job"):
            return int(answer["run_id"])

    async def look(self, run_id: int) -> RemoteJobRun:
        """How a run stands, with all its tasks; raises a RemoteError."""
        first: Mapping[str, Any] | None = None
        tasks: list[RemoteTask] = []
        query = {"run_id": run_id, "include_history": "true"}
        async for page in self._pages(f"{_RUNS}/get", query):
            first = first or page
            tasks += [_task(each) for each in page.get("tasks") or ()]
        return _run(first or {}, tasks)

    async def iterations(self, task_run_id: int) -> list[RemoteTask]:
        """The iterations of a for-each task, in their order."""
        found: list[RemoteTask] = []
        async for page in self._pages(f"{_RUNS}/get", {"run_id": task_run_id}):
            found += [_task(each) for each in page.get("iterations") or ()]
        return found

    async def runs(self, job_id: int, *, since_ms: int) -> list[RemoteJobRun]:
        """The newest runs of a job that have begun since then, without their tasks."""
        query = {"job_id": job_id, "limit": _RUNS_MAX, "start_time_from": since_ms}
        answer = await self._client.send("GET", f"{_RUNS}/list", query=query, replay=Replay.SAFE)
        return [_run(each, ()) for each in answer.get("runs") or ()]

    async def repair(self, run_id: int, *, latest_repair_id: int | None, permit: Permit) -> None:
        """Run again what failed in an ended run. No token: who asks twice has two repairs."""
        body: dict[str, Any] = {"run_id": run_id, "rerun_all_failed_tasks": True}
        if latest_repair_id is not None:
            body["latest_repair_id"] = latest_repair_id
        await self._client.send(
            "POST", f"{_RUNS}/repair", body=body, replay=Replay.UNSAFE, permit=permit
        )

    async def _pages(
        self, path: str, query: Mapping[str, Any]
    ) -> AsyncGenerator[Mapping[str, Any]]:
        """All pages of an answer."""
        token: str | None = None
        for _ in range(_PAGES_MAX):
            asked = {**query, **({"page_token": token} if token else {})}
            page = await self._client.send("GET", path, query=asked, replay=Replay.SAFE)
            yield page
            token = page.get("next_page_token")
            if not token:
                return


def _run(answer: Mapping[str, Any], tasks: Sequence[RemoteTask]) -> RemoteJobRun:
    with replies.understood("the state of a run"):
        repairs = [each for each in answer.get("repair_history") or () if "id" in each]
        parameters = answer.get("job_parameters") or ()
        return RemoteJobRun(
            run_id=int(answer["run_id"]),
            state=state_of(answer),
            message=message_of(answer),
            page_url=answer.get("run_page_url"),
            parameters={
                str(each["name"]): str(each.get("value", each.get("default", "")))
                for each in parameters
            },
            trigger=str(answer.get("trigger") or "ONE_TIME"),
            started_at=moment_of(answer, "start_time"),
            ended_at=moment_of(answer, "end_time"),
            tasks=tuple(tasks),
            repairs=tuple(int(each["id"]) for each in repairs if each.get("type") == "REPAIR"),
        )


def _task(answer: Mapping[str, Any]) -> RemoteTask:
    with replies.understood("the state of a task"):
        outcome = (answer.get("condition_task") or {}).get("outcome")
        return RemoteTask(
            key=str(answer["task_key"]),
            run_id=int(answer["run_id"]),
            attempt=int(answer.get("attempt_number") or 0),
            state=state_of(answer),
            message=message_of(answer),
            outcome=None if outcome is None else str(outcome),
            is_loop="for_each_task" in answer,
            started_at=moment_of(answer, "start_time"),
            ended_at=moment_of(answer, "end_time"),
        )
