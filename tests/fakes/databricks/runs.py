"""Runs of jobs: a DAG of tasks that goes on by one step with each look at it.

How a task ends is said by the test, in `Jobs.outcome`, by its key: SUCCESS unless something else
stands there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.databricks.notebooks import NotebookExecution

_CODES = {"SUCCESS": "SUCCESS", "FAILED": "RUN_EXECUTION_ERROR", "CANCELED": "USER_CANCELED"}
_RUN_IF = {
    "ALL_SUCCESS": lambda results: all(each == "SUCCESS" for each in results),
    "ALL_DONE": lambda _: True,
    "NONE_FAILED": lambda results: "FAILED" not in results,
    "AT_LEAST_ONE_SUCCESS": lambda results: "SUCCESS" in results,
    "AT_LEAST_ONE_FAILED": lambda results: "FAILED" in results,
    "ALL_FAILED": lambda results: all(each == "FAILED" for each in results),
}


@dataclass
class TaskRun:
    run_id: int
    task: dict[str, Any]
    state: str = "BLOCKED"
    result: str | None = None
    attempt: int = 0
    outcome: str | None = None
    execution: NotebookExecution | None = None

    @property
    def key(self) -> str:
        return self.task["task_key"]

    @property
    def is_ended(self) -> bool:
        return self.result is not None


@dataclass
class Run:
    run_id: int
    job_id: int | None
    name: str
    tasks: list[TaskRun]
    parameters: dict[str, str]
    outcomes: dict[str, str]
    execute: Callable[[dict[str, Any]], NotebookExecution | None] = lambda _: None
    timeout_s: float = 0
    number: int = 1
    started_at: float = field(default_factory=time.time)
    is_cancelled: bool = False
    skipped: str | None = None
    repairs: int = 0

    @property
    def is_ended(self) -> bool:
        return self.skipped is not None or all(task.is_ended for task in self.tasks)

    @property
    def result(self) -> str:
        if self.skipped is not None:
            return self.skipped
        results = [task.result for task in self.tasks]
        if self.is_cancelled:
            return "CANCELED"
        if "TIMEDOUT" in results:
            return "TIMEDOUT"
        return "FAILED" if {"FAILED", "UPSTREAM_FAILED"} & set(results) else "SUCCESS"

    def step(self) -> None:
        """Blocked becomes running, running becomes ended: one step for each task."""
        by_key = {task.key: task for task in self.tasks}
        for task in self.tasks:
            if task.is_ended:
                continue
            is_late = 0 < self.timeout_s < time.time() - self.started_at
            if self.is_cancelled or is_late:
                if task.execution is not None:
                    task.execution.stop()
                task.state = "TERMINATED"
                task.result = "CANCELED" if self.is_cancelled else "TIMEDOUT"
            elif task.execution is not None and task.execution.result is None:
                continue
            elif task.state == "RUNNING":
                self._end(task)
            else:
                self._begin(task, by_key)

    def _begin(self, task: TaskRun, by_key: dict[str, TaskRun]) -> None:
        before = [by_key[each["task_key"]] for each in task.task.get("depends_on") or []]
        if not all(each.is_ended for each in before):
            return
        wanted = [each.get("outcome") for each in task.task.get("depends_on") or []]
        taken = [each.outcome for each in before]
        if any(w is not None and w != t for w, t in zip(wanted, taken, strict=True)):
            task.state, task.result = "TERMINATED", "EXCLUDED"
            return
        rule = _RUN_IF[task.task.get("run_if") or "ALL_SUCCESS"]
        if before and not rule([str(each.result) for each in before]):
            failed = {"FAILED", "UPSTREAM_FAILED"} & {each.result for each in before}
            task.state, task.result = "TERMINATED", "UPSTREAM_FAILED" if failed else "EXCLUDED"
            return
        task.state, task.execution = "RUNNING", self.execute(task.task)

    def _end(self, task: TaskRun) -> None:
        executed = task.execution.result if task.execution is not None else None
        result = self.outcomes.get(task.key) or executed or "SUCCESS"
        if result == "FAILED" and task.attempt < int(task.task.get("max_retries") or 0):
            task.attempt, task.state = task.attempt + 1, "BLOCKED"
            return
        task.state, task.result = "TERMINATED", result
        condition = task.task.get("condition_task")
        if condition:
            task.outcome = str(_holds(condition)).lower()


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
    skipped = result in {"MAXIMUM_CONCURRENT_RUNS_REACHED", "EXCLUDED"}
    life = "SKIPPED" if skipped else "TERMINATED"
    if is_multi and result == "FAILED":
        life = "INTERNAL_ERROR"
    code = _CODES.get(result, "SKIPPED" if skipped else "RUN_EXECUTION_ERROR")
    kind = "SUCCESS" if result == "SUCCESS" else "CLIENT_ERROR"
    return {
        "state": {"life_cycle_state": life, "result_state": result, "state_message": ""},
        "status": {
            "state": "TERMINATED",
            "termination_details": {"code": code, "type": kind, "message": ""},
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
        **states("PENDING" if task.state == "BLOCKED" else task.state, task.result),
    }
    if task.outcome is not None:
        info["condition_task"] = {**task.task["condition_task"], "outcome": task.outcome}
    return info
