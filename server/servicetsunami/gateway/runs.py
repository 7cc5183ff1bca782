"""One-time runs of notebooks (API /api/2.2/jobs/runs): submitted, followed, stopped, read."""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.run import RunState
from servicetsunami.errors import RemoteError, RemoteUnavailable
from servicetsunami.gateway import replies
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.retry import Replay
from servicetsunami.gateway.run_states import message_of, state_of

_RUNS: Final = "/api/2.2/jobs/runs"
_TASK_KEY: Final = "notebook"
_MODEL: Final = re.compile(r"__DATABRICKS_NOTEBOOK_MODEL\s*=\s*'([A-Za-z0-9+/=\s]+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRun:
    """A run as the workspace sees it."""

    run_id: int
    task_run_id: int
    state: RunState
    message: str
    page_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutput:
    """What a task left: its exit value, or its error with the traceback.

    `child` is the run that a run_job_task has begun.
    """

    exit_value: str | None
    error: str | None
    trace: str | None
    child: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCell:
    """A command of an exported notebook; `results` as the export has them."""

    is_error: bool
    is_finished: bool
    error: str
    results: Sequence[Mapping[str, Any]]


class Runs:
    """The verbs of one-time runs. `cluster_id` empty stands for serverless compute."""

    def __init__(self, client: WorkspaceClient, cluster_id: str) -> None:
        self._client = client
        self._cluster_id = cluster_id

    async def submit(
        self,
        *,
        name: str,
        path: str,
        parameters: Mapping[str, str],
        token: str,
        timeout_s: float,
        permit: Permit,
    ) -> int:
        """Start a run; the same `token` starts it once, however often it is asked for."""
        task: dict[str, Any] = {
            "task_key": _TASK_KEY,
            "notebook_task": {
                "notebook_path": path,
                "base_parameters": dict(parameters),
                "source": "WORKSPACE",
            },
        }
        if self._cluster_id:
            task["existing_cluster_id"] = self._cluster_id
        body = {
            "run_name": name,
            "tasks": [task],
            "idempotency_token": token,
            "timeout_seconds": max(1, round(timeout_s)),
        }
        answer = await self._client.send(
            "POST", f"{_RUNS}/submit", body=body, replay=Replay.SAFE, permit=permit
        )
        with replies.understood("the start of a run"):
            return int(answer["run_id"])

    async def look(self, run_id: int) -> RemoteRun:
        """How a run stands; raises a RemoteError."""
        answer = await self._client.send(
            "GET", f"{_RUNS}/get", query={"run_id": run_id}, replay=Replay.SAFE
        )
        with replies.understood("the state of a run"):
            tasks = answer.get("tasks") or [answer]
            return RemoteRun(
                run_id=run_id,
                task_run_id=int(tasks[0]["run_id"]),
                state=state_of(answer),
                message=message_of(answer),
                page_url=answer.get("run_page_url"),
            )

    async def output(self, task_run_id: int) -> RunOutput:
        """What the task of a run left; raises a RemoteError."""
        answer = await self._client.send(
            "GET", f"{_RUNS}/get-output", query={"run_id": task_run_id}, replay=Replay.SAFE
        )
        notebook = answer.get("notebook_output") or {}
        result, error = notebook.get("result"), answer.get("error")
        trace = answer.get("error_trace")
        child = (answer.get("run_job_output") or {}).get("run_id")
        return RunOutput(
            exit_value=None if result is None else str(result),
            error=None if error is None else str(error),
            trace=None if trace is None else str(trace),
            child=None if child is None else int(child),
        )

    async def cells(self, task_run_id: int) -> list[RemoteCell]:
        """What came of each cell, out of the export of the run; none where it cannot be read."""
        try:
            answer = await self._client.send(
                "GET",
                f"{_RUNS}/export",
                query={"run_id": task_run_id, "views_to_export": "CODE"},
                replay=Replay.SAFE,
            )
        except RemoteUnavailable:
            raise
        except RemoteError:
            # Not every kind of compute has it; state and exit value are known without.
            return []
        views = answer.get("views") or []
        return [] if not views else _cells(str(views[0].get("content", "")))

    async def cancel(self, run_id: int) -> None:
        """Ask for its end; a run that has ended stays as it is."""
        await self._client.send(
            "POST", f"{_RUNS}/cancel", body={"run_id": run_id}, replay=Replay.SAFE
        )


def _cells(html: str) -> list[RemoteCell]:
    """Read the model that the export of a notebook carries: base64 of percent-encoded JSON."""
    found = _MODEL.search(html)
    if found is None:
        return []
    try:
        model = json.loads(unquote(base64.b64decode(found.group(1)).decode()))
        commands = sorted(model["commands"], key=lambda each: float(each.get("position") or 0))
        return [_cell(command) for command in commands]
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        return []


def _cell(command: Mapping[str, Any]) -> RemoteCell:
    results = command.get("results") or {}
    parts = results.get("data") if results.get("type") == "listResults" else [results]
    error = str(command.get("errorSummary") or "")
    return RemoteCell(
        is_error=command.get("state") == "error" or bool(error),
        is_finished=command.get("state") in {"finished", "error"},
        error=error,
        results=[part for part in parts or [] if isinstance(part, dict) and part],
    )
