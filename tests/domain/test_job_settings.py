"""Definitions of jobs are read as Databricks writes them; errors name the task and the field."""

from typing import Any

import pytest

from servicetsunami.domain.job import TaskKind
from servicetsunami.domain.job_references import resolve, split
from servicetsunami.domain.job_settings import read_settings
from servicetsunami.errors import InvalidInput

NOTEBOOK = {"notebook_task": {"notebook_path": "etl/load"}}
SQL = {"sql_task": {"statement": "SELECT 1"}}
QUERY = {"sql": "SELECT 1"}
DAILY = {"quartz_cron_expression": "0 0 6 * * ?"}


def one(**task: Any) -> dict[str, Any]:
    return {"name": "j", "tasks": [{"task_key": "a", **task}]}


def test_a_definition_of_databricks_is_read_whole() -> None:
    settings = read_settings(
        {
            "name": "nightly",
            "parameters": [{"name": "day", "default": "today"}],
            "max_concurrent_runs": 2,
            "queue": {"enabled": True},
            "timeout_seconds": 60,
            "schedule": {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "Europe/Berlin"},
            "tasks": [
                {"task_key": "a", **NOTEBOOK, "max_retries": 2, "min_retry_interval_millis": 500},
                {"task_key": "b", **SQL, "depends_on": [{"task_key": "a"}], "run_if": "ALL_DONE"},
            ],
        }
    )
    assert settings.parameters == {"day": "today"}
    assert (settings.max_concurrent_runs, settings.is_queued, settings.timeout_s) == (2, True, 60)
    assert settings.schedule is not None
    assert settings.task("a").retry_interval_s == 0.5
    assert [task.key for task in settings.leaves()] == ["b"]
    assert read_settings(settings.source) == settings


def test_the_simple_shape_of_earlier_clients_becomes_the_same() -> None:
    settings = read_settings(
        {
            "name": "pipeline",
            "tasks": [
                {"name": "load it", "type": "notebook", "config": {"notebook": "etl/load"}},
                {"name": "count", "type": "sql", "depends_on": ["load_it"], "config": QUERY},
            ],
        }
    )  # fmt: skip
    assert [(task.key, task.kind) for task in settings.tasks] == [
        ("load_it", TaskKind.NOTEBOOK),
        ("count", TaskKind.SQL),
    ]
    assert settings.source["tasks"] == [
        {"task_key": "load_it", **NOTEBOOK},
        {"task_key": "count", "depends_on": [{"task_key": "load_it"}], **SQL},
    ]


def taking(value: str) -> dict[str, Any]:
    return {"sql_task": {"statement": "SELECT :x", "parameters": {"x": value}}}


def loop(**more: Any) -> dict[str, Any]:
    return {"for_each_task": {"inputs": "[1]", "task": {"task_key": "i", **SQL}, **more}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tasks": [{"task_key": "a", **SQL}]}, ("needs a name",)),
        ({"name": "j", "tasks": []}, ("needs `tasks`",)),
        ({"name": "j", "tasks": ["a"]}, ("Task 1", "no object")),
        ({**one(**SQL), "task": []}, ("no field 'task'", "tasks")),
        (one(**SQL, retries=1), ("'a'", "no field 'retries'", "max_retries")),
        (one(), ("'a'", "0 kinds of work")),
        (one(**SQL, **NOTEBOOK), ("2 kinds of work",)),
        (one(task_key="a b", **SQL), ("'a b'", "task_key")),
        (one(sql_task={}), ("'a'", "`statement` or `file`")),
        (one(notebook_task={}), ("'a'", "notebook_path")),
        (one(notebook_task={"notebook_path": "a//b"}), ("'a'", "notebook_path")),
        (one(notebook_task=3), ("'a'", "notebook_task")),
        (one(spark_python_task={}), ("'a'", "`code` or `python_file`")),
        (one(run_job_task={}), ("'a'", "job_name")),
        (one(condition_task={"op": "IS", "left": "1", "right": "2"}), ("'a'", "op", "EQUAL_TO")),
        (one(**loop(inputs="x")), ("'a'", "inputs", "JSON array")),
        (one(**loop(task={"task_key": "i", **loop()})), ("'i'", "for_each_task.task")),
        (one(**loop(concurrency=0)), ("'a'", "concurrency", "1 to 100")),
        (one(**SQL, run_if="MAYBE"), ("'a'", "run_if", "ALL_DONE")),
        (one(**SQL, max_retries=-2), ("'a'", "max_retries")),
        (one(**SQL, depends_on="b"), ("'a'", "depends_on")),
        (one(**SQL, depends_on=["b"]), ("'a'", "'b'", "no task")),
        (one(**SQL, depends_on=["a"]), ("circle", "a")),
        (one(**SQL, depends_on=[{"task_key": "a", "outcome": "yes"}]), ("outcome",)),
        (one(type="magic", config={}), ("'a'", "no type 'magic'")),
        ({**one(**SQL), "parameters": "x"}, ("parameters",)),
        ({**one(**SQL), "parameters": {"": "x"}}, ("parameter ''",)),
        ({**one(**SQL), "schedule": {}} | {"schedule": {"timezone_id": "UTC"}}, ("schedule",)),
        (
            {**one(**SQL), "schedule": {**DAILY, "timezone_id": "Mars"}},
            ("timezone_id", "'Mars'"),
        ),
        (
            {**one(**SQL), "schedule": {**DAILY, "pause_status": "X"}},
            ("pause_status",),
        ),
        (one(**taking("{{job.parameters.x}}")), ("'a'", "declares", "none")),
        (one(**taking("{{tasks.b.values.x}}")), ("'a'", "end before it")),
        (one(**taking("{{input}}")), ("'a'", "for_each_task only")),
        (one(**taking("{{job.owner}}")), ("'a'", "refers to nothing")),
        (one(sql_task={"statement": "SELECT {{job.id}}"}), ("'a'", "statement", "`parameters`")),
        (one(spark_python_task={"code": "{{job.id}}"}), ("'a'", "code", "sys.argv")),
        ({**one(**SQL), "run_on": "mars"}, ("run_on", "local, databricks")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(given: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_settings(given)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_two_tasks_of_one_key_and_an_outcome_of_no_condition_are_refused() -> None:
    twice = [{"task_key": "a", **SQL}, {"task_key": "a", **SQL}]
    with pytest.raises(InvalidInput, match="Two tasks"):
        read_settings({"name": "j", "tasks": twice})
    outcome = {"task_key": "b", **SQL, "depends_on": [{"task_key": "a", "outcome": "true"}]}
    with pytest.raises(InvalidInput, match="no condition_task"):
        read_settings({"name": "j", "tasks": [{"task_key": "a", **SQL}, outcome]})


def test_references_to_what_a_task_behind_sets_are_refused_also_through_others() -> None:
    def tasks(value: str) -> dict[str, Any]:
        last = {"task_key": "c", "depends_on": ["b"], **taking(value)}
        middle = {"task_key": "b", "depends_on": ["a"], **SQL}
        return {"name": "j", "tasks": [{"task_key": "a", **SQL}, middle, last]}

    read_settings(tasks("{{tasks.a.output.row_count}}"))
    with pytest.raises(InvalidInput, match="refers to nothing"):
        read_settings(tasks("{{tasks.a.owner}}"))


def test_references_are_filled_in_everywhere() -> None:
    values = {"job.parameters.x": "1", "tasks.a.values.l": [1, {"b": 2}]}
    given = {"text": "x is {{ job.parameters.x }}", "list": ["{{tasks.a.values.l}}", 3]}
    assert resolve(given, values.__getitem__) == {"text": "x is 1", "list": ['[1,{"b":2}]', 3]}
    assert split("tasks.[my.task].values.k") == ["tasks", "my.task", "values", "k"]
