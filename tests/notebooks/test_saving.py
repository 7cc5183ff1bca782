"""Notebooks are kept byte for byte, in revisions, found, described and deleted."""

import json

import pytest
from mcp.client import Client

from tests.notebooks.running import magic, source
from tests.server.asking import call, failure, unmarked

TEXT = source("print(1)", magic("%sql\nSELECT 1")).replace("\n", "\r\n")


async def resource(client: Client, uri: str) -> str:
    [content] = (await client.read_resource(uri)).contents
    return unmarked(getattr(content, "text", ""))


async def test_a_notebook_is_kept_byte_for_byte_in_revisions(client: Client) -> None:
    first = await call(client, "save_notebook", name="team/etl", content=TEXT)
    again = await call(client, "save_notebook", name="/team/etl.py", content=TEXT)
    second = await call(client, "save_notebook", name="team/etl", content="print(2)")

    assert (first["revision"], first["changed"], first["cells"]) == (1, True, 2)
    assert (again["revision"], again["changed"]) == (1, False)
    assert (second["revision"], second["changed"]) == (2, True)
    assert await resource(client, "lake://notebooks/team/etl") == "print(2)"
    await call(client, "save_notebook", name="team/etl", content=TEXT)
    assert await resource(client, "lake://notebooks/team/etl") == TEXT
    described = await call(client, "describe_asset", kind="notebook", name="team/etl")
    assert described["content"] == TEXT
    assert [cell["kind"] for cell in described["cells"]] == ["python", "sql"]
    assert [each["revision"] for each in described["revisions"]] == [3, 2, 1]


async def test_a_text_can_be_converted_to_the_other_format(client: Client) -> None:
    await call(client, "save_notebook", name="n", content=TEXT, format="jupyter")

    converted = json.loads(await resource(client, "lake://notebooks/n"))
    assert [cell["source"] for cell in converted["cells"]] == ["print(1)", "%sql\nSELECT 1"]
    saved = await call(
        client, "save_notebook", name="n", content=json.dumps(converted), format="source"
    )
    assert saved["format"] == "source"
    assert await resource(client, "lake://notebooks/n") == TEXT.replace("\r\n", "\n")


async def test_a_notebook_that_somebody_else_saved_is_not_overwritten(client: Client) -> None:
    await call(client, "save_notebook", name="n", content="1", base_revision=0)
    await call(client, "save_notebook", name="n", content="2", base_revision=1)

    message = await failure(client, "save_notebook", name="n", content="3", base_revision=1)
    assert "is at revision 2, not 1" in message
    described = await call(client, "describe_asset", kind="notebook", name="n")
    assert described["content"] == "2"


@pytest.mark.slow
async def test_notebooks_are_listed_searched_and_deleted_by_name(client: Client) -> None:
    for number in range(60):
        await call(client, "save_notebook", name=f"many/n{number:02}", content="1")
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")

    page = await call(client, "list_assets", kind="notebook")
    assert (len(page["assets"]), page["total"], page["truncated"]) == (50, 60, True)
    rest = await call(client, "list_assets", kind="notebook", cursor=page["cursor"])
    names = [asset["name"] for asset in (*page["assets"], *rest["assets"])]
    assert names == [f"many/n{number:02}" for number in range(60)]
    found = await call(client, "list_assets", kind="notebook", search="N5")
    assert found["total"] == 10

    refused = await failure(client, "delete_asset", kind="notebook", name="many/n00", confirm="x")
    assert "Nothing was deleted" in refused
    await call(client, "delete_asset", kind="notebook", name="many/n00", confirm="many/n00")
    gone = await failure(client, "describe_asset", kind="notebook", name="many/n00")
    assert "No notebook is named 'many/n00'. Did you mean many/n" in gone
    await call(client, "save_notebook", name="many/n00", content="2", base_revision=0)


async def test_what_is_no_notebook_is_refused_and_nothing_is_kept(client: Client) -> None:
    for content, said in (("{", "not a Jupyter notebook"), ("x" * (10 * 2**20 + 1), "10 MiB")):
        assert said in await failure(client, "save_notebook", name="n", content=content)
    assert "cannot name" in await failure(client, "save_notebook", name="../n", content="1")
    assert (await call(client, "list_assets", kind="notebook"))["total"] == 0
