"""Models of Unity Catalog get endpoints in the workspace, and are asked there."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import CATALOG, connected
from tests.databricks.sending import depth
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.fakes.databricks.serving import Endpoint
from tests.models.making import put, regressor
from tests.server.asking import call, failure

THERE = f"{CATALOG}-churn"
ROWS = {"dataframe_records": [{"age": 41}, {"age": 12}]}


async def deploy(client: Client, version: int = 1, name: str = "churn") -> dict[str, Any]:
    source = f"databricks:main.ml.churn/versions/{version}"
    return await call(client, "deploy_model", name=name, source=source)


async def look(app: App) -> None:
    """Deliver what is due, at a time when everything that waits may be looked at again."""
    assert app.worker is not None
    clock = app.worker.clock
    app.worker.clock = lambda: clock() + timedelta(seconds=60)
    app.worker.wake()
    await app.worker.run_once(items_max=100)


async def send(app: App, client: Client) -> None:
    """Look until nothing waits any more; it may be parked."""
    for _ in range(20):
        waiting, _parked = await depth(client)
        if not waiting:
            return
        await look(app)
    raise AssertionError(await call(client, "sync_status"))


async def status(client: Client, name: str = "churn") -> dict[str, Any]:
    return (await call(client, "sync_status", kind="endpoint", name=name))["assets"][0]


async def described(client: Client) -> dict[str, Any]:
    return (await call(client, "describe_asset", kind="endpoint", name="churn"))["endpoint"]


def served(workspace: FakeWorkspace, name: str = THERE) -> list[tuple[str, str]]:
    entities = workspace.serving.all[name].config.get("served_entities", [])
    return [(each["entity_name"], each["entity_version"]) for each in entities]


@pytest.mark.slow
async def test_an_endpoint_is_made_changed_asked_and_deleted(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    first = await deploy(client)
    assert (first["version"], first["state"]) == (1, "WAITING")
    said = await failure(client, "invoke_model", name="churn", input=ROWS)
    assert "does not serve on Databricks yet: it is waiting" in said
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "1")]
    synced = await status(client)
    assert (synced["state"], synced["synced_version"]) == ("synced", 1)

    workspace.serving.models[THERE] = lambda body: {
        "predictions": [row["age"] > 40 for row in body["dataframe_records"]]
    }
    answer = await call(client, "invoke_model", name="churn", input=ROWS)
    assert answer["predictions"] == [True, False]
    assert (answer["ran_on"], answer["version"], answer["rows"]) == ("databricks", 1, 2)

    await deploy(client, 2)
    await look(app)
    told = await described(client)
    assert (told["serving"], told["runs_on"]) == (1, "databricks")
    assert told["databricks"]["pending"] == ["main.ml.churn version 2"]
    assert (await call(client, "invoke_model", name="churn", input=ROWS))["version"] == 1
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "2")]
    told = await described(client)
    assert [each["state"] for each in told["versions"]] == ["READY", "READY"]
    assert told["databricks"] == {
        "name": THERE,
        "state": "READY",
        "config_update": "NOT_UPDATING",
        "traffic": {"main.ml.churn-2": 100},
        "served": ["main.ml.churn version 2"],
        "pending": [],
    }
    usage = await call(client, "tenant_usage")
    [kind] = [each for each in usage["assets"] if each["kind"] == "endpoint"]
    assert (kind["count"], kind["synced"]) == (1, 1)

    await call(client, "delete_asset", kind="endpoint", name="churn", confirm="churn")
    await send(app, client)
    assert workspace.serving.all == {}


@pytest.mark.slow
async def test_waiting_takes_no_attempts_and_holds_nobody_up(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.serving.looks = 30
    await deploy(client)
    for _ in range(12):
        await look(app)
    held = await status(client)
    assert (held["state"], held["attempts"]) == ("waiting", 0)
    assert "Container creation in progress" in held["error"]
    assert held["next_try_at"]
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
    await look(app)
    assert (await call(client, "sync_status", name="t"))["assets"][0]["state"] == "synced"


@pytest.mark.parametrize("status_code", [503, None])
async def test_an_endpoint_whose_creation_was_lost_is_made_once(
    client: Client, app: App, workspace: FakeWorkspace, status_code: int | None
) -> None:
    path = "/api/2.0/serving-endpoints"
    lost = Fault(method="POST", path=path, after=True, times=1, reset=status_code is None)
    if status_code:
        lost = Fault(method="POST", path=path, after=True, times=1, status=status_code)
    workspace.faults.add(lost)
    await deploy(client)
    await send(app, client)
    assert list(workspace.serving.all) == [THERE]
    assert (await status(client))["state"] == "synced"


async def test_a_change_whose_answer_was_lost_arrives(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await deploy(client)
    await send(app, client)
    path = f"/api/2.0/serving-endpoints/{THERE}/config"
    workspace.faults.add(Fault(method="PUT", path=path, reset=True, after=True, times=1))
    await deploy(client, 2)
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "2")]
    assert (await status(client))["synced_version"] == 2


async def test_a_newer_version_waits_until_the_older_one_is_done(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.serving.looks = 3
    await deploy(client)
    await look(app)
    await deploy(client, 2)
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "2")]
    versions = (await described(client))["versions"]
    assert [each["state"] for each in versions] == ["READY", "SUPERSEDED"]


async def test_a_version_that_cannot_be_served_is_parked_with_its_log(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await deploy(client)
    await send(app, client)
    workspace.serving.will_fail.add("main.ml.churn-2")
    await deploy(client, 2)
    await send(app, client)
    held = await status(client)
    assert (held["state"], held["parked"]) == ("parked", 1)
    assert "could not serve main.ml.churn version 2" in held["error"]
    assert "No module named 'lost'" in held["error"]
    told = await described(client)
    assert [each["state"] for each in told["versions"]] == ["FAILED", "READY"]
    assert (await call(client, "invoke_model", name="churn", input=ROWS))["version"] == 1

    await deploy(client, 3)
    assert (await status(client))["state"] == "waiting"
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "3")]
    workspace.serving.will_fail.add("main.ml.churn-4")
    await deploy(client, 4)
    await send(app, client)
    workspace.serving.will_fail.clear()
    await call(client, "manage_sync", action="retry", kind="endpoint", name="churn")
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "4")]
    told = await described(client)
    assert (told["versions"][0]["state"], told["serving"]) == ("READY", 4)
    assert "error" not in told["versions"][0]


async def test_a_model_that_is_not_registered_is_parked(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.serving.unregistered.add("main.ml.churn")
    await deploy(client)
    await send(app, client)
    assert "main.ml.churn" in (await status(client))["error"]
    await call(client, "manage_sync", action="drop", kind="endpoint", name="churn")
    assert await depth(client) == (0, 0)


async def test_an_endpoint_of_somebody_else_stays_as_it_is(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await deploy(client)
    await send(app, client)
    workspace.serving.all[THERE].tags = [{"key": "servicetsunami_id", "value": "another"}]
    await deploy(client, 2)
    await send(app, client)
    assert "that this server did not make" in (await status(client))["error"]
    await call(client, "delete_asset", kind="endpoint", name="churn", confirm="churn")
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "1")]


async def test_an_endpoint_that_was_deleted_there_is_made_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await deploy(client)
    await send(app, client)
    workspace.serving.all.clear()
    assert (await described(client))["databricks"]["state"] == "NOT_THERE"
    said = await failure(client, "invoke_model", name="churn", input=ROWS)
    assert "The workspace has no endpoint" in said
    await call(client, "manage_sync", action="on", kind="endpoint", name="churn")
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "1")]


async def test_an_endpoint_that_is_kept_here_is_sent_when_it_is_switched_on(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await deploy(client)
    await call(client, "manage_sync", action="off", kind="endpoint", name="churn")
    await deploy(client, 2)
    await send(app, client)
    assert workspace.serving.all == {}
    assert (await status(client))["state"] == "off"
    await call(client, "manage_sync", action="on", kind="endpoint", name="churn")
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "2")]
    assert (await described(client))["serving"] == 2


async def test_chat_models_of_the_workspace_answer_messages(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    config = {"served_entities": [{"name": "oss", "entity_name": "system.ai.oss"}]}
    workspace.serving.all["databricks-oss"] = Endpoint("databricks-oss", config, [])
    given = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 10}
    answer = await call(client, "invoke_model", name="databricks:databricks-oss", input=given)
    assert answer["reply"]["choices"][0]["message"]["content"] == "an answer"
    assert workspace.serving.requests == [given]
    used = {each["tool"]: each for each in (await call(client, "tenant_usage"))["tools"]}
    assert used["invoke_model"]["tokens"] == 7

    for bad, words in [
        ({"messages": [], "prompt": "x"}, "The input has messages, prompt"),
        ({"messages": [], "stream": True}, "cannot be streamed"),
        ({"dataset": "t"}, "ai_query"),
    ]:
        said = await failure(client, "invoke_model", name="databricks:databricks-oss", input=bad)
        assert words in said
    gone = await failure(client, "invoke_model", name="databricks:none", input=given)
    assert "The workspace has no endpoint none" in gone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 503}, "One that was idle has to start first"),
        ({"status": 504}, "One that was idle has to start first"),
        (
            {"status": 429, "body": {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "many"}},
            "It has too much to do",
        ),
        (
            {"status": 400, "body": {"error_code": "BAD_REQUEST", "message": "Missing column age"}},
            "Missing column age",
        ),
        (
            {"status": 403, "body": {"error_code": "PERMISSION_DENIED", "message": "no"}},
            "grant",
        ),
    ],
)
async def test_what_an_endpoint_answers_instead_is_explained(
    client: Client, app: App, workspace: FakeWorkspace, fault: dict[str, Any], words: str
) -> None:
    await deploy(client)
    await send(app, client)
    workspace.faults.add(Fault(method="POST", path="/serving-endpoints/", times=9, **fault))
    said = await failure(client, "invoke_model", name="churn", input=ROWS)
    assert words in said
    status = await call(client, "sync_status")
    assert status["workspace"]["breaker"] == "closed"


async def test_an_endpoint_carries_its_tenant_also_one_that_was_made_before(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await deploy(client)
    await send(app, client)
    tags = workspace.serving.all[THERE].tags
    assert {"key": "tenant", "value": "local"} in tags
    workspace.serving.all[THERE].tags = [each for each in tags if each["key"] != "tenant"]

    await deploy(client)
    await send(app, client)

    assert {"key": "tenant", "value": "local"} in workspace.serving.all[THERE].tags


async def test_a_catalog_that_is_not_open_gives_no_model(
    app: App, workspace: FakeWorkspace
) -> None:
    caller = replace(app.caller(), catalogs=frozenset())
    async with Client(LakeServer(app.services, lambda: caller)) as client:
        source = "databricks:theirs.ml.churn/versions/1"
        said = await failure(client, "deploy_model", name="churn", source=source)
        assert "The catalog 'theirs' is not open to you" in said


@pytest.mark.parametrize(
    ("shared", "hint"),
    [
        # As for all who do not come over stdio.
        (None, "Ask one of yours, or have"),
        ((), "Ask one of yours, or have"),
        (("a", "b"), "a, b"),
    ],
)
async def test_endpoints_that_others_pay_for_are_asked_only_where_they_are_opened(
    workspace: FakeWorkspace, tmp_path: Path, files: Path, shared: tuple[str, ...] | None, hint: str
) -> None:
    config = {"served_entities": [{"name": "oss", "entity_name": "system.ai.oss"}]}
    for name in ("databricks-oss", "a"):
        workspace.serving.all[name] = Endpoint(name, config, [])
    settings = connected(workspace, tmp_path / "data", files)
    closed = settings.model_copy(update={"databricks_shared_endpoints": shared})
    given = {"prompt": "x"}
    async with open_app(closed) as app, Client(LakeServer(app.services, app.caller)) as client:
        for name in ("databricks-oss", "nowhere"):
            said = await failure(client, "invoke_model", name=f"databricks:{name}", input=given)
            assert f"The endpoint {name!r} of the workspace is not open to you." in said
            assert hint in said
            assert "DATABRICKS_SHARED_ENDPOINTS" in said
        assert workspace.serving.requests == []
        if shared:
            answer = await call(client, "invoke_model", name="databricks:a", input=given)
            assert answer["ran_on"] == "databricks"


async def test_an_endpoint_stays_where_it_is(
    client: Client, app: App, files: Path, workspace: FakeWorkspace
) -> None:
    await deploy(client)
    local = put(files, "a.onnx", regressor())
    said = await failure(client, "deploy_model", name="churn", source=local)
    assert "The endpoint churn is served on Databricks" in said
    await call(client, "deploy_model", name="here", source=local)
    source = "databricks:main.ml.churn/versions/1"
    said = await failure(client, "deploy_model", name="here", source=source)
    assert "The endpoint here is served on this machine" in said
    for action in ("on", "off"):
        said = await failure(client, "manage_sync", action=action, kind="endpoint", name="here")
        assert "is not sent" in said
    said = await failure(client, "manage_sync", action="pull", kind="endpoint", name="churn")
    assert "Endpoints are not pulled" in said
    for wrong in ("databricks:main.ml/versions/1", "databricks:main.ml.churn", "databricks:x"):
        said = await failure(client, "deploy_model", name="churn", source=wrong)
        assert "Write databricks:catalog.schema.model/versions/3." in said
    long = await failure(client, "deploy_model", name="c" * 60, source=source)
    assert "too long" in long


@pytest.mark.slow
async def test_local_models_answer_while_the_workspace_is_away(
    client: Client, app: App, files: Path, workspace: FakeWorkspace
) -> None:
    await call(client, "deploy_model", name="here", source=put(files, "a.onnx", regressor()))
    workspace.down()
    await deploy(client)
    given = {"instances": [[3.0, 1.0]]}
    assert (await call(client, "invoke_model", name="here", input=given))["ran_on"] == "local"
    told = await described(client)
    assert told["databricks"]["error"]
    workspace.up()
    await send(app, client)
    assert served(workspace) == [("main.ml.churn", "1")]
