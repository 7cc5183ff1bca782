"""A server offers as much as it was asked to, and tells a model of nothing else."""

import re
from pathlib import Path
from typing import get_args

import pytest
from mcp.client import Client
from mcp_types import PromptReference, TextContent
from pydantic import ValidationError

from servicetsunami.app import App
from servicetsunami.settings import Settings
from servicetsunami.settings.lake import Toolset
from servicetsunami.transport.mcp import LakeServer
from servicetsunami.transport.toolsets import TOOLS, TOOLSETS
from tests.server.asking import call


async def names(server: LakeServer) -> set[str]:
    async with Client(server) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def test_a_toolset_alone_is_enough_for_its_work(app: App) -> None:
    server = LakeServer(app.services, app.caller, toolsets=["data"])
    assert await names(server) == {
        *("list_assets", "describe_asset", "delete_asset"),
        *("ingest_dataset", "query_dataset", "get_run", "cancel_run"),
    }
    told = server.instructions or ""
    assert "query_dataset takes one read-only statement" in told
    assert not [word for word in ("save_notebook", "create_job", "sync_status") if word in told]


async def test_only_what_reads_is_left_of_a_toolset(app: App) -> None:
    server = LakeServer(app.services, app.caller, toolsets=["vectors", "ops"], read_only=True)
    assert await names(server) == {
        *("list_assets", "describe_asset", "search_vectors"),
        *("sync_status", "tenant_usage", "get_run"),
    }


async def test_what_is_not_offered_cannot_be_called(app: App) -> None:
    server = LakeServer(app.services, app.caller, toolsets=["data"])
    async with Client(server) as client:
        result = await client.call_tool("run_job", {"name": "j"})
    assert result.is_error


def test_the_setting_names_every_toolset_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(get_args(Toolset)) == TOOLSETS
    assert set().union(*(line.toolsets for line in TOOLS)) == TOOLSETS
    monkeypatch.setenv("SERVICETSUNAMI_TOOLSETS", "data, ops")
    assert Settings().toolsets == ("data", "ops")
    for wrong in ("everything", ""):
        monkeypatch.setenv("SERVICETSUNAMI_TOOLSETS", wrong)
        with pytest.raises(ValidationError):
            Settings()


async def test_a_prompt_names_what_the_user_gave_and_the_tools_there_are(
    client: Client, files: Path
) -> None:
    (files / "a.csv").write_text("a\n1\n", encoding="utf-8")
    given = {"source": str(files / "a.csv"), "question": "How many rows?"}
    [message] = (await client.get_prompt("explore_data", given)).messages
    assert isinstance(message.content, TextContent)
    assert str(files / "a.csv") in message.content.text
    assert "How many rows?" in message.content.text


async def test_each_prompt_leads_to_tools_that_there_are(client: Client) -> None:
    tools = {tool.name for tool in (await client.list_tools()).tools}
    prompts = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in prompts] == ["explore_data", "automate", "ask_documents"]
    for prompt in prompts:
        given = {each.name: "something" for each in prompt.arguments or ()}
        [message] = (await client.get_prompt(prompt.name, given)).messages
        assert isinstance(message.content, TextContent)
        named = set(re.findall(r"[a-z]+_[a-z]+", message.content.text))
        assert named
        assert named <= tools


async def test_a_prompts_dataset_is_completed(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="sales.orders")
    reference = PromptReference(type="ref/prompt", name="automate")
    found = await client.complete(reference, {"name": "dataset", "value": "sal"})
    assert found.completion.values == ["sales.orders"]
    found = await client.complete(reference, {"name": "question", "value": "sal"})
    assert found.completion.values == []
