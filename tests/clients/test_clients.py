"""MCP clients that others wrote do our main job."""

from pathlib import Path

import pytest

from tests.clients import node
from tests.clients.others import answer, hosted, inspect, lint_schemas, main_job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),  # The first run installs Node and the clients.
    pytest.mark.skipif(not node.has_npm(), reason=node.NO_NPM),
]


def test_the_inspector_finds_nothing_to_say_about_our_schemas(tmp_path: Path) -> None:
    listed = lint_schemas(tmp_path)

    assert listed.ok, listed.trouble
    assert len(answer(listed)["tools"]) >= 5


def test_the_inspector_calls_a_tool(tmp_path: Path) -> None:
    called = inspect(tmp_path, "tools/call", "--tool-name=list_assets")

    assert called.ok, called.trouble
    assert answer(called)["structuredContent"]["total"] == 0


def test_the_inspector_lists_the_resource_templates(tmp_path: Path) -> None:
    listed = inspect(tmp_path, "resources/templates/list")

    assert listed.ok, listed.trouble
    templates = [template["uriTemplate"] for template in answer(listed)["resourceTemplates"]]
    assert "lake://datasets/{schema}.{table}" in templates


def test_the_typescript_client_does_the_main_job(tmp_path: Path) -> None:
    done = main_job(tmp_path)

    assert done.ok, done.trouble
    assert "deletes when the person types its name" in done.stdout


@pytest.mark.parametrize("way", ["http", "sse"])
def test_the_typescript_client_works_hosted_with_a_key(tmp_path: Path, way: str) -> None:
    done = hosted(tmp_path, way)

    assert done.ok, done.trouble
    assert "sees progress, and cancels" in done.stdout
