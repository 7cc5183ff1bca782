"""Reads and checks job definitions: JobSettings, and the simple shape of earlier clients.

Every error names the task and the field.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from servicetsunami.domain.cron import Cron
from servicetsunami.domain.job import Dependency, JobSettings, RunIf, Schedule, Task, TaskKind
from servicetsunami.domain.job_fields import mapping, nearest, needed, one_of, only_known, whole
from servicetsunami.domain.job_references import check, references
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.errors import InvalidInput, ServerError

_TASKS_MAX: Final = 1_000
"""As many as Databricks takes for one job."""
_NAME_CHARS_MAX: Final = 200
_CONCURRENCY_MAX: Final = 100
_KEY: Final = re.compile(r"[A-Za-z0-9_\-]{1,100}")
_SIMPLE_KINDS: Final = {
    "notebook": TaskKind.NOTEBOOK,
    "sql": TaskKind.SQL,
    "python": TaskKind.PYTHON,
    "job": TaskKind.RUN_JOB,
    "run_job": TaskKind.RUN_JOB,
    "condition": TaskKind.CONDITION,
    "for_each": TaskKind.FOR_EACH,
}
_SIMPLE_FIELDS: Final = {
    TaskKind.NOTEBOOK: {
        "notebook": "notebook_path",
        "path": "notebook_path",
        "parameters": "base_parameters",
    },
    TaskKind.SQL: {"sql": "statement", "query": "statement"},
    TaskKind.PYTHON: {"file": "python_file"},
    TaskKind.RUN_JOB: {"job": "job_name", "parameters": "job_parameters"},
}  # fmt: skip
_WORK_FIELDS: Final = {
    TaskKind.NOTEBOOK: {"notebook_path", "base_parameters", "source", "warehouse_id"},
    TaskKind.SQL: {"statement", "file", "parameters", "warehouse_id"},
    TaskKind.PYTHON: {"python_file", "code", "parameters", "source"},
    TaskKind.RUN_JOB: {"job_name", "job_id", "job_parameters"},
    TaskKind.CONDITION: {"op", "left", "right"},
    TaskKind.FOR_EACH: {"inputs", "concurrency", "task"},
}
_TASK_FIELDS: Final = {
    "task_key", "depends_on", "run_if", "max_retries", "min_retry_interval_millis", "disabled",
    "retry_on_timeout", "timeout_seconds", "description", "idempotent", *TaskKind,
    "environment_key", "existing_cluster_id", "job_cluster_key", "new_cluster", "libraries",
    "email_notifications", "webhook_notifications", "notification_settings",
}  # fmt: skip
_JOB_FIELDS: Final = {
    "name", "description", "tasks", "schedule", "parameters", "environments", "job_clusters",
    "max_concurrent_runs", "queue", "timeout_seconds", "tags", "email_notifications", "run_as",
    "webhook_notifications", "notification_settings", "performance_target", "format", "edit_mode",
    "run_on",
}  # fmt: skip
PLACES: Final = ("local", "databricks")
OPERATORS: Final = frozenset(
    {"EQUAL_TO", "NOT_EQUAL", "GREATER_THAN", "GREATER_THAN_OR_EQUAL"}
    | {"LESS_THAN", "LESS_THAN_OR_EQUAL"}
)


def read_settings(given: Mapping[str, Any]) -> JobSettings:
    """Check a definition, and give it its normal shape; raises InvalidInput."""
    source = {key: value for key, value in given.items() if value is not None}
    only_known(source, _JOB_FIELDS, "The job")
    name = source.get("name")
    if (
        not isinstance(name, str)
        or not name.strip()
        or len(name) > _NAME_CHARS_MAX
        or not name.isprintable()
    ):
        raise InvalidInput(
            "The job needs a name.", f"Give 1 to {_NAME_CHARS_MAX} printable characters."
        )
    parameters = _parameters(source.get("parameters") or [])
    tasks = source.get("tasks")
    if not isinstance(tasks, list) or not 1 <= len(tasks) <= _TASKS_MAX:
        raise InvalidInput(
            f"The job needs `tasks`: a list of 1 to {_TASKS_MAX}.",
            'The least is [{"task_key": "a", "notebook_task": {"notebook_path": "name"}}].',
        )
    normal = [_normal(task, index) for index, task in enumerate(tasks)]
    source |= {"name": name.strip(), "tasks": normal}
    if parameters:
        source["parameters"] = [{"name": k, "default": v} for k, v in parameters.items()]
    read = tuple(_task(task) for task in normal)
    _check_graph(read, parameters)
    return JobSettings(
        name=name.strip(),
        tasks=read,
        parameters=parameters,
        schedule=_schedule(source.get("schedule")),
        max_concurrent_runs=whole(
            source, "max_concurrent_runs", "The job", default=1, bounds=(1, 1000)
        ),
        is_queued=bool(mapping(source.get("queue") or {}, "The job", "queue").get("enabled")),
        timeout_s=whole(source, "timeout_seconds", "The job", default=0, bounds=(0, 10**9)),
        source=source,
        run_on=_place(source.get("run_on")),
    )


def _place(given: object) -> str:
    """Where the schedule runs the job."""
    if given not in {None, *PLACES}:
        raise InvalidInput(
            f"The job: run_on cannot be {given!r}.", f"Use one of {', '.join(PLACES)}."
        )
    return str(given or PLACES[0])


def _parameters(given: object) -> dict[str, str]:
    """Databricks' list of {name, default}, or a plain object of names and defaults."""
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, list) and all(isinstance(each, Mapping) for each in given):
        pairs = [(each.get("name"), each.get("default", "")) for each in given]
    else:
        raise InvalidInput(
            "The job's `parameters` are no list.", 'Give [{"name": …, "default": …}].'
        )
    for name, value in pairs:
        if not isinstance(name, str) or not name or not isinstance(value, (str, int, float)):
            raise InvalidInput(
                f"The job's parameter {name!r} is not usable.", "Names and defaults are texts."
            )
    return {str(name): str(value) for name, value in pairs}


def _normal(given: object, index: int) -> dict[str, Any]:
    """A task in the shape of Databricks; {name, type, depends_on, config} becomes it."""
    if not isinstance(given, Mapping):
        raise InvalidInput(
            f"Task {index + 1} of the job is no object.", "Give task_key and its work."
        )
    task = {key: value for key, value in given.items() if value is not None}
    if "type" in task:
        task = _from_simple(task, index)
    where = f"Task {task.get('task_key', index + 1)!r}"
    depends = task.get("depends_on") or []
    if not isinstance(depends, list):
        raise InvalidInput(f"{where}: depends_on is no list.", 'Give [{"task_key": "other"}].')
    if depends:
        task["depends_on"] = [{"task_key": d} if isinstance(d, str) else d for d in depends]
    else:
        task.pop("depends_on", None)
    loop = task.get(TaskKind.FOR_EACH)
    if isinstance(loop, Mapping) and "task" in loop:
        task[TaskKind.FOR_EACH.value] = {**loop, "task": _normal(loop["task"], index)}
    return {str(key): value for key, value in task.items()}


def _from_simple(task: Mapping[str, Any], index: int) -> dict[str, Any]:
    name = str(task.get("name") or task.get("task_key") or f"task_{index + 1}")
    kind = _SIMPLE_KINDS.get(str(task["type"]).lower())
    if kind is None:
        known = ", ".join(_SIMPLE_KINDS)
        raise InvalidInput(
            f"Task {name!r}: there is no type {task['type']!r}.", f"Use one of {known}."
        )
    renamed = _SIMPLE_FIELDS.get(kind, {})
    config = mapping(task.get("config") or {}, f"Task {name!r}", "config")
    rest = {k: v for k, v in task.items() if k not in {"name", "type", "config", "task_key"}}
    work = {renamed.get(key, key): value for key, value in config.items()}
    return {"task_key": re.sub(r"[^A-Za-z0-9_\-]", "_", name), **rest, kind.value: work}


def _task(given: Mapping[str, Any], *, is_inner: bool = False) -> Task:
    key = given.get("task_key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidInput(
            f"{key!r} cannot be a task_key.", "Use 1 to 100 letters, digits, _ and -."
        )
    where = f"Task {key!r}"
    only_known(given, _TASK_FIELDS, where)
    kinds = [kind for kind in TaskKind if kind in given]
    if len(kinds) != 1:
        raise InvalidInput(
            f"{where} has {len(kinds)} kinds of work; it needs exactly one.",
            f"Give one of {', '.join(TaskKind)}.",
        )
    [kind] = kinds
    work = mapping(given[kind], where, kind.value)
    only_known(work, _WORK_FIELDS[kind], f"{where}: {kind.value}")
    inner = None
    if kind is TaskKind.FOR_EACH:
        if is_inner or not isinstance(work.get("task"), Mapping):
            raise InvalidInput(
                f"{where}: for_each_task.task has to be a task that is no for_each_task itself.",
                "Give the task that is done for each input.",
            )
        inner = _task(work["task"], is_inner=True)
    _CHECKS[kind](work, where)
    return Task(
        key=key,
        kind=kind,
        work=work,
        depends_on=tuple(_dependency(each, where) for each in given.get("depends_on") or []),
        run_if=one_of(given.get("run_if", "ALL_SUCCESS"), RunIf, where, "run_if"),
        max_retries=whole(given, "max_retries", where, default=0, bounds=(-1, 1000)),
        retry_interval_s=whole(
            given, "min_retry_interval_millis", where, default=0, bounds=(0, 10**9)
        )
        / 1000,
        retry_on_timeout=bool(given.get("retry_on_timeout")),
        timeout_s=whole(given, "timeout_seconds", where, default=0, bounds=(0, 10**9)),
        is_idempotent=bool(given.get("idempotent")),
        is_disabled=bool(given.get("disabled")),
        inner=inner,
    )


def _check_notebook(work: Mapping[str, Any], where: str) -> None:
    path = needed(work, "notebook_path", f"{where}: notebook_task")
    if not any(references(path)):
        try:
            NotebookName.parse(path)
        except ServerError as error:
            raise InvalidInput(f"{where}: notebook_path: {error.what}", error.next_step) from error
    mapping(work.get("base_parameters") or {}, where, "notebook_task.base_parameters")


def _check_sql(work: Mapping[str, Any], where: str) -> None:
    if ("statement" in work) == ("file" in work):
        raise InvalidInput(
            f"{where}: sql_task needs `statement` or `file`.",
            "Give the SQL text in `statement`, or file {path}: a saved SQL notebook.",
        )
    _refuse_references(work.get("statement"), f"{where}: sql_task.statement")
    mapping(work.get("parameters") or {}, where, "sql_task.parameters")


def _check_python(work: Mapping[str, Any], where: str) -> None:
    if ("code" in work) == ("python_file" in work):
        raise InvalidInput(
            f"{where}: spark_python_task needs `code` or `python_file`.",
            "Give the Python text in `code`, or the name of a saved notebook in `python_file`.",
        )
    _refuse_references(work.get("code"), f"{where}: spark_python_task.code")


def _refuse_references(text: object, where: str) -> None:
    """Databricks fills references into parameters, and not into texts."""
    found = next(references(text), None)
    if found is not None:
        raise InvalidInput(
            f"{where} refers to {{{{{found}}}}}, which is filled into parameters only.",
            "Give it in the task's `parameters`, and read it from there: :name in SQL, sys.argv "
            "in Python.",
        )


def _check_run_job(work: Mapping[str, Any], where: str) -> None:
    needed(work, "job_name", f"{where}: run_job_task")
    mapping(work.get("job_parameters") or {}, where, "run_job_task.job_parameters")


def _check_condition(work: Mapping[str, Any], where: str) -> None:
    for name in ("left", "right"):
        needed(work, name, f"{where}: condition_task")
    if work.get("op") not in OPERATORS:
        raise InvalidInput(
            f"{where}: condition_task.op cannot be {work.get('op')!r}.",
            f"Use one of {', '.join(sorted(OPERATORS))}.",
        )


def _check_inputs(work: Mapping[str, Any], where: str) -> None:
    inputs = work.get("inputs")
    whole(work, "concurrency", f"{where}: for_each_task", default=1, bounds=(1, _CONCURRENCY_MAX))
    if isinstance(inputs, list) or (isinstance(inputs, str) and any(references(inputs))):
        return
    try:
        is_list = isinstance(json.loads(str(inputs)), list)
    except ValueError:
        is_list = False
    if not is_list:
        raise InvalidInput(
            f"{where}: for_each_task.inputs is no JSON array.",
            'Give a text such as \'["a", "b"]\', or a reference to one.',
        )


def _dependency(given: object, where: str) -> Dependency:
    found = mapping(given, where, "depends_on")
    outcome = found.get("outcome")
    if outcome not in {None, "true", "false"}:
        raise InvalidInput(f"{where}: outcome cannot be {outcome!r}.", "Use 'true' or 'false'.")
    return Dependency(needed(found, "task_key", f"{where}: depends_on"), outcome)


def _check_graph(tasks: Sequence[Task], parameters: Mapping[str, str]) -> None:
    """Refuse double keys, unknown dependencies, circles, and references to what comes later."""
    by_key = {task.key: task for task in tasks}
    if len(by_key) != len(tasks):
        keys = [task.key for task in tasks]
        double = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInput(f"Two tasks have the key {double!r}.", "Give each its own task_key.")
    for task in tasks:
        _check_dependencies(task, by_key)
    _check_references(by_key, parameters)


def _check_dependencies(task: Task, by_key: Mapping[str, Task]) -> None:
    for each in task.depends_on:
        if each.key not in by_key:
            raise InvalidInput(
                f"Task {task.key!r}: depends_on names {each.key!r}, which is no task.",
                nearest(each.key, by_key),
            )
        if each.outcome and by_key[each.key].kind is not TaskKind.CONDITION:
            raise InvalidInput(
                f"Task {task.key!r}: {each.key!r} is no condition_task, so it has no outcome.",
                "Leave `outcome` out.",
            )


def _check_references(by_key: Mapping[str, Task], parameters: Mapping[str, str]) -> None:
    before = _ancestors(by_key)
    for task in by_key.values():
        found = [(path, False) for path in references({**task.work, "task": None})]
        if task.inner is not None:
            found += [(path, True) for path in references(task.inner.work)]
        for path, has_input in found:
            try:
                check(path, parameters=parameters, before=before[task.key], has_input=has_input)
            except ServerError as error:
                raise InvalidInput(f"Task {task.key!r}: {error.what}", error.next_step) from error


def _ancestors(by_key: Mapping[str, Task]) -> dict[str, frozenset[str]]:
    """For each task all that end before it; raises InvalidInput for a circle."""
    done: dict[str, frozenset[str]] = {}
    left = dict(by_key)
    while left:
        ready = [t for t in left.values() if all(each.key in done for each in t.depends_on)]
        if not ready:
            circle = ", ".join(sorted(left)[:10])
            raise InvalidInput(
                f"These tasks wait for each other in a circle: {circle}.",
                "Remove one of their depends_on.",
            )
        for task in ready:
            keys = [each.key for each in task.depends_on]
            done[task.key] = frozenset(keys).union(*(done[key] for key in keys))
            del left[task.key]
    return done


def _schedule(given: object) -> Schedule | None:
    if not given:
        return None
    found = mapping(given, "The job", "schedule")
    only_known(
        found, {"quartz_cron_expression", "timezone_id", "pause_status"}, "The job: schedule"
    )
    zone = str(found.get("timezone_id") or "UTC")
    if zone not in available_timezones():
        raise InvalidInput(
            f"The job: schedule.timezone_id {zone!r} is no time zone.",
            nearest(zone, available_timezones()),
        )
    ZoneInfo(zone)
    status = found.get("pause_status", "UNPAUSED")
    if status not in {"PAUSED", "UNPAUSED"}:
        raise InvalidInput(
            f"The job: schedule.pause_status cannot be {status!r}.", "Use PAUSED or UNPAUSED."
        )
    cron = Cron.parse(needed(found, "quartz_cron_expression", "The job: schedule"))
    return Schedule(cron=cron, timezone_id=zone, is_paused=status == "PAUSED")


_CHECKS: Final[Mapping[TaskKind, Callable[[Mapping[str, Any], str], None]]] = {
    TaskKind.NOTEBOOK: _check_notebook,
    TaskKind.SQL: _check_sql,
    TaskKind.PYTHON: _check_python,
    TaskKind.RUN_JOB: _check_run_job,
    TaskKind.CONDITION: _check_condition,
    TaskKind.FOR_EACH: _check_inputs,
}
"""What refuses work that could never be done."""
