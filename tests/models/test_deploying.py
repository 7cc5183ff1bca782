"""Models are deployed in versions; what cannot be loaded never takes the place of what serves."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.models.making import (
    FLOWERS,
    classifier,
    endless,
    huge,
    put,
    regressor,
    with_data_at,
)
from tests.server.asking import ask, call, failure


async def deployed(client: Client, source: str, name: str = "model") -> dict[str, Any]:
    return await call(client, "deploy_model", name=name, source=source)


async def described(client: Client, name: str = "model") -> dict[str, Any]:
    return (await call(client, "describe_asset", kind="endpoint", name=name))["endpoint"]


async def doubled(client: Client, value: float = 3.0) -> Any:
    """What the model makes of (value, 1): slope x value + 1."""
    answer = await call(client, "invoke_model", name="model", input={"instances": [[value, 1.0]]})
    return round(answer["predictions"][0], 3), answer["version"]


async def test_versions_follow_each_other(client: Client, files: Path) -> None:
    content = regressor()
    first = await deployed(client, put(files, "a.onnx", content))
    assert (first["version"], first["state"], first["serving"]) == (1, "READY", 1)
    assert first["signature"]["inputs"] == {"X": "float32[n, 2]"}
    assert await doubled(client) == (7.0, 1)
    second = await deployed(client, put(files, "b.onnx", regressor(slope=10.0)))
    assert (second["version"], second["serving"]) == (2, 2)
    assert await doubled(client) == (31.0, 2)

    told = await described(client)
    assert (told["runs_on"], told["state"], told["serving"]) == ("local", "READY", 2)
    assert [each["version"] for each in told["versions"]] == [2, 1]
    assert told["versions"][1]["sha256"] == hashlib.sha256(content).hexdigest()


async def test_the_source_may_go_once_the_model_is_deployed(client: Client, files: Path) -> None:
    await deployed(client, put(files, "a.onnx", regressor()))
    put(files, "a.onnx", b"something else")
    assert await doubled(client) == (7.0, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [b"", b"no model at all", regressor()[:100], classifier()[:-10], b"\x08" * 100_000],
    ids=["empty", "text", "truncated", "cut", "nonsense"],
)
async def test_what_cannot_be_loaded_fails_and_the_one_before_serves(
    client: Client, files: Path, settings: Settings, content: bytes
) -> None:
    await deployed(client, put(files, "good.onnx", regressor()))
    bad = await deployed(client, put(files, "bad.onnx", content))
    assert (bad["version"], bad["state"], bad["serving"]) == (2, "FAILED", 1)
    assert "cannot load bad.onnx" in bad["error"]
    assert str(settings.data_dir) not in bad["error"]
    assert await doubled(client) == (7.0, 1)
    again = await deployed(client, put(files, "good.onnx", regressor(slope=10.0)))
    assert (again["version"], again["serving"]) == (3, 3)
    assert [each["state"] for each in (await described(client))["versions"]] == [
        "READY",
        "FAILED",
        "READY",
    ]
    kept = list(settings.data_dir.glob("tenants/*/models/*/*"))
    assert sorted(path.name for path in kept) == ["1", "3"]


async def test_an_endpoint_whose_only_version_failed_says_why(client: Client, files: Path) -> None:
    await deployed(client, put(files, "bad.onnx", b"no model"))
    said = await failure(client, "invoke_model", name="model", input={"instances": [[1]]})
    assert "has no version that serves yet" in said
    assert "cannot load bad.onnx" in said
    assert (await described(client))["state"] == "NOT_READY"


async def test_a_model_may_keep_its_weights_beside_it(client: Client, files: Path) -> None:
    weights = np.array([1, 2, 3, 4], dtype=np.float32).tobytes()
    put(files, "m/weights.bin", weights)
    put(files, "m/model.onnx", with_data_at("weights.bin"))
    made = await deployed(client, str(files / "m"))
    assert made["state"] == "READY"
    answer = await call(client, "invoke_model", name="model", input={"instances": [[0, 0, 0, 0]]})
    assert answer["predictions"] == [[1, 2, 3, 4]]


@pytest.mark.parametrize("location", ["../../secret.bin", "{files}/secret.bin", "/etc/passwd"])
async def test_a_model_reads_no_files_elsewhere(client: Client, files: Path, location: str) -> None:
    put(files, "secret.bin", bytes(16))
    put(files, "m/model.onnx", with_data_at(location.format(files=files)))
    bad = await deployed(client, str(files / "m"))
    assert bad["state"] == "FAILED"


async def test_links_are_not_followed(client: Client, files: Path) -> None:
    put(files, "m/model.onnx", with_data_at("weights.bin"))
    (files / "m" / "weights.bin").symlink_to("/etc/hostname")
    assert "without links" in await failure(
        client, "deploy_model", name="model", source=str(files / "m")
    )
    assert (await call(client, "list_assets", kind="endpoint"))["total"] == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.pkl", "skl2onnx"),
        ("model.joblib", "is a pickle"),
        ("model.txt", "no model that this server knows"),
        ("../outside.onnx", "outside the folders"),
        ("missing.onnx", "There is no file"),
        (".", "0 files that end in .onnx"),
    ],
)
async def test_what_is_no_model_is_refused_by_name(
    client: Client, files: Path, name: str, words: str
) -> None:
    for each in ("model.pkl", "model.joblib", "model.txt"):
        put(files, each, b"x")
    put(files.parent, "outside.onnx", regressor())
    assert words in await failure(client, "deploy_model", name="model", source=name)


async def test_a_name_must_be_one_for_databricks_as_well(client: Client, files: Path) -> None:
    source = put(files, "a.onnx", regressor())
    for name in ("", "a b", "../x", "x" * 64, "-x", "ä"):
        said = await failure(client, "deploy_model", name=name, source=source)
        assert "cannot be the name of an endpoint" in said


async def test_a_model_that_wants_all_memory_costs_only_its_process(
    client: Client, files: Path
) -> None:
    await deployed(client, put(files, "a.onnx", huge()))
    said = await failure(client, "invoke_model", name="model", input={"instances": [[1.0]]})
    assert "needed more memory than allowed" in said
    assert "SERVICETSUNAMI_MODEL_MEMORY_MB" in said
    await deployed(client, put(files, "b.onnx", regressor()))
    assert await doubled(client) == (7.0, 2)


@pytest.mark.slow
async def test_a_model_that_never_ends_is_stopped_while_others_answer(
    client: Client, files: Path
) -> None:
    await deployed(client, put(files, "a.onnx", endless()), "endless")
    await deployed(client, put(files, "b.onnx", regressor()))
    said: list[str] = []

    async def wait() -> None:
        given = {"instances": [[1.0]]}
        said.append(await failure(client, "invoke_model", name="endless", input=given))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        assert await doubled(client) == (7.0, 1)
        assert await ask(client, "SELECT 1") == [[1]]
        assert said == []
    assert "did not come to an end within 20 s" in said[0]
    assert await doubled(client) == (7.0, 1)


async def test_an_endpoint_is_listed_and_deleted_with_its_files(
    client: Client, files: Path, settings: Settings
) -> None:
    await deployed(client, put(files, "a.onnx", regressor()))
    await deployed(client, put(files, "a.onnx", classifier()), "iris")
    listed = await call(client, "list_assets", kind="endpoint", search="IR")
    assert [(each["name"], each["version"]) for each in listed["assets"]] == [("iris", 1)]
    assert listed["assets"][0]["size_bytes"] == len(classifier())
    usage = await call(client, "tenant_usage")
    [kind] = [each for each in usage["assets"] if each["kind"] == "endpoint"]
    assert (kind["count"], kind["size_bytes"]) == (2, len(classifier()) + len(regressor()))
    assert "Nothing was deleted" in await failure(
        client, "delete_asset", kind="endpoint", name="iris", confirm="model"
    )
    await call(client, "delete_asset", kind="endpoint", name="iris", confirm="iris")
    gone = await failure(client, "invoke_model", name="iris", input={"instances": FLOWERS})
    assert "No endpoint is named 'iris'" in gone
    assert len(list(settings.data_dir.glob("tenants/*/models/*"))) == 1
    back = await deployed(client, put(files, "a.onnx", classifier()), "iris")
    assert back["version"] == 1


@pytest.fixture
async def other(app: App) -> AsyncIterator[Client]:
    """Another tenant on the same server."""
    caller = replace(app.caller(), tenant="other", subject="other")
    server = LakeServer(app.services, lambda: caller)
    async with Client(server, raise_exceptions=True) as client:
        yield client


async def test_tenants_see_nothing_of_each_other(
    client: Client, other: Client, files: Path
) -> None:
    await deployed(client, put(files, "a.onnx", regressor()))
    given = {"instances": [[3.0, 1.0]]}
    foreign = await failure(other, "invoke_model", name="model", input=given)
    unknown = await failure(other, "invoke_model", name="other", input=given)
    assert foreign.replace("'model'", "'other'") == unknown
    assert (await call(other, "list_assets", kind="endpoint"))["total"] == 0
    await failure(other, "delete_asset", kind="endpoint", name="model", confirm="model")
    theirs = await deployed(other, put(files, "b.onnx", regressor(slope=10.0)))
    assert theirs["version"] == 1
    assert await doubled(other) == (31.0, 1)
    assert await doubled(client) == (7.0, 1)


async def test_versions_that_are_deployed_at_once_all_count_or_say_so(
    client: Client, files: Path
) -> None:
    await deployed(client, put(files, "a.onnx", regressor()))
    source = put(files, "b.onnx", regressor(slope=10.0))
    done: list[str] = []

    async def deploy() -> None:
        result = await client.call_tool("deploy_model", {"name": "model", "source": source})
        done.append("conflict" if result.is_error else "done")

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(deploy)
    told = await described(client)
    assert len(told["versions"]) == 1 + done.count("done")
    assert {each["state"] for each in told["versions"]} == {"READY"}
    assert await doubled(client) == (31.0, 1 + done.count("done"))
