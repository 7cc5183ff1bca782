"""Beside a workspace: what has arrived is counted, and nothing waits for one that is down."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace
from tests.hosted.issuing import Issuer
from tests.hosted.serving import http_server
from tests.rest.asking import CONNECTOR, NATIVE, ok, store

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def client(workspace: FakeWorkspace, tmp_path: Path, issuer: Issuer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {issuer.token('acme')}"}
    with (
        http_server(tmp_path, **issuer.settings(tmp_path), **environment(workspace)) as running,
        running.client(headers=headers, timeout=60) as speaking,
    ):
        yield speaking


def used(client: httpx.Client) -> dict:
    return ok(client.get(f"{NATIVE}/databricks/usage"))


def test_usage_tells_what_has_arrived_and_answers_while_the_workspace_is_down(
    client: httpx.Client, workspace: FakeWorkspace
) -> None:
    created = ok(client.post(f"{CONNECTOR}/catalogs"))
    assert "servicetsunami_acme" in created["done"]
    where = f"{CONNECTOR}/catalogs/servicetsunami_acme"
    ok(client.put(where, json={"comment": "Of acme."}))
    assert workspace.state.catalogs["servicetsunami_acme"].comment != "Of acme."
    ok(client.post(f"{CONNECTOR}/catalogs"))
    assert workspace.state.catalogs["servicetsunami_acme"].comment == "Of acme."
    store(client, "t", [{"n": 1}])
    while used(client)["resources"]["datasets"]["in_databricks"] < 1:
        assert ok(client.get(f"{NATIVE}/databricks/status"))["parked"] == 0
    assert workspace.rows("servicetsunami_acme.default.t") == [(1,)]
    assert ok(client.get(f"{NATIVE}/databricks/health"))["databricks"] == "connected"

    told = ok(client.get(f"{NATIVE}/databricks/usage", params={"costs": "true"}))
    assert told["cost"]["state"] in {"not read yet", "known"}

    workspace.down()
    store(client, "u", [{"n": 1}])
    ok(client.put(f"{NATIVE}/notebooks/a", json={"content": "x = 1"}))
    for path in ("usage", "health"):
        started = time.monotonic()
        ok(client.get(f"{NATIVE}/databricks/{path}"))
        assert time.monotonic() - started < 5
    assert used(client) == {
        "resources": {
            "datasets": {"total": 2, "in_databricks": 1},
            "notebooks": {"total": 1, "in_databricks": 0},
            "pipelines": {"total": 0, "in_databricks": 0},
        },
        "sync_percentage": {"datasets": 50.0, "notebooks": 0.0, "pipelines": 0.0},
    }
