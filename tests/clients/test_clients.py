"""MCP clients that others wrote do our main job."""

from pathlib import Path

import pytest

from tests.clients import node
from tests.clients.hosted import STEPS, WAYS, key_and_server, typescript
from tests.clients.others import answer, inspect, lint_schemas, main_job

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


def test_the_typescript_client_works_hosted_with_a_key(tmp_path: Path) -> None:
    with key_and_server(tmp_path) as (key, server):
        for way in WAYS:
            travelled = typescript(way, server.url, key, tmp_path)

            assert travelled.is_content, travelled.trouble
            assert travelled.steps == dict.fromkeys(STEPS, "ok")
