"""Ten jobs in the shapes that public documentation shows, with the notebooks that they run.

All read the dataset `sales` (region, amount, n), which both sides have before they run.
"""

from typing import Any

from tests.notebooks.running import magic, source

SALES = [
    {"region": region, "amount": amount, "n": n}
    for n, (region, amount) in enumerate([("n", 10), ("s", 20), ("n", 5), ("w", 1)])
]
SQL_NOTEBOOK = (
    "-- Databricks notebook source\nCREATE OR REPLACE TABLE report AS SELECT region, amount "
    "FROM sales WHERE n < 0\n\n-- COMMAND ----------\n\n"
    "INSERT INTO report SELECT region, CAST(sum(amount) AS BIGINT) FROM sales GROUP BY region\n"
)
NOTEBOOKS = {
    "etl/extract": source(
        "dbutils.widgets.text('day', '')",
        "rows = spark.sql('SELECT DISTINCT region FROM sales ORDER BY region').toPandas()",
        "dbutils.jobs.taskValues.set('regions', list(rows.region))",
        "dbutils.jobs.taskValues.set('count', len(rows))",
        "dbutils.notebook.exit('extracted ' + dbutils.widgets.get('day'))",
    ),
    "etl/load": source(
        "dbutils.widgets.text('who', 'nobody')",
        "n = dbutils.jobs.taskValues.get(taskKey='extract', key='count', default=-1)",
        "dbutils.notebook.exit(f\"{dbutils.widgets.get('who')} loads {n}\")",
    ),
    "etl/one region": source(
        "dbutils.widgets.text('region', '')",
        magic("%sql\nSELECT sum(amount) AS total FROM sales WHERE region = :region"),
        "dbutils.notebook.exit(dbutils.widgets.get('region') + str(int(_sqldf.total[0])))",
    ),
    "etl/broken": source("raise ValueError('the source is empty')"),
    "etl/clean": source("dbutils.notebook.exit('clean')"),
    "etl/report": SQL_NOTEBOOK,
}


def notebook(key: str, path: str, *after: str, **more: Any) -> dict[str, Any]:
    work = {"notebook_path": path, **more.pop("notebook", {})}
    return {"task_key": key, "notebook_task": work, **behind(*after), **more}


def sql(key: str, statement: str, *after: str, **more: Any) -> dict[str, Any]:
    work = {"statement": statement, **more.pop("sql", {})}
    return {"task_key": key, "sql_task": work, **behind(*after), **more}


def python(key: str, code: str, *after: str, **more: Any) -> dict[str, Any]:
    work = {"code": code, "parameters": more.pop("parameters", [])}
    return {"task_key": key, "spark_python_task": work, **behind(*after), **more}


def behind(*keys: str) -> dict[str, Any]:
    return {"depends_on": [{"task_key": key} for key in keys]} if keys else {}


def only_if(key: str, outcome: str) -> dict[str, Any]:
    return {"depends_on": [{"task_key": key, "outcome": outcome}]}


INNER = {
    "name": "inner",
    "parameters": [{"name": "region", "default": "w"}, {"name": "note", "default": "-"}],
    "tasks": [notebook("one", "etl/one region")],
}
"""The job that `calls another` runs."""

DEFINITIONS: dict[str, dict[str, Any]] = {
    "a chain of notebooks": {
        "parameters": [{"name": "day", "default": "monday"}],
        "tasks": [
            notebook("extract", "etl/extract"),
            notebook("load", "etl/load", "extract", notebook={"base_parameters": {"who": "Ann"}}),
        ],
        "tags": {"team": "etl"},
    },
    "statements": {
        "parameters": [{"name": "least", "default": "5"}],
        "tasks": [
            sql("make", "CREATE OR REPLACE TABLE big AS SELECT * FROM sales WHERE amount > 0"),
            sql("trim", "DELETE FROM big WHERE amount < CAST(:least AS INT)", "make"),
            sql("count", "SELECT count(*) AS n FROM big", "trim"),
        ],
    },
    "a saved file of SQL": {
        "tasks": [{"task_key": "report", "sql_task": {"file": {"path": "etl/report"}}}]
    },
    "branches": {
        "tasks": [
            notebook("extract", "etl/extract"),
            {
                "task_key": "many",
                **behind("extract"),
                "condition_task": {
                    "op": "GREATER_THAN",
                    "left": "{{tasks.extract.values.count}}",
                    "right": "2",
                },
            },
            notebook("yes", "etl/clean", **only_if("many", "true")),
            notebook("no", "etl/broken", **only_if("many", "false")),
            notebook("after no", "etl/clean", "no", run_if="ALL_DONE") | {"task_key": "after_no"},
        ],
    },
    "a loop over values": {
        "tasks": [
            notebook("extract", "etl/extract"),
            {
                "task_key": "each",
                **behind("extract"),
                "for_each_task": {
                    "inputs": "{{tasks.extract.values.regions}}",
                    "concurrency": 2,
                    "task": notebook(
                        "one",
                        "etl/one region",
                        notebook={"base_parameters": {"region": "{{input}}"}},
                    ),
                },
            },
        ],
    },
    "a loop over rows": {
        "tasks": [
            sql("rows", "SELECT region, n FROM sales WHERE n < 2 ORDER BY n"),
            sql("make", "CREATE OR REPLACE TABLE seen AS SELECT region, n FROM sales WHERE n < 0"),
            {
                "task_key": "each",
                **behind("rows", "make"),
                "for_each_task": {
                    "inputs": "{{tasks.rows.output.rows}}",
                    "task": sql(
                        "one",
                        "INSERT INTO seen SELECT :region, CAST(:number AS BIGINT)",
                        sql={"parameters": {"region": "{{input.region}}", "number": "{{input.n}}"}},
                    ),
                },
            },
        ],
    },
    "calls another": {
        "parameters": [{"name": "region", "default": "s"}],
        "tasks": [
            {
                "task_key": "call",
                "run_job_task": {"job_name": "inner", "job_parameters": {"note": "hello"}},
            },
            notebook("clean", "etl/clean", "call"),
        ],
    },
    "a failure that is cleaned up": {
        "tasks": [
            python("check", "import sys; assert sys.argv[1:] == ['a', 'b']", parameters=["a", "b"]),
            notebook("broken", "etl/broken", "check", max_retries=1),
            notebook("never", "etl/clean", "broken"),
            notebook("alarm", "etl/clean", "broken", run_if="AT_LEAST_ONE_FAILED"),
            notebook("quiet", "etl/clean", "check", run_if="ALL_FAILED"),
            notebook("clean", "etl/clean", "never", "alarm", run_if="ALL_DONE"),
        ],
    },
    "a failure at the end": {
        "tasks": [
            notebook("first", "etl/clean"),
            python("broken", "print('so far')\nraise KeyError('region')", "first"),
            sql("missing", "SELECT * FROM not_there", "first"),
        ],
    },
    "tasks that are off": {
        "tasks": [
            notebook("first", "etl/clean", disabled=True),
            notebook("second", "etl/clean", "first", run_if="NONE_FAILED"),
            notebook("third", "etl/clean", "second", run_if="ALL_DONE"),
        ],
        "max_concurrent_runs": 2,
        "queue": {"enabled": True},
        "timeout_seconds": 600,
    },
}
