"""What one tenant has, another cannot see, name, change or tell from what does not exist.

Generated from the tools' own schemas, so that a new tool or argument is asked as well. Two equal
strangers ask in step: one for what is really there at somebody else's, the other for what is
nowhere. Whatever the one reads, the other must read too, but for the name that was asked.
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ResourceTemplateReference

from servicetsunami.app import App, open_app
from servicetsunami.domain.caller import Scope
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.models.making import regressor
from tests.server.asking import ask, call, unmarked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECRET = "pelican-4711"
TEXTS = {("save_notebook", "content"), ("run_notebook", "content"), ("search_vectors", "query")}
"""Arguments that are text, not a name: they are run or searched for among the caller's own."""

TASK = {"task_key": "t"}
BASES: dict[str, list[dict[str, Any]]] = {
    "query_dataset": [
        {"sql": "SELECT * FROM <name>"},
        {"sql": "SELECT * FROM main.<name>"},
        {"sql": "SELECT * FROM <name> VERSION AS OF 0"},
        {"sql": "DESCRIBE TABLE <name>"},
        {"sql": "SHOW TABLES LIKE '<name>'"},
        {"sql": "SELECT * FROM delta.`<name>`"},
        {"sql": "SELECT * FROM information_schema.tables WHERE table_name = '<name>'"},
    ],
    "ingest_dataset": [{"source": [{"a": 1}], "mode": mode} for mode in ("append", "create")],
    "create_job": [
        {
            "name": "<name>",
            "tasks": [{"task_key": "t", "notebook_task": {"notebook_path": "<name>"}}],
        },
        {"name": "mine", "tasks": [{"task_key": "t", "run_job_task": {"job_name": "<name>"}}]},
        {
            "name": "mine",
            "tasks": [{"task_key": "t", "sql_task": {"statement": "SELECT * FROM <name>"}}],
        },
    ],
    "run_notebook": [{"timeout_s": 20}],
    "index_documents": [{"source": [{"id": "1", "text": "own words"}]}],
    "search_vectors": [{"query": "pelican"}, {"query": "pelican", "filters": "id = '<name>'"}],
    "deploy_model": [{"source": "model.onnx"}],
    "invoke_model": [
        {"input": {"inputs": [[1.0, 2.0]]}},
        {"name": "mine", "input": {"dataset": "<name>"}, "output": "made"},
    ],
    "manage_sync": [{"action": each} for each in ("retry", "drop", "pull", "on", "off")],
    "delete_asset": [{"name": "<name>", "confirm": "<name>"}],
}
"""What makes a call of a tool whole, beside the argument that is asked for."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What is really there at somebody else's, and what of the same form is nowhere."""

    foreign: str
    guessed: str


@dataclass(frozen=True, slots=True)
class Scene:
    """The owner, the two strangers, and all that the strangers may know names of."""

    app: App
    owner: Client
    one: Client
    other: Client
    pairs: tuple[Pair, ...]


async def entered(stack: AsyncExitStack, app: App, tenant: str) -> Client:
    caller = replace(app.caller(), tenant=tenant, subject="ada")
    return await stack.enter_async_context(Client(LakeServer(app.services, lambda: caller)))


@pytest.fixture
async def scene(tmp_path: Path, zygote: Zygote) -> AsyncIterator[Scene]:
    async with staged(settings_with_files(tmp_path), zygote) as scene:
        yield scene


@asynccontextmanager
async def staged(settings: Settings, zygote: Zygote) -> AsyncGenerator[Scene]:
    async with (
        open_app(settings, is_hosted=True, zygote=zygote) as app,
        AsyncExitStack() as stack,
    ):
        owner, one, other = [
            await entered(stack, app, tenant) for tenant in ("acme", "stranger1", "stranger2")
        ]
        pairs = await furnish(app, owner)
        for stranger in (one, other):
            await call(stranger, "ingest_dataset", source=[{"a": 1}], name="zzz")
        yield Scene(app, owner, one, other, pairs)


def settings_with_files(tmp_path: Path, database_url: str = "") -> Settings:
    """What lets furnish find the model that it deploys."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "model.onnx").write_bytes(regressor())
    return Settings(data_dir=tmp_path / "data", allowed_roots=(files,), database_url=database_url)


async def furnish(app: App, owner: Client) -> tuple[Pair, ...]:
    """One of each kind, with the secret in each, and their names."""
    rows = [{"n": n, "word": SECRET} for n in range(20)]
    await call(owner, "ingest_dataset", source=rows, name="vault_alpha")
    text = f"# Databricks notebook source\nprint('{SECRET}')\n"
    await call(owner, "save_notebook", name="vault/alpha", content=text)
    task = {"task_key": "t", "notebook_task": {"notebook_path": "vault/alpha"}}
    await call(owner, "create_job", name="vault-alpha", tasks=[task])
    documents = [{"id": "1", "text": SECRET}]
    await call(owner, "index_documents", index="shelf_alpha", source=documents)
    await call(owner, "deploy_model", name="model-alpha", source="model.onnx")
    page = await call(owner, "query_dataset", sql="SELECT * FROM vault_alpha", max_rows=5)
    run = await call(owner, "run_notebook", name="vault/alpha")
    assert SECRET in json.dumps(run)
    folder = app.settings.data_dir / "tenants" / "acme"
    table = next(each for each in (folder / "tables").iterdir() if each.is_dir())
    cursor, offset = page["cursor"].rsplit(":", 1)
    return (
        Pair("vault_alpha", "vault_omega"),
        Pair("default.vault_alpha", "default.vault_omega"),
        Pair("servicetsunami_acme.default.vault_alpha", "servicetsunami_acme.default.vault_omega"),
        Pair("vault/alpha", "vault/omega"),
        Pair("vault-alpha", "vault-omega"),
        Pair("shelf_alpha", "shelf_omega"),
        Pair("model-alpha", "model-omega"),
        Pair("../acme/vault_alpha", "../acme/vault_omega"),
        Pair(run["run_id"], _like(run["run_id"])),
        Pair(page["cursor"], f"{_like(cursor)}:{offset}"),
        Pair(str(table), str(table.with_name(_like(table.name)))),
    )


def _like(text: str) -> str:
    """Another text of exactly the same form, as somebody guesses who has seen one.

    It begins alike: taken for SQL, the error tells with which number a text begins.
    """
    return text[:4] + text[4:].translate(str.maketrans("0123456789abcdef", "3456789012bcdefa"))


def texts_of(schema: dict[str, Any]) -> Iterator[str]:
    """The arguments of a tool that take any text."""
    for name, argument in schema["properties"].items():
        forms = [argument, *argument.get("anyOf", [])]
        if any(form.get("type") == "string" and "enum" not in form for form in forms):
            yield name


def calls_of(tool: str, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All ways to ask for a name with a tool, the name being `<name>`."""
    kinds = schema["properties"].get("kind", {}).get("enum", [None])
    for base in BASES.get(tool, [{}]):
        asked = [base] if "<name>" in json.dumps(base) else []
        if not asked or tool == "search_vectors":
            texts = [name for name in texts_of(schema) if (tool, name) not in TEXTS]
            asked += [{**base, name: "<name>"} for name in texts]
        for each in asked:
            missing = set(schema.get("required", ())) - set(each)
            whole = {**dict.fromkeys(missing, "mine"), **each}
            yield from ({**whole, "kind": kind} if kind else whole for kind in kinds)


def filled(arguments: Any, name: str) -> Any:
    """The arguments with the name in the place of `<name>`."""
    return json.loads(json.dumps(arguments).replace("<name>", json.dumps(name)[1:-1]))


def read(text: str, pairs: Sequence[Pair]) -> str:
    """What was read, but for the names: a stranger may own by now what it has asked for."""
    assert SECRET not in text
    for pair in sorted(pairs, key=lambda each: -len(each.foreign)):
        for name in (pair.foreign, pair.guessed):
            text = text.replace(name.strip("/"), "NAME")
    return text


def text_of(result: CallToolResult) -> str:
    return unmarked(json.dumps([part.model_dump(mode="json") for part in result.content]))


async def test_no_argument_of_any_tool_reaches_what_is_another_tenants(scene: Scene) -> None:
    await no_argument_reaches_anything(scene)


async def no_argument_reaches_anything(scene: Scene) -> None:
    asked = failed = 0
    for tool in (await scene.one.list_tools()).tools:
        for arguments in calls_of(tool.name, tool.input_schema):
            for pair in scene.pairs:
                foreign, guessed = [
                    await client.call_tool(tool.name, filled(arguments, name))
                    for client, name in ((scene.one, pair.foreign), (scene.other, pair.guessed))
                ]
                case = f"{tool.name} {arguments} {pair}"
                seen, expected = [read(text_of(each), scene.pairs) for each in (foreign, guessed)]
                assert foreign.is_error == guessed.is_error, f"{case}: {seen} {expected}"
                if foreign.is_error:
                    assert seen == expected, case
                    failed += 1
                asked += 1
    print(f"{asked} calls by each stranger, {failed} of them refused: all alike")
    assert failed > 300
    await what_the_owner_has_is_as_it_was(scene)


async def what_the_owner_has_is_as_it_was(scene: Scene) -> None:
    owner = scene.owner
    assert await ask(owner, "SELECT count(*), min(word) FROM vault_alpha") == [[20, SECRET]]
    described = await call(owner, "describe_asset", name="vault_alpha")
    assert [each["version"] for each in described["versions"]] == [0]
    for kind, names in (("notebook", "vault/alpha"), ("job", "vault-alpha")):
        listed = await call(owner, "list_assets", kind=kind)
        assert [each["name"] for each in listed["assets"]] == [names]
    found = await call(owner, "search_vectors", index="shelf_alpha", query="words")
    assert SECRET in json.dumps(found)


async def test_own_names_reach_what_is_ones_own(scene: Scene) -> None:
    """Otherwise the test above would be content with a server that refuses everything."""
    by_name, by_run, by_cursor = scene.pairs[0], scene.pairs[8], scene.pairs[9]

    assert (await call(scene.owner, "describe_asset", name=by_name.foreign))["kind"] == "dataset"
    assert SECRET in json.dumps(await call(scene.owner, "get_run", run_id=by_run.foreign))
    rows = (await call(scene.owner, "query_dataset", cursor=by_cursor.foreign))["rows"]
    assert rows[0] == [5, SECRET]


async def test_no_resource_reaches_what_is_another_tenants(scene: Scene) -> None:
    await no_resource_reaches_anything(scene)


async def no_resource_reaches_anything(scene: Scene) -> None:
    templates = (await scene.one.list_resource_templates()).resource_templates
    assert len(templates) >= 5
    for template in templates:
        for pair in scene.pairs:
            seen = [
                read(await failed_reading(client, template.uri_template, name), scene.pairs)
                for client, name in ((scene.one, pair.foreign), (scene.other, pair.guessed))
            ]
            assert seen[0] == seen[1], f"{template.uri_template} {pair}"


async def failed_reading(client: Client, template: str, name: str) -> str:
    uri = re.sub(r"\{(schema)\}", "default", template)
    uri = re.sub(r"\{\+?(table|name|run_id)\}", lambda _: name, uri)
    uri = re.sub(r"\{(cell)\}", "0", re.sub(r"\{(file)\}", "0-0.png", uri))
    with pytest.raises(MCPError) as raised:
        await client.read_resource(uri)
    return unmarked(str(raised.value))


async def test_names_are_completed_from_ones_own_only(scene: Scene) -> None:
    await no_completion_tells_of_anything(scene)


async def no_completion_tells_of_anything(scene: Scene) -> None:
    """Of no template, for no argument, however it begins; nor is there a prompt that might."""
    for template in (await scene.one.list_resource_templates()).resource_templates:
        reference = ResourceTemplateReference(uri=template.uri_template)
        for argument in re.findall(r"\{\+?(\w+)\}", template.uri_template):
            for prefix in ("", "vault", "v", "shelf", "model", scene.pairs[8].foreign[:6]):
                found = [
                    (
                        await client.complete(reference, {"name": argument, "value": prefix})
                    ).completion.values
                    for client in (scene.one, scene.other)
                ]
                assert found[0] == found[1]
                assert not [each for each in found[0] if re.search("vault|shelf|alpha", each)]
    own = ResourceTemplateReference(uri="lake://datasets/{schema}.{table}")
    asked = {"name": "table", "value": "vault"}
    assert (await scene.owner.complete(own, asked)).completion.values == ["vault_alpha"]
    for client in (scene.one, scene.other):
        for prompt in (await client.list_prompts()).prompts:
            for pair in scene.pairs:
                named = dict.fromkeys([each.name for each in prompt.arguments or ()], pair.foreign)
                shown = await client.get_prompt(prompt.name, named)
                assert SECRET not in shown.model_dump_json()


@pytest.mark.parametrize("scope", [None, *Scope])
async def test_a_tool_beyond_the_scopes_is_neither_shown_nor_called(
    scene: Scene, scope: Scope | None
) -> None:
    scopes = frozenset({scope} if scope else ())
    caller = replace(scene.app.caller(), tenant="acme", scopes=scopes)
    async with (
        Client(LakeServer(scene.app.services, lambda: caller)) as client,
        Client(LakeServer(scene.app.services, scene.app.caller)) as local,
    ):
        shown = {tool.name for tool in (await client.list_tools()).tools}
        every = {tool.name for tool in (await local.list_tools()).tools}
        for name in every - shown:
            result = await client.call_tool(name, {"not": "looked at"})
            assert "needs the scope lake:" in text_of(result)
        if scope is not Scope.READ:
            with pytest.raises(MCPError, match="needs the scope lake:read"):
                await client.read_resource("lake://notebooks/vault/alpha")
            reference = ResourceTemplateReference(uri="lake://datasets/{schema}.{table}")
            asked = {"name": "schema", "value": ""}
            assert (await client.complete(reference, asked)).completion.values == []
    assert (shown == set()) == (scope is None)
