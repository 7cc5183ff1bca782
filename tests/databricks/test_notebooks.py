"""Notebooks are in the workspace as they are here, edited on either side, and no text is lost."""

import pytest
from mcp.client import Client

from servicetsunami.app import App
from tests.databricks.sending import depth, send
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.notebooks.running import source
from tests.server.asking import call, failure

FOLDER = "/Users/agent@example.com/servicetsunami/local"
ONE = source("print(1)", "# MAGIC %sql\n# MAGIC SELECT 1")
TWO = source("print(2)")
THEIRS = source("print('theirs')")


async def save(client: Client, text: str, name: str = "team/etl") -> None:
    await call(client, "save_notebook", name=name, content=text)


async def content(client: Client, name: str = "team/etl") -> str:
    return (await call(client, "describe_asset", kind="notebook", name=name))["content"]


async def manage(client: Client, action: str, name: str | None = "team/etl") -> dict:
    return await call(client, "manage_sync", action=action, kind="notebook", name=name)


async def status(client: Client, name: str = "team/etl") -> dict:
    answer = await call(client, "sync_status", kind="notebook", name=name)
    return answer["assets"][0]


async def test_a_notebook_goes_up_changes_and_is_deleted(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await save(client, ONE)
    await save(client, TWO)
    await save(client, ONE)
    assert await depth(client) == (1, 0)
    await send(app)

    assert workspace.notebook(f"{FOLDER}/team/etl") == ONE
    synced = await status(client)
    assert (synced["state"], synced["synced_version"]) == ("synced", 3)
    await save(client, TWO)
    await send(app)
    assert workspace.notebook(f"{FOLDER}/team/etl") == TWO
    await call(client, "delete_asset", kind="notebook", name="team/etl", confirm="team/etl")
    await send(app)
    assert f"{FOLDER}/team/etl" not in workspace.objects.all
    assert await depth(client) == (0, 0)


async def test_an_edit_there_comes_down_as_a_revision(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await save(client, ONE)
    await send(app)
    workspace.edit_notebook(f"{FOLDER}/team/etl", THEIRS)
    workspace.edit_notebook(f"{FOLDER}/made there", TWO)

    assert sorted(await app.services.notebook_sync.check(app.caller())) == [
        "made there",
        "team/etl",
    ]
    assert await content(client) == THEIRS
    assert await content(client, "made there") == TWO
    described = await call(client, "describe_asset", kind="notebook", name="team/etl")
    assert [each["origin"] for each in described["revisions"]] == ["databricks", "here"]
    assert (await status(client))["state"] == "synced"
    assert await app.services.notebook_sync.check(app.caller()) == []
    assert await depth(client) == (0, 0)
    await save(client, TWO)
    await send(app)
    assert workspace.notebook(f"{FOLDER}/team/etl") == TWO


async def test_edits_on_both_sides_are_a_conflict_and_both_texts_are_kept(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await save(client, ONE)
    await send(app)
    workspace.edit_notebook(f"{FOLDER}/team/etl", THEIRS)
    await save(client, TWO)
    assert await app.services.notebook_sync.check(app.caller()) == []
    await send(app)

    held = await status(client)
    assert held["state"] == "parked"
    assert "was changed on Databricks" in held["error"]
    assert workspace.notebook(f"{FOLDER}/team/etl") == THEIRS
    assert await content(client) == TWO

    await manage(client, "retry")
    await send(app)
    assert workspace.notebook(f"{FOLDER}/team/etl") == TWO
    assert (await status(client))["state"] == "synced"


async def test_taking_theirs_keeps_ours_as_a_revision(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await save(client, ONE)
    await send(app)
    workspace.edit_notebook(f"{FOLDER}/team/etl", THEIRS)
    await save(client, TWO)
    await send(app)
    await manage(client, "pull")

    assert await content(client) == THEIRS
    described = await call(client, "describe_asset", kind="notebook", name="team/etl")
    assert len(described["revisions"]) == 3
    assert await depth(client) == (0, 0)
    assert (await status(client))["state"] == "synced"


@pytest.mark.slow
async def test_a_second_edit_there_after_the_conflict_was_shown_is_not_overwritten_either(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await save(client, ONE)
    await send(app)
    workspace.edit_notebook(f"{FOLDER}/team/etl", THEIRS)
    await save(client, TWO)
    await send(app)
    workspace.edit_notebook(f"{FOLDER}/team/etl", source("print('newer')"))
    await manage(client, "retry")
    await send(app)

    assert (await status(client))["state"] == "parked"
    assert "newer" in workspace.notebook(f"{FOLDER}/team/etl")


async def test_a_notebook_there_that_is_not_ours_is_left_alone(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.edit_notebook(f"{FOLDER}/team/etl", THEIRS)
    await save(client, ONE)
    await send(app)

    assert (await status(client))["state"] == "parked"
    assert workspace.notebook(f"{FOLDER}/team/etl") == THEIRS
    await call(client, "delete_asset", kind="notebook", name="team/etl", confirm="team/etl")
    await manage(client, "drop")
    await send(app)
    assert workspace.notebook(f"{FOLDER}/team/etl") == THEIRS


@pytest.mark.slow
async def test_what_was_edited_there_is_not_deleted_unseen(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await save(client, ONE)
    await send(app)
    workspace.edit_notebook(f"{FOLDER}/team/etl", THEIRS)
    await call(client, "delete_asset", kind="notebook", name="team/etl", confirm="team/etl")
    await send(app)

    assert await depth(client) == (0, 1)
    assert workspace.notebook(f"{FOLDER}/team/etl") == THEIRS
    assert await app.services.notebook_sync.check(app.caller()) == []
    await manage(client, "retry")
    await send(app)
    assert f"{FOLDER}/team/etl" not in workspace.objects.all


@pytest.mark.slow
async def test_a_lost_answer_is_not_taken_for_somebody_elses_edit(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    path = "/api/2.0/workspace/import"
    workspace.faults.add(Fault(method="POST", path=path, reset=True, after=True, times=6))
    await save(client, ONE)
    await send(app)
    workspace.faults.clear()
    await call(client, "manage_sync", action="retry")
    await send(app)

    assert workspace.notebook(f"{FOLDER}/team/etl") == ONE
    assert (await status(client))["state"] == "synced"


@pytest.mark.slow
async def test_an_outage_costs_nothing(client: Client, app: App, workspace: FakeWorkspace) -> None:
    workspace.down()
    for number in range(5):
        await save(client, source(f"print({number})"))
    await send(app)
    assert await depth(client) == (1, 0)
    workspace.up()
    await manage(client, "retry", None)
    await call(client, "manage_sync", action="retry")
    await send(app)

    assert workspace.notebook(f"{FOLDER}/team/etl") == source("print(4)")


async def test_a_notebook_can_stay_here_and_be_sent_again(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await save(client, ONE)
    await manage(client, "off")
    await send(app)
    assert f"{FOLDER}/team/etl" not in workspace.objects.all
    assert (await status(client))["state"] == "off"
    await manage(client, "on")
    await send(app)
    assert workspace.notebook(f"{FOLDER}/team/etl") == ONE
    said = await failure(client, "manage_sync", action="on", kind="notebook")
    assert "Give `name`" in said
    missing = await failure(client, "manage_sync", action="pull", kind="notebook", name="nothing")
    assert "There is no notebook" in missing
