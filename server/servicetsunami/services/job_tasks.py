"""Does one task of a job here: what it refers to is filled in, and its kind decides the rest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.job import JobSettings, Task, TaskKind
from servicetsunami.domain.job_references import as_text, resolve, split
from servicetsunami.domain.job_texts import as_notebook, python_of, statements_of, text_name
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.run import Run, RunState, TaskRun
from servicetsunami.errors import InvalidInput
from servicetsunami.services.job_progress import TaskResult
from servicetsunami.services.job_sql import JobSql, is_change
from servicetsunami.services.notebook_runs import NotebookRuns, TaskValues
from servicetsunami.services.notebooks import Notebooks
from servicetsunami.services.run_audit import RunAudit
from servicetsunami.services.run_plans import RunPlans, RunRequest

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GREATER_THAN": lambda left, right: left > right,
    "GREATER_THAN_OR_EQUAL": lambda left, right: left >= right,
    "LESS_THAN": lambda left, right: left < right,
    "LESS_THAN_OR_EQUAL": lambda left, right: left <= right,
}
_INPUTS_MAX: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCall:
    """A claimed task with what it belongs to; `newest` has the tasks that may be referred to.

    `stopping` is set when the task has to stop; `on_child` is told of the run that does the work.
    """

    caller: Caller
    run: Run
    settings: JobSettings
    task: TaskRun
    newest: Mapping[str, TaskRun]
    stopping: anyio.Event = field(default_factory=anyio.Event)

    @property
    def definition(self) -> Task:
        """What the task does."""
        return self.settings.task(self.task.key)

    @property
    def work(self) -> Mapping[str, Any]:
        """Its work with all references filled in; raises InvalidInput for one without a value."""
        given = {key: value for key, value in self.definition.work.items() if key != "task"}
        found = resolve(given, self.look_up)
        return found if isinstance(found, Mapping) else {}

    def look_up(self, path: str) -> object:
        """The value that a reference stands for."""
        head, *rest = split(path)
        if head == "input":
            return _inside(self.task.input, rest, path)
        if head == "job":
            return self._of_job(rest, path)
        if head == "task":
            known = {"name": self.task.key, "execution_count": self.task.attempt + 1}
            return known.get(rest[0], f"{self.run.id}/{self.task.key}")
        other = self.newest[rest[0]]
        if rest[1] == "values":
            return _inside(other.values, rest[2:], path)
        if rest[1] == "output":
            return _inside(_with_rows(other.output), rest[2:], path)
        facts = {
            "result_state": other.state.value.lower(),
            "outcome": other.outcome or "",
            "execution_count": other.attempt + 1,
            "run_id": other.child or f"{self.run.id}/{other.key}",
        }
        return facts.get(rest[1], "")

    def _of_job(self, rest: list[str], path: str) -> object:
        if rest[0] == "parameters":
            name = ".".join(rest[1:])
            return self.run.parameters.get(name, self.settings.parameters.get(name, ""))
        started_at = self.run.started_at or self.run.created_at
        facts: dict[str, object] = {
            "id": self.run.job_id,
            "name": self.settings.name,
            "run_id": self.run.id,
            "repair_count": self.run.repairs,
            "start_time.iso_date": started_at.date().isoformat(),
            "start_time.iso_datetime": started_at.isoformat(),
            "start_time.timestamp_ms": int(started_at.timestamp() * 1000),
            "trigger.type": self.run.trigger,
        }
        return _inside(facts, [".".join(rest)], path)


class JobTasks:
    """Knows how each kind of task is done here, but for loops and jobs, which only wait."""

    def __init__(
        self,
        *,
        notebooks: Notebooks,
        plans: RunPlans,
        here: NotebookRuns,
        sql: JobSql,
        audit: RunAudit,
    ) -> None:
        self._notebooks = notebooks
        self._plans = plans
        self._here = here
        self._sql = sql
        self._audit = audit

    async def do(self, call: TaskCall, on_child: Callable[[str], Any]) -> TaskResult:
        """Do it to its end. Raises a ServerError, which fails the task with its words."""
        kind, work = call.definition.kind, call.work
        if kind is TaskKind.CONDITION:
            return _condition(work)
        if kind is TaskKind.SQL:
            return await self._do_sql(call, work)
        if kind is TaskKind.NOTEBOOK:
            name = str(NotebookName.parse(str(work["notebook_path"])))
            given = {k: as_text(v) for k, v in (work.get("base_parameters") or {}).items()}
            parameters = {**given, **_of_job(call)}
            request = RunRequest(name=name, content=None, parameters=parameters)
        else:
            request = await self._python(call, work)
        asked = {"name": request.name, "content": request.content}
        async with self._audit.noted(call.caller, "run_notebook", asked, run_id=call.run.id):
            return await self._do_notebook(call, request, on_child)

    async def _python(self, call: TaskCall, work: Mapping[str, Any]) -> RunRequest:
        """A Python text as a notebook: its arguments first, then its own cells."""
        argv = ["task.py", *map(as_text, work.get("parameters") or [])]
        content = as_notebook(python_of(work, await self._saved(call, work)), argv)
        return RunRequest(name=None, content=content, parameters={})

    async def _saved(self, call: TaskCall, work: Mapping[str, Any]) -> str | None:
        """The text of the notebook that a SQL or Python task runs, where it runs one."""
        name = text_name(work)
        if name is None:
            return None
        _, revision = await self._notebooks.load(call.caller, NotebookName.parse(name))
        return revision.content

    async def _do_notebook(
        self, call: TaskCall, request: RunRequest, on_child: Callable[[str], Any]
    ) -> TaskResult:
        plan = await self._plans.make(call.caller, request)
        values = TaskValues(earlier={key: task.values for key, task in call.newest.items()})
        active = await self._here.start(
            call.caller,
            plan,
            reason=f"It is the task {call.task.key} of {call.run.id}.",
            timeout_s=call.definition.timeout_s or 86_400.0,
            parent=call.run.id,
            values=values,
        )
        await on_child(active.run.id)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when, call.stopping, active.cancel)
            try:
                await active.done.wait()
            except anyio.get_cancelled_exc_class():
                active.cancel()
                raise
            tasks.cancel_scope.cancel()
        run = active.run
        output = {"run_id": run.id}
        if run.exit_value is not None:
            output["result"] = run.exit_value
        return TaskResult(state=run.state, error=run.error, output=output, values=values.own)

    async def _do_sql(self, call: TaskCall, work: Mapping[str, Any]) -> TaskResult:
        """Run the statement, or those of a saved SQL notebook, one after the other."""
        statements = statements_of(work, await self._saved(call, work))
        parameters = {**(work.get("parameters") or {}), **_of_job(call)}
        output: dict[str, Any] = {}
        for index, statement in enumerate(statements):
            key = f"{call.run.id}/{call.task.key}/{call.task.attempt}/{index}"
            asked = {"sql": statement, "parameters": parameters}
            operation = "ingest_dataset" if is_change(statement) else "query_dataset"
            async with self._audit.noted(call.caller, operation, asked, run_id=call.run.id):
                output = await self._sql.run(
                    call.caller, statement, parameters, key=key, run_id=call.run.id
                )
        return TaskResult(state=RunState.SUCCESS, output=output)


def _with_rows(output: Mapping[str, object]) -> Mapping[str, object]:
    """An output as references see it: rows of SQL are objects, as on Databricks."""
    columns, rows = output.get("columns"), output.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list):
        return output
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return {**output, "rows": named, "first_row": named[0] if named else {}}


def _of_job(call: TaskCall) -> dict[str, str]:
    """The job's parameters, which every task has. As on Databricks, they win over a task's own."""
    return {**call.settings.parameters, **call.run.parameters}


def inputs_of(call: TaskCall) -> list[object]:
    """The inputs of a for-each task; raises InvalidInput for what is no JSON array."""
    found = call.work["inputs"]
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            found = None
    if not isinstance(found, list) or len(found) > _INPUTS_MAX:
        raise InvalidInput(
            f"The inputs of {call.task.key} are no JSON array of at most {_INPUTS_MAX} values.",
            "Have the earlier task set a list.",
        )
    return list(found)


def _condition(work: Mapping[str, Any]) -> TaskResult:
    left, right, operator = as_text(work["left"]), as_text(work["right"]), str(work["op"])
    if operator in {"EQUAL_TO", "NOT_EQUAL"}:
        is_true = (left == right) is (operator == "EQUAL_TO")
    else:
        try:
            is_true = _COMPARISONS[operator](float(left), float(right))
        except ValueError as error:
            raise InvalidInput(
                f"{operator} compares numbers; these are {left!r} and {right!r}.",
                "Use EQUAL_TO or NOT_EQUAL for texts.",
            ) from error
    outcome = "true" if is_true else "false"
    return TaskResult(state=RunState.SUCCESS, outcome=outcome, output={"outcome": outcome})


def _inside(value: object, path: list[str], whole: str) -> object:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise InvalidInput(
                f"{{{{{whole}}}}} has no value: there is no {part!r}.",
                "Have the earlier task set it with dbutils.jobs.taskValues.set.",
            )
    return value


async def _cancel_when(stopping: anyio.Event, cancel: Callable[[], None]) -> None:
    await stopping.wait()
    cancel()
