"""What the tasks of a run do: notebooks, Python files, SQL files, other jobs, loops.

Every work has `result`, which is None until it has ended, what it left, and `stop`.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from tests.fakes.databricks.errors import ApiError
from tests.fakes.databricks.notebooks import NotebookExecution, NotebookRunner
from tests.fakes.databricks.sql import running
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.state import State
from tests.fakes.databricks.statements import Statements
from tests.fakes.databricks.workspace_objects import Objects

if TYPE_CHECKING:
    from tests.fakes.databricks.runs import Run, TaskRun

_REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_USE = re.compile(r"USE\s+(CATALOG|SCHEMA)\s+`?(\w+)`?", re.IGNORECASE)


class Work(Protocol):
    @property
    def result(self) -> str | None: ...
    @property
    def answer(self) -> Mapping[str, Any]: ...
    def stop(self) -> None: ...


class SqlWork:
    """The statements of a file, one after the other, on a warehouse."""

    def __init__(self, state: State, text: str, parameters: Mapping[str, str]) -> None:
        self.result: str | None = None
        self.answer: dict[str, Any] = {"error": None}
        self._state, self._is_stopped = state, False
        statements: Statements = state.sub(Statements)
        self._future: Future[None] = statements.pool.submit(self._run, text, parameters)

    def _run(self, text: str, parameters: Mapping[str, str]) -> None:
        catalog, schema = "main", "default"
        try:
            for sql in filter(str.strip, text.split(";\n")):
                if self._is_stopped:
                    return
                statement = sql.strip().rstrip(";")
                used = _USE.fullmatch(statement)
                if used:
                    is_catalog = used[1].upper() == "CATALOG"
                    catalog, schema = (used[2], schema) if is_catalog else (catalog, used[2])
                    continue
                named = tuple(
                    {"name": name, "value": value, "type": "STRING"}
                    for name, value in parameters.items()
                    if f":{name}" in statement
                )
                order = running.Order(statement, catalog, schema, named)
                path = self._state.folder / "results" / f"task-{secrets.token_hex(8)}.arrow"
                path.parent.mkdir(exist_ok=True)
                result = running.run(self._state, order, path)
                names = [name for name, _ in result.columns]
                first = result.batch(0).to_pylist() if result.counts else []
                self.answer["rows"] = [dict(zip(names, row.values(), strict=True)) for row in first]
            self.result = "SUCCESS"
        except SqlError as error:
            self.answer["error"] = f"[{error.code}] {error.message}"
            self.result = "FAILED"
        except Exception as error:  # noqa: BLE001 - a bug of the fake must not look like a hang
            self.answer["error"] = repr(error)
            self.result = "FAILED"

    def stop(self) -> None:
        self._is_stopped = True


class JobWork:
    """The run of another job."""

    def __init__(self, run: "Run") -> None:
        self.run = run

    @property
    def result(self) -> str | None:
        self.run.step()
        if not self.run.is_ended:
            return None
        return "SUCCESS" if self.run.result == "SUCCESS" else "FAILED"

    @property
    def answer(self) -> Mapping[str, Any]:
        bad = None if self.run.result == "SUCCESS" else f"Run {self.run.run_id} failed."
        return {"error": bad, "run_job_output": {"run_id": self.run.run_id}}

    def stop(self) -> None:
        self.run.is_cancelled = True
        self.run.step()


class LoopWork:
    """A task for each input, so many at once."""

    def __init__(self, iterations: "list[TaskRun]", at_once: int, run: "Run") -> None:
        self.iterations, self._at_once, self._run = iterations, at_once, run

    @property
    def result(self) -> str | None:
        going = [each for each in self.iterations if not each.is_ended][: self._at_once]
        for each in going:
            self._run.step_one(each)
        if any(not each.is_ended for each in self.iterations):
            return None
        good = all(each.result == "SUCCESS" for each in self.iterations)
        return "SUCCESS" if good else "FAILED"

    @property
    def answer(self) -> Mapping[str, Any]:
        bad = sum(each.result != "SUCCESS" for each in self.iterations)
        return {"error": f"{bad} iterations failed." if bad else None}

    def stop(self) -> None:
        for each in self.iterations:
            if not each.is_ended:
                each.end("CANCELED")


class Worker:
    """Begins the work of tasks; knows the workspace, and how other jobs are started."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.notebooks = NotebookRunner()
        self.next_id: Callable[[], int] = lambda: 0
        self.start_job: Callable[[int, dict[str, str]], Run] | None = None

    def begin(self, run: "Run", task: "TaskRun") -> Work | None:
        """None for work that is done at once, or whose outcome the test decides."""
        given = resolve(task.task, lambda path: _value(run, task, path))
        task.resolved = given
        if "notebook_task" in given:
            wanted = dict(given["notebook_task"])
            wanted["base_parameters"] = {**(wanted.get("base_parameters") or {}), **run.parameters}
            return self.notebooks.start({"notebook_task": wanted}, task_values=run.values)
        if "spark_python_task" in given:
            return self._python(given["spark_python_task"])
        if "sql_task" in given:
            return self._sql(given["sql_task"], run.parameters)
        if "run_job_task" in given and self.start_job is not None:
            wanted = given["run_job_task"]
            parameters = {**(wanted.get("job_parameters") or {}), **run.parameters}
            return JobWork(self.start_job(int(wanted["job_id"]), parameters))
        if "for_each_task" in given:
            return self._loop(run, task, given["for_each_task"])
        return None

    def _text(self, path: str) -> str | None:
        assert self.state is not None
        objects: Objects = self.state.sub(Objects)
        try:
            return objects.get(path)[1].content.decode()
        except ApiError:
            return None

    def _python(self, wanted: Mapping[str, Any]) -> NotebookExecution | None:
        text = self._text(wanted["python_file"])
        if text is None:
            return None
        argv = [wanted["python_file"], *(wanted.get("parameters") or [])]
        return self.notebooks.execute(
            [["python", f"import sys; sys.argv = {argv!r}"], ["python", text]], {}, "/file", {}
        )

    def _sql(self, wanted: Mapping[str, Any], parameters: Mapping[str, str]) -> SqlWork | None:
        text = self._text(wanted["file"]["path"])
        if text is None or self.state is None:
            return None
        if not wanted.get("warehouse_id"):
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "sql_task needs a warehouse_id.")
        return SqlWork(self.state, text, {**(wanted.get("parameters") or {}), **parameters})

    def _loop(self, run: "Run", task: "TaskRun", wanted: Mapping[str, Any]) -> LoopWork:
        inner = task.task["for_each_task"]["task"]
        iterations = [
            type(task)(self.next_id(), inner, input=value) for value in json.loads(wanted["inputs"])
        ]
        return LoopWork(iterations, int(wanted.get("concurrency") or 1), run)


def resolve(value: Any, look_up: Callable[[str], Any]) -> Any:
    """The same JSON with references replaced; those of a loop's own task wait for its turn."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _text(look_up(found[1])), value)
    if isinstance(value, list):
        return [resolve(each, look_up) for each in value]
    if isinstance(value, dict):
        return {
            name: each if name == "task" else resolve(each, look_up) for name, each in value.items()
        }
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _value(run: "Run", task: "TaskRun", path: str) -> Any:
    head, *rest = path.split(".")
    if head == "input":
        value = task.input
        for part in rest:
            value = value[part]
        return value
    if head == "job" and rest[0] == "parameters":
        return run.parameters[".".join(rest[1:])]
    if head == "job":
        started = time.gmtime(run.started_at)
        known = {
            "run_id": run.run_id,
            "id": run.job_id,
            "name": run.name,
            "start_time.iso_date": time.strftime("%Y-%m-%d", started),
        }
        return known[".".join(rest)]
    if head == "tasks" and rest[1] == "values":
        return run.values[rest[0]][".".join(rest[2:])]
    if head == "tasks" and rest[1] == "output":
        [other] = [each for each in run.tasks if each.key == rest[0]]
        rows = other.work.answer["rows"] if other.work is not None else []
        value: Any = {"rows": rows, "first_row": rows[0] if rows else {}}
        for part in rest[2:]:
            value = value[part]
        return value
    [other] = [each for each in run.tasks if each.key == rest[0]]
    known = {"result_state": str(other.result).lower(), "outcome": other.outcome}
    return known[rest[1]]
