"""Whatever a user can meet is named on a page."""

import re
from pathlib import Path

import pytest
import typer

from servicetsunami import errors
from servicetsunami.app import open_app
from servicetsunami.cli.clients import CLIENTS
from servicetsunami.cli.commands import app as commands
from servicetsunami.settings import Settings, variable
from servicetsunami.transport.mcp import LakeServer
from tests.docs.pages import all_pages

GENERATED = ("settings.md", "cli.md", "tools.md", "rest.md")


@pytest.fixture(scope="module")
def written() -> str:
    """All that people have written, without the generated pages."""
    pages = [page for page in all_pages() if page.name not in GENERATED]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def _unnamed(names: list[str], text: str) -> list[str]:
    return [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]


async def test_every_tool_is_named(written: str, tmp_path: Path) -> None:
    async with open_app(Settings(data_dir=tmp_path)) as app:
        tools = await LakeServer(app.services, app.caller).list_tools()

    assert tools
    assert _unnamed([tool.name for tool in tools], written) == []


def test_every_command_and_every_client_is_named(written: str) -> None:
    names = list(typer.main.get_command(commands).commands)  # ty: ignore[missing-attribute]

    assert names
    assert _unnamed([f"servicetsunami {name}" for name in names], written) == []
    assert _unnamed([f"init --client {name}" for name in CLIENTS], written) == []


def test_every_kind_of_error_is_named(written: str) -> None:
    kinds = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ServerError)
    ]

    assert len(kinds) > 10
    assert _unnamed(kinds, written) == []


def test_every_setting_is_in_the_reference() -> None:
    [page] = [page for page in all_pages() if page.name == "settings.md"]
    names = [variable(name, field) for name, field in Settings.model_fields.items()]

    assert _unnamed(names, page.read_text(encoding="utf-8")) == []
