"""The commands and calls on the pages are run, in their order, and do what the pages say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client import Client

from tests.docs.pages import ROOT, Block, blocks, runnable_pages

pytestmark = pytest.mark.slow


def _environment(home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    return kept | {"HOME": str(home), "PATH": path, "TERM": "dumb"}


def _type(block: Block, home: Path) -> None:
    shell = ["bash", "-euo", "pipefail", "-c", block.text]
    done = subprocess.run(
        shell, cwd=home, env=_environment(home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}{done.stderr}"


async def _call(client: Client, block: Block) -> None:
    if block.language == "sql":
        tool, arguments = "query_dataset", {"sql": block.text}
    else:
        tool, arguments = block.word, _arguments(block)
    result = await client.call_tool(tool, arguments)
    said = [getattr(part, "text", "") for part in result.content]
    assert result.is_error == (block.word == "refused"), f"{block.text}\n{said}"


def _arguments(block: Block) -> dict[str, Any]:
    return json.loads(block.text)


@pytest.mark.parametrize("page", runnable_pages(), ids=lambda page: str(page.relative_to(ROOT)))
async def test_every_command_and_call_of_a_page_works(page: Path, tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "servicetsunami", "serve"],
        env=_environment(tmp_path),
        cwd=tmp_path,
    )
    async with Client(server) as client:
        for block in blocks(page):
            if block.language == "sh":
                _type(block, tmp_path)
            elif block.language == "sql" or (block.language == "json" and block.word):
                await _call(client, block)


def test_there_are_pages_whose_commands_are_run() -> None:
    assert len(runnable_pages()) >= 3
