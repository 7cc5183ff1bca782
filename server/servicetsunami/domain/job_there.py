"""What a job looks like on Databricks: the same definition, in the names that things have there.

Notebooks stand in the tenant's folder; the SQL and Python of tasks in files beside them, in a
folder of the job's own. The schedule fires on one side only: there it is paused, unless the job
runs there.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from servicetsunami.domain.cost import TENANT_TAG
from servicetsunami.domain.job import Job, Task, TaskKind
from servicetsunami.domain.job_references import as_text, references, split
from servicetsunami.domain.job_texts import has_text, python_of, statements_of, text_name
from servicetsunami.domain.notebook import NotebookName

TAG: Final = "servicetsunami_id"
"""The tag that carries our id: nothing else tells a job again whose creation was lost."""
FILES: Final = "_jobs"
"""The folder, beside the notebooks, that holds a folder with the files of each job."""
_OUTPUTS: Final = (["rows"], ["first_row"])
_ENVIRONMENT: Final = "servicetsunami"
_ENVIRONMENT_VERSION: Final = "4"
_OURS: Final = frozenset({"run_on", "format", "edit_mode"})
_THEIRS: Final = frozenset({"run_as", "deployment", "format", "edit_mode"})
"""What the workspace sets by itself, so that a change of it says nothing about people."""
_COMPUTE: Final = frozenset(
    {"environment_key", "existing_cluster_id", "job_cluster_key", "new_cluster"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a definition refers to there. `cluster_id` empty stands for serverless compute."""

    folder: str
    catalog: str
    schema: str
    warehouse_id: str
    cluster_id: str
    job_ids: Mapping[str, int]


def is_there(job: Job) -> bool:
    """Whether its schedule, and a call that does not say where, run it on Databricks."""
    return job.settings.run_on == "databricks"


def files_folder(folder: str, job_id: str) -> str:
    """Where the files of a job stand, by our id of it."""
    return f"{folder}/{FILES}/{job_id}"


def needed_jobs(job: Job) -> list[str]:
    """The names of the jobs that its tasks run."""
    works = [(task.inner or task) for task in job.settings.tasks]
    return [str(task.work["job_name"]) for task in works if task.kind is TaskKind.RUN_JOB]


def needed_notebooks(job: Job) -> list[str]:
    """The names of the notebooks that its tasks run, but for those that a reference names."""
    names = []
    for task in (task.inner or task for task in job.settings.tasks):
        if task.kind is TaskKind.NOTEBOOK and not any(references(task.work["notebook_path"])):
            names.append(str(NotebookName.parse(str(task.work["notebook_path"]))))
        elif has_text(task) and (name := text_name(task.work)) is not None:
            names.append(name)
    return names


def only_here(job: Job) -> list[str]:
    """The references that Databricks does not know: of outputs it has the rows of SQL only."""
    found = []
    for path in references(job.settings.source["tasks"]):
        parts = split(path)
        if parts[:1] == ["tasks"] and parts[2:3] == ["output"] and parts[3:4] not in _OUTPUTS:
            found.append(path)
    return found


def tags_of(job: Job) -> dict[str, str]:
    """The tags that tell a job as ours, and let its cost be counted for the tenant."""
    return {TAG: job.id, TENANT_TAG: job.tenant}


def settings_there(job: Job, around: Surroundings) -> dict[str, Any]:
    """The definition in the shape and the names of Databricks' JobSettings."""
    source = {name: value for name, value in job.settings.source.items() if name not in _OURS}
    source["tasks"] = [_task(task, job, around) for task in job.settings.source["tasks"]]  # ty: ignore
    source["tags"] = {**_mapping(source.get("tags")), **tags_of(job)}
    schedule = job.settings.schedule
    if schedule is not None:
        status = "UNPAUSED" if is_there(job) and not schedule.is_paused else "PAUSED"
        given = _mapping(source["schedule"])
        source["schedule"] = {
            **given,
            "timezone_id": schedule.timezone_id,
            "pause_status": status,
        }
    if f'"environment_key": "{_ENVIRONMENT}"' in json.dumps(source["tasks"]):
        spec = {"environment_version": _ENVIRONMENT_VERSION, "dependencies": []}
        ours = {"environment_key": _ENVIRONMENT, "spec": spec}
        source["environments"] = [*(source.get("environments") or ()), ours]  # ty: ignore
    return source


def _task(given: Mapping[str, Any], job: Job, around: Surroundings, inside: str = "") -> Any:  # noqa: ANN401 - JSON
    """A task there; `inside` is the loop that it is repeated by."""
    [kind] = [kind for kind in TaskKind if kind in given]
    key = f"{inside}{given['task_key']}"
    work = _work(kind, given[kind], key, job, around)
    task = {name: value for name, value in given.items() if name != "idempotent"}
    task[kind.value] = work
    if kind in {TaskKind.NOTEBOOK, TaskKind.PYTHON} and not _COMPUTE & given.keys():
        if around.cluster_id:
            task["existing_cluster_id"] = around.cluster_id
        elif kind is TaskKind.PYTHON:
            task["environment_key"] = _ENVIRONMENT
    return task


def _work(
    kind: TaskKind, work: Mapping[str, Any], key: str, job: Job, around: Surroundings
) -> dict[str, Any]:
    files = files_folder(around.folder, job.id)
    if kind is TaskKind.NOTEBOOK:
        path = str(work["notebook_path"])
        name = path if any(references(path)) else str(NotebookName.parse(path))
        given = _texts(work.get("base_parameters"))
        named = {**work, "notebook_path": f"{around.folder}/{name}", "source": "WORKSPACE"}
        return {**named, "base_parameters": given} if given else named
    if kind is TaskKind.SQL:
        file = {"path": f"{files}/{key}.sql", "source": "WORKSPACE"}
        warehouse_id = work.get("warehouse_id") or around.warehouse_id
        return {
            "file": file,
            "warehouse_id": warehouse_id,
            "parameters": _texts(work.get("parameters")),
        }
    if kind is TaskKind.PYTHON:
        parameters = [as_text(each) for each in work.get("parameters") or ()]
        return {
            "python_file": f"{files}/{key}.py",
            "source": "WORKSPACE",
            "parameters": parameters,
        }
    if kind is TaskKind.RUN_JOB:
        job_id = around.job_ids[str(work["job_name"])]
        return {"job_id": job_id, "job_parameters": _texts(work.get("job_parameters"))}
    if kind is TaskKind.CONDITION:
        return {"op": work["op"], "left": as_text(work["left"]), "right": as_text(work["right"])}
    inner = _task(work["task"], job, around, inside=f"{key}.")
    return {**work, "inputs": as_text(work["inputs"]), "task": inner}


def files_there(job: Job, around: Surroundings, saved: Mapping[str, str]) -> dict[str, str]:
    """The files that its tasks run, by their paths; `saved` has the texts of notebooks by name."""
    folder = files_folder(around.folder, job.id)
    files = {}
    for outer in job.settings.tasks:
        task = outer.inner or outer
        if not has_text(task):
            continue
        key = task.key if task is outer else f"{outer.key}.{task.key}"
        name = text_name(task.work)
        text = None if name is None else saved[name]
        if task.kind is TaskKind.PYTHON:
            files[f"{folder}/{key}.py"] = python_of(task.work, text) + "\n"
        else:
            files[f"{folder}/{key}.sql"] = _sql_file(task, text, around)
    return files


def _sql_file(task: Task, saved: str | None, around: Surroundings) -> str:
    """The statements with the names of tables meaning what they mean here."""
    statements = [each.strip().rstrip(";") for each in statements_of(task.work, saved)]
    first = [f"USE CATALOG `{around.catalog}`", f"USE SCHEMA `{around.schema}`"]
    return "".join(f"{each};\n" for each in [*first, *statements])


def fingerprint(settings: Mapping[str, Any]) -> str:
    """A hash of a definition as the workspace gives it back, to see whether people change it."""
    ours = {name: value for name, value in settings.items() if name not in _THEIRS}
    return hashlib.sha256(json.dumps(ours, sort_keys=True).encode()).hexdigest()


def _texts(given: object) -> dict[str, str]:
    return {str(name): as_text(value) for name, value in _mapping(given).items()}


def _mapping(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}
