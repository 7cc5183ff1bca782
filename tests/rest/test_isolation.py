"""What one tenant has, no route shows to another, nor changes, nor tells from what is not there.

Generated from the OpenAPI document, so that a new route or argument is asked as well; see the same
test of the tools for how two strangers ask in step.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from tests.hosted.test_isolation import (
    BASES,
    SECRET,
    Pair,
    Scene,
    entered,
    filled,
    furnish,
    read,
    settings_with_files,
    what_the_owner_has_is_as_it_was,
)
from tests.rest.asking import NATIVE
from tests.rest.inside import client_of, desk_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TEXTS = {"content", "query", "sql"}
"""Arguments that are text, not a name: they are run or searched for among the caller's own."""
WHOLE: dict[str, Any] = {
    "content": "x = 1",
    "index": "mine",
    "input": {"inputs": [[1.0, 2.0]]},
    "name": "mine",
    "names": ["<name>"],
    "query": "pelican",
    "source": [{"id": "1", "text": "own words"}],
    "tasks": [{"task_key": "t", "sql_task": {"statement": "SELECT 1"}}],
}
"""What makes a body whole, beside the argument that is asked for."""
MORE: dict[str, list[dict[str, Any]]] = {
    "query_dataset": BASES["query_dataset"],
    "create_job": [{"tasks": base["tasks"]} for base in BASES["create_job"]],
    "manage_sync": [{"action": action, "name": "<name>"} for action in ("drop", "pull", "off")],
    "search_vectors": [{"query": "pelican", "filters": "id = '<name>'"}],
    "invoke_model": [{"input": {"dataset": "<name>"}, "output": "made"}],
}
ORDER = ("lake:read", "lake:run", "lake:admin", "lake:serve", "lake:write")


@dataclass(frozen=True, slots=True)
class Call:
    """A request with `<name>` where somebody else's name is asked for."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any] | None

    async def sent(self, client: httpx.AsyncClient, name: str) -> httpx.Response:
        path = self.path.replace("<name>", quote(name, safe=""))
        query, body = filled([self.query, self.body], name)
        return await client.request(self.method, path, params=query, json=body)


@dataclass(frozen=True, slots=True)
class RestScene:
    """The owner, and the two strangers."""

    scene: Scene
    owner: httpx.AsyncClient
    one: httpx.AsyncClient
    other: httpx.AsyncClient


async def speaking(stack: AsyncExitStack, app: App, tenant: str) -> httpx.AsyncClient:
    caller = replace(app.caller(), tenant=tenant, subject="ada")
    return await stack.enter_async_context(client_of(desk_of(app, caller=lambda: caller)))


@pytest.fixture
async def scene(tmp_path: Path, zygote: Zygote) -> AsyncIterator[RestScene]:
    async with (
        open_app(settings_with_files(tmp_path), is_hosted=True, zygote=zygote) as app,
        AsyncExitStack() as stack,
    ):
        at_home = await entered(stack, app, "acme")
        pairs = await furnish(app, at_home)
        owner, one, other = [
            await speaking(stack, app, tenant) for tenant in ("acme", "stranger1", "stranger2")
        ]
        for stranger in (one, other):
            rows = {"name": "zzz", "source": [{"a": 1}]}
            assert (await stranger.post(f"{NATIVE}/datasets", json=rows)).status_code == 200
        yield RestScene(Scene(app, at_home, at_home, at_home, pairs), owner, one, other)


def calls_of(document: dict[str, Any]) -> Iterator[Call]:
    """All ways to ask for a name, those that make things of that name last."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document["components"]["schemas"]
    for method, path, operation in sorted(
        operations, key=lambda each: (ORDER.index(each[2]["x-scope"]), each[0] in {"POST", "PUT"})
    ):
        kinds = operation.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in kinds:
            continue
        schema = kinds.get("application/json", {}).get("schema", {})
        name = schema.get("$ref", "/").rpartition("/")[2]
        yield from ways(method, path, operation, schemas.get(name))


def ways(
    method: str, path: str, operation: dict[str, Any], schema: dict[str, Any] | None
) -> Iterator[Call]:
    whole = None
    if schema is not None:
        whole = {name: WHOLE[name] for name in schema.get("required", ()) if name in WHOLE}
    if "{" in path or "<name>" in str(whole):
        named = path.replace("{name}", "<name>").replace("{run_id}", "<name>")
        yield Call(method, named, {}, whole)
    plain = path.replace("{name}", "zzz").replace("{run_id}", "run-0")
    for each in operation.get("parameters", ()):
        if each["in"] == "query" and is_text(each["schema"]):
            yield Call(method, plain, {each["name"]: "<name>"}, whole)
    for body in bodies(operation, schema or {"properties": {}}):
        yield Call(method, plain, {}, {**(whole or {}), **body})


def bodies(operation: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What asks for the name in a body."""
    for name, each in schema["properties"].items():
        if is_text(each) and name not in TEXTS:
            yield {name: "<name>"}
    for more in MORE.get(operation.get("x-operation", ""), ()):
        if set(more) <= set(schema["properties"]):
            yield more


def is_text(schema: dict[str, Any]) -> bool:
    forms = [schema, *schema.get("anyOf", [])]
    return any(form.get("type") == "string" and "enum" not in form for form in forms)


async def test_no_argument_of_any_route_reaches_what_is_another_tenants(scene: RestScene) -> None:
    document = (await scene.one.get("/openapi.json")).json()
    pairs, asked, failed = scene.scene.pairs, 0, 0
    for call in calls_of(document):
        for pair in pairs:
            foreign = await call.sent(scene.one, pair.foreign)
            guessed = await call.sent(scene.other, pair.guessed)
            case = f"{call} {pair}"
            seen, expected = read(foreign.text, pairs), read(guessed.text, pairs)
            assert foreign.status_code == guessed.status_code, f"{case}: {seen} {expected}"
            assert foreign.status_code < 500, f"{case}: {seen}"
            if foreign.is_error:
                assert seen == expected, case
                failed += 1
            asked += 1
    print(f"{asked} calls by each stranger, {failed} of them refused: all alike")
    assert failed > 800
    await what_the_owner_has_is_as_it_was(scene.scene)


async def test_own_names_reach_what_is_ones_own(scene: RestScene) -> None:
    """Otherwise the test above would be content with a server that refuses everything."""
    by_name, by_run, by_cursor = (scene.scene.pairs[number].foreign for number in (0, 8, 9))

    described = await scene.owner.get(f"{NATIVE}/datasets/{by_name}")
    assert described.json()["kind"] == "dataset"
    assert SECRET in (await scene.owner.get(f"{NATIVE}/runs/{by_run}")).text
    page = await scene.owner.post(f"{NATIVE}/datasets/query", json={"cursor": by_cursor})
    assert page.json()["rows"][0] == [5, SECRET]
    batch = await scene.owner.post(f"{NATIVE}/datasets/batch/get", json={"names": [by_name]})
    assert SECRET in json.dumps(batch.json())


async def test_an_uploaded_file_goes_to_ones_own(scene: RestScene) -> None:
    name: Pair = scene.scene.pairs[0]
    files = {"file": ("x.csv", b"n,word\n1,mine\n")}
    for mode, status in (("merge", 404), ("append", 200)):
        form = {"name": name.foreign, "mode": mode} | ({"keys": "n"} if mode == "merge" else {})
        answer = await scene.one.post(f"{NATIVE}/datasets/ingest", files=files, data=form)
        assert answer.status_code == status, answer.text
        assert SECRET not in answer.text
    await what_the_owner_has_is_as_it_was(scene.scene)
