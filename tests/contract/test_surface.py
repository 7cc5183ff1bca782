"""The surface that clients see: a change of it shows as a reviewed difference of a file."""

import json
import os
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.settings import Settings
from servicetsunami.transport.instructions import instructions
from servicetsunami.transport.mcp import LakeServer
from servicetsunami.transport.toolsets import TOOLS

FOLDER = Path(__file__).parent
DESCRIPTION_CHARS_MAX = 2_048
NAMES = [
    "cancel_run",
    "create_job",
    "delete_asset",
    "deploy_model",
    "describe_asset",
    "get_run",
    "index_documents",
    "ingest_dataset",
    "invoke_model",
    "list_assets",
    "manage_sync",
    "query_dataset",
    "run_job",
    "run_notebook",
    "save_notebook",
    "search_vectors",
    "sync_status",
    "tenant_usage",
]


async def surface(tmp_path: Path) -> dict[str, dict]:
    settings = Settings(data_dir=tmp_path)
    async with (
        open_app(settings) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        tools = (await client.list_tools()).tools
    return {tool.name: tool.model_dump(mode="json", by_alias=True) for tool in tools}


async def test_tools_are_as_recorded(tmp_path: Path) -> None:
    """To accept a change: UPDATE_CONTRACT=1 pytest tests/contract, and review the difference."""
    tools = await surface(tmp_path)
    assert sorted(tools) == NAMES
    for name, tool in tools.items():
        text = json.dumps(tool, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        recorded = FOLDER / f"{name}.json"
        if os.environ.get("UPDATE_CONTRACT"):
            recorded.write_text(text, encoding="utf-8")
        assert recorded.read_text(encoding="utf-8") == text


async def test_every_tool_has_a_title_and_all_hints(tmp_path: Path) -> None:
    for name, tool in (await surface(tmp_path)).items():
        hints = tool["annotations"]
        assert tool["title"], name
        assert len(tool["description"]) < DESCRIPTION_CHARS_MAX
        assert None not in (hints["readOnlyHint"], hints["destructiveHint"])
        assert None not in (hints["idempotentHint"], hints["openWorldHint"])
        described = [p for p in tool["inputSchema"]["properties"].values() if "description" in p]
        assert len(described) == len(tool["inputSchema"]["properties"]), name


def test_the_instructions_are_short_enough_for_every_client() -> None:
    assert len(instructions({line.name for line in TOOLS})) < 2_000


@pytest.mark.parametrize("name", ["call", "ctx", "confirmation"])
async def test_what_is_injected_is_not_shown(tmp_path: Path, name: str) -> None:
    for tool in (await surface(tmp_path)).values():
        assert name not in tool["inputSchema"]["properties"]
