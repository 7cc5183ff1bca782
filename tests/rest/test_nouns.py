"""Notebooks, pipelines, models, indexes, catalogs and runs over REST, each from end to end."""

from typing import Any

import httpx
import pytest

from tests.rest.asking import CONNECTOR, NATIVE, ask, ok, problem, store
from tests.rest.conftest import Speaker

WAIT = {"wait": True}


def ended(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """A run at its end, followed by its Location where the call did not wait for it."""
    assert answer.status_code in {200, 202}, answer.text
    run = answer.json()
    while run["state"] in {"QUEUED", "PENDING", "RUNNING"}:
        where = answer.headers["location"]
        assert where.endswith(f"/runs/{run['run_id']}")
        run = ok(client.get(where, params=WAIT))["run"]
    return run


@pytest.mark.slow
def test_notebooks_are_saved_executed_and_followed(speak: Speaker) -> None:
    client = speak("notebooks")
    path = f"{NATIVE}/notebooks/reports%2Fdaily"
    content = "# Databricks notebook source\ndbutils.notebook.exit(dbutils.widgets.get('day'))\n"
    new = {"name": "reports/daily", "content": content}
    assert ok(client.post(f"{NATIVE}/notebooks", json=new))["revision"] == 1
    told = problem(client.put(path, json={"content": "x", "base_revision": 7}), 409, "Conflict")
    assert "is at revision 1" in told["what"]
    assert ok(client.put(path, json={"content": content + "\n"}))["revision"] == 2

    answer = client.post(f"{path}/execute", json={"parameters": {"day": "monday"}})
    run = ended(client, answer)
    assert (run["state"], run["exit_value"]) == ("SUCCESS", "monday")
    for where in (f"{path}/runs", f"{NATIVE}/runs", f"{CONNECTOR}/runs"):
        listed = ok(client.get(where, params={"state": "SUCCESS"}))["runs"]
        assert [each["run_id"] for each in listed] == [run["run_id"]]
    stopped = ok(client.post(f"{NATIVE}/runs/{run['run_id']}/cancel"))
    assert stopped["state"] == "SUCCESS"
    problem(client.post(f"{NATIVE}/runs/{run['run_id']}/repair"), 409, "Conflict")

    text = {"content": "print(6 * 7)"}
    assert "42" in str(ended(client, client.post(f"{CONNECTOR}/runs", json=text))["cells"])
    assert ok(client.delete(path))["name"] == "reports/daily"


@pytest.mark.slow
def test_a_run_that_takes_long_is_handed_back_and_stopped(speak: Speaker) -> None:
    client = speak("long")
    text = {"content": "import time\ntime.sleep(600)"}
    answer = client.post(f"{NATIVE}/runs", json=text)

    assert answer.status_code == 202
    assert answer.elapsed.total_seconds() < 25
    run = ok(client.get(answer.headers["location"]))["run"]
    assert run["state"] == "RUNNING"
    assert ok(client.post(f"{answer.headers['location']}/cancel"))["state"] == "CANCELED"


def test_pipelines_are_created_run_and_repaired(speak: Speaker) -> None:
    client = speak("pipelines")
    store(client, "sales", [{"n": 1}, {"n": 2}])
    path = f"{NATIVE}/pipelines/nightly"
    task = {
        "task_key": "sum",
        "sql_task": {"statement": "CREATE OR REPLACE TABLE sums AS SELECT sum(n) s FROM sales"},
    }
    new = {
        "name": "nightly",
        "tasks": [task],
        "schedule": {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"},
    }
    assert len(ok(client.post(f"{NATIVE}/pipelines", json=new))["next_fire_times"]) == 5
    run = ended(client, client.post(f"{path}/run", json={}))
    assert run["state"] == "SUCCESS", run
    assert ask(client, "SELECT s FROM sums") == [[3]]
    listed = ok(client.get(f"{CONNECTOR}/jobs/nightly/runs"))["runs"]
    assert [each["run_id"] for each in listed] == [run["run_id"]]

    broken = {"task_key": "sum", "sql_task": {"statement": "SELECT * FROM not_yet"}}
    assert ok(client.put(path, json={"tasks": [broken]}))["revision"] == 2
    run = ended(client, client.post(f"{path}/run", json={}))
    assert run["state"] == "FAILED"
    store(client, "not_yet", [{"a": 1}])
    run = ended(client, client.post(f"{CONNECTOR}/runs/{run['run_id']}/repair"))
    assert run["state"] == "SUCCESS"
    problem(client.put(path, json={"tasks": [{"task_key": "x"}]}), 422, "InvalidInput")
    assert ok(client.delete(path))["kind"] == "job"


def test_models_are_deployed_asked_and_deleted(speak: Speaker) -> None:
    client = speak("models")
    path = f"{CONNECTOR}/serving/prices"
    new = {"name": "prices", "source": "model.onnx"}
    assert ok(client.post(f"{CONNECTOR}/serving", json=new))["state"] == "READY"
    assert ok(client.put(path, json={"source": "model.onnx"}))["version"] == 2
    told = ok(client.post(f"{path}/invoke", json={"input": {"inputs": [[1.0, 2.0]]}}))
    assert len(told["predictions"]) == 1
    problem(client.post(f"{path}/invoke", json={"input": {"inputs": "x"}}), 422, "InvalidInput")
    problem(client.put(path, json={"source": "/etc/passwd"}), 403, "Denied")
    assert ok(client.get(f"{CONNECTOR}/serving"))["total"] == 1
    assert ok(client.delete(path))["kind"] == "endpoint"


def test_indexes_are_filled_searched_and_deleted(speak: Speaker) -> None:
    client = speak("indexes")
    path = f"{CONNECTOR}/vector-search/manuals"
    documents = [{"id": "1", "text": "prime the pump"}, {"id": "2", "text": "oil the gate"}]
    new = {"index": "manuals", "source": documents}
    assert ok(client.post(f"{CONNECTOR}/vector-search", json=new))["documents"] == 2
    found = ok(client.post(f"{path}/search", json={"query": "pump", "mode": "keyword"}))
    assert [hit["id"] for hit in found["hits"]] == ["1"]
    assert ok(client.put(path, json={"delete": ["1"]}))["passages"] == 1
    assert ok(client.get(path))["kind"] == "index"
    assert ok(client.delete(path))["kind"] == "index"


def test_a_catalog_is_described_and_deleted_only_when_it_is_empty(speak: Speaker) -> None:
    client, other = speak("described"), speak("undescribed")
    [catalog] = ok(client.get(f"{CONNECTOR}/catalogs"))["catalogs"]
    path = f"{CONNECTOR}/catalogs/{catalog['name']}"
    said = {"comment": "What the shops have sold."}

    assert ok(client.put(path, json=said)) == catalog | said
    assert ok(client.get(path)) == catalog | said
    [foreign] = ok(other.get(f"{CONNECTOR}/catalogs"))["catalogs"]
    assert "comment" not in foreign

    store(client, "t", [{"n": 1}])
    told = problem(client.delete(path), 409, "Conflict")
    assert "1 datasets" in told["what"]
    assert ok(client.get(path))["comment"] == said["comment"]
    ok(client.delete(f"{NATIVE}/datasets/t"))
    gone = ok(client.delete(path))
    assert gone["name"] == catalog["name"]
    assert "Databricks" not in gone["next"]
    assert ok(client.get(path)) == catalog


def test_the_catalog_of_another_is_one_that_is_not_there(speak: Speaker) -> None:
    client = speak("nosy")
    [own] = ok(client.get(f"{CONNECTOR}/catalogs"))["catalogs"]
    for name in (f"{own['name']}x", "servicetsunami_described"):
        for method, body in (("GET", None), ("PUT", {"comment": "x"}), ("DELETE", None)):
            answer = client.request(method, f"{CONNECTOR}/catalogs/{name}", json=body)
            told = problem(answer, 404, "NotFound")
            assert told["what"] == f"No catalog is named {name!r}."


def test_a_tenant_sees_its_own_catalog_and_how_it_stands(speak: Speaker) -> None:
    client = speak("catalogs")
    store(client, "t", [{"n": 1}])
    [catalog] = ok(client.get(f"{CONNECTOR}/catalogs"))["catalogs"]
    assert catalog["datasets"] == {"total": 1, "in_databricks": 0}
    assert ok(client.get(f"{CONNECTOR}/catalogs/{catalog['name']}")) == catalog
    problem(client.get(f"{CONNECTOR}/catalogs/other"), 404, "NotFound")
    problem(client.post(f"{CONNECTOR}/catalogs"), 409, "ConfigurationError")
    problem(client.post(f"{NATIVE}/databricks/initialize"), 409, "ConfigurationError")

    health = ok(client.get(f"{NATIVE}/databricks/health"))
    assert (health["status"], health["databricks"]) == ("healthy", "not configured")
    status = ok(client.get(f"{NATIVE}/databricks/status", params={"name": "t"}))
    assert (status["waiting"], status["assets"][0]["name"]) == (1, "default.t")
    off = {"action": "off", "name": "t"}
    assert ok(client.post(f"{NATIVE}/databricks/sync", json=off))["action"] == "off"
    problem(client.post(f"{NATIVE}/databricks/sync", json={"action": "off"}), 422, "InvalidInput")
