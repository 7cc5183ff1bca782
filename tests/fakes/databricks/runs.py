"""Runs of jobs: a DAG of tasks that goes on by one step with each look at it.

How a task ends is said by the test, in `Jobs.outcome`, by its key: SUCCESS unless something else
stands there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.databricks.errors import ApiError
from tests.fakes.databricks.notebooks import NotebookExecution
from tests.fakes.databricks.task_work import LoopWork, Work

_CODES = {
    "SUCCESS": "SUCCESS",
    "SUCCESS_WITH_FAILURES": "SUCCESS_WITH_FAILURES",
    "FAILED": "RUN_EXECUTION_ERROR",
    "CANCELED": "USER_CANCELED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED": "MAX_CONCURRENT_RUNS_EXCEEDED",
    "DISABLED": "DISABLED",
}
_RUN_IF = {
    "ALL_SUCCESS": lambda results: all(each == "SUCCESS" for each in results),
    "ALL_DONE": lambda _: True,
    "NONE_FAILED": lambda results: (
        "SUCCESS" in results and not {"FAILED", "UPSTREAM_FAILED"} & set(results)
    ),
    "AT_LEAST_ONE_SUCCESS": lambda results: "SUCCESS" in results,
    "AT_LEAST_ONE_FAILED": lambda results: {"FAILED", "UPSTREAM_FAILED"} & set(results),
    "ALL_FAILED": lambda results: set(results) <= {"FAILED", "UPSTREAM_FAILED"},
}


@dataclass
class TaskRun:
    run_id: int
    task: dict[str, Any]
    state: str = "BLOCKED"
    result: str | None = None
    attempt: int = 0
    outcome: str | None = None
    work: Work | None = None
    input: Any = None
    resolved: dict[str, Any] = field(default_factory=dict)
    started_at: float = 0
    ended_at: float = 0

    @property
    def key(self) -> str:
        return self.task["task_key"]

    @property
    def is_ended(self) -> bool:
        return self.result is not None

    @property
    def execution(self) -> NotebookExecution | None:
        return self.work if isinstance(self.work, NotebookExecution) else None

    @property
    def iterations(self) -> "list[TaskRun]":
        return self.work.iterations if isinstance(self.work, LoopWork) else []

    def end(self, result: str) -> None:
        self.state, self.result, self.ended_at = "TERMINATED", result, time.time()

    def again(self) -> None:
        """Have it run once more, in an attempt of its own."""
        self.state, self.result, self.attempt, self.work = "BLOCKED", None, self.attempt + 1, None


@dataclass
class Run:
    run_id: int
    job_id: int | None
    name: str
    tasks: list[TaskRun]
    parameters: dict[str, str]
    outcomes: dict[str, str]
    begin: Callable[["Run", TaskRun], Work | None] = lambda _, __: None
    timeout_s: float = 0
    number: int = 1
    started_at: float = field(default_factory=time.time)
    is_cancelled: bool = False
    skipped: str | None = None
    repairs: list[int] = field(default_factory=list)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_ended(self) -> bool:
        return self.skipped is not None or all(task.is_ended for task in self.tasks)

    @property
    def result(self) -> str:
        """How it has ended: what its leaves say, as Databricks has it."""
        if self.skipped is not None:
            return self.skipped
        results = [task.result for task in self.tasks]
        if self.is_cancelled:
            return "CANCELED"
        if "TIMEDOUT" in results:
            return "TIMEDOUT"
        awaited = {e["task_key"] for t in self.tasks for e in t.task.get("depends_on") or []}
        leaves = {task.result for task in self.tasks if task.key not in awaited}
        if {"FAILED", "UPSTREAM_FAILED"} & leaves:
            return "FAILED"
        return "SUCCESS_WITH_FAILURES" if "FAILED" in results else "SUCCESS"

    def step(self) -> None:
        """Blocked becomes running, running becomes ended: one step for each task."""
        for task in self.tasks:
            self.step_one(task)

    def step_one(self, task: TaskRun) -> None:
        if task.is_ended or self.skipped is not None:
            return
        is_late = 0 < self.timeout_s < time.time() - self.started_at
        if self.is_cancelled or is_late:
            if task.work is not None:
                task.work.stop()
            task.end("CANCELED" if self.is_cancelled else "TIMEDOUT")
        elif task.work is not None and task.work.result is None:
            return
        elif task.state == "RUNNING":
            self._end(task)
        else:
            self._begin(task)

    def _begin(self, task: TaskRun) -> None:
        by_key = {each.key: each for each in self.tasks}
        before = [by_key[each["task_key"]] for each in task.task.get("depends_on") or []]
        if not all(each.is_ended for each in before):
            return
        if task.task.get("disabled"):
            task.end("DISABLED")
            return
        wanted = [each.get("outcome") for each in task.task.get("depends_on") or []]
        taken = [each.outcome for each in before]
        if any(w is not None and w != t for w, t in zip(wanted, taken, strict=True)):
            task.end("EXCLUDED")
            return
        run_if = task.task.get("run_if") or "ALL_SUCCESS"
        if before and not _RUN_IF[run_if]([str(each.result) for each in before]):
            off = [each.result == "DISABLED" for each in before]
            if any(off) if run_if in {"ALL_SUCCESS", "ALL_FAILED"} else all(off):
                task.end("DISABLED")
                return
            failed = {"FAILED", "UPSTREAM_FAILED"} & {each.result for each in before}
            is_upstream = failed and run_if not in {"AT_LEAST_ONE_FAILED", "ALL_FAILED"}
            task.end("UPSTREAM_FAILED" if is_upstream else "EXCLUDED")
            return
        task.started_at = task.started_at or time.time()
        try:
            task.work = self.begin(self, task)
        except ApiError:
            task.end("FAILED")
            return
        task.state = "RUNNING"

    def _end(self, task: TaskRun) -> None:
        executed = task.work.result if task.work is not None else None
        result = self.outcomes.get(task.key) or executed or "SUCCESS"
        if result == "FAILED" and task.attempt < int(task.task.get("max_retries") or 0):
            task.again()
            return
        if task.execution is not None:
            self.values[task.key] = task.execution.answer.get("values") or {}
        condition = task.resolved.get("condition_task")
        if condition:
            task.outcome = str(_holds(condition)).lower()
        task.end(result)


def _holds(condition: dict[str, Any]) -> bool:
    left, right, op = condition["left"], condition["right"], condition["op"]
    if op in {"EQUAL_TO", "NOT_EQUAL"}:
        return (left == right) is (op == "EQUAL_TO")
    a, b = float(left), float(right)
    return {
        "GREATER_THAN": a > b,
        "GREATER_THAN_OR_EQUAL": a >= b,
        "LESS_THAN": a < b,
        "LESS_THAN_OR_EQUAL": a <= b,
    }[op]


def states(state: str, result: str | None, *, is_multi: bool = False) -> dict[str, Any]:
    """Both generations of a state: v1 and v2."""
    if result is None:
        return {
            "state": {"life_cycle_state": state, "state_message": ""},
            "status": {"state": state},
        }
    skipped = result in {"MAXIMUM_CONCURRENT_RUNS_REACHED", "EXCLUDED", "DISABLED"}
    life = "SKIPPED" if skipped else "TERMINATED"
    if is_multi and result == "FAILED":
        life = "INTERNAL_ERROR"
    code = _CODES.get(result, "SKIPPED" if skipped else "RUN_EXECUTION_ERROR")
    good = result in {"SUCCESS", "SUCCESS_WITH_FAILURES"}
    return {
        "state": {"life_cycle_state": life, "result_state": result, "state_message": ""},
        "status": {
            "state": "TERMINATED",
            "termination_details": {
                "code": code,
                "type": "SUCCESS" if good else "CLIENT_ERROR",
                "message": "",
            },
        },
    }


def run_info(run: Run) -> dict[str, Any]:
    running = any(task.state == "RUNNING" for task in run.tasks)
    result = run.result if run.is_ended else None
    info: dict[str, Any] = {
        "run_id": run.run_id,
        "run_name": run.name,
        "run_type": "JOB_RUN" if run.job_id else "SUBMIT_RUN",
        "number_in_job": run.number,
        "start_time": int(run.started_at * 1000),
        "end_time": int(time.time() * 1000) if run.is_ended else 0,
        "job_parameters": [{"name": k, "value": v} for k, v in run.parameters.items()],
        **states("RUNNING" if running else "PENDING", result, is_multi=len(run.tasks) > 1),
    }
    return info | ({"job_id": run.job_id} if run.job_id else {})


def task_info(task: TaskRun) -> dict[str, Any]:
    info = {
        **task.task,
        "run_id": task.run_id,
        "attempt_number": task.attempt,
        "start_time": int(task.started_at * 1000),
        "end_time": int(task.ended_at * 1000),
        **states(task.state, task.result),
    }
    if task.outcome is not None:
        info["condition_task"] = {**task.task["condition_task"], "outcome": task.outcome}
    return info


def repair_history(run: Run) -> list[dict[str, Any]]:
    """The first run, and each repair of it."""
    original = {"type": "ORIGINAL", "start_time": int(run.started_at * 1000)}
    return [original, *({"type": "REPAIR", "id": number} for number in run.repairs)]
