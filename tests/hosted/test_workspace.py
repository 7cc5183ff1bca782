"""Tenants beside one workspace: each has its own catalog, and its changes arrive there."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio
import httpx
import pyarrow as pa
import pytest

from tests.databricks.connecting import environment
from tests.fakes.databricks import FakeWorkspace
from tests.hosted.issuing import Issuer
from tests.hosted.serving import HttpServer, connected, http_server
from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def beside(workspace: FakeWorkspace, tmp_path: Path, issuer: Issuer) -> Iterator[HttpServer]:
    """A hosted server that knows the workspace."""
    with http_server(tmp_path, **issuer.settings(tmp_path), **environment(workspace)) as running:
        yield running


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(60):
        while not await is_so():
            await anyio.lowlevel.checkpoint()


async def test_the_changes_of_every_tenant_arrive_in_its_own_catalog(
    beside: HttpServer, workspace: FakeWorkspace, issuer: Issuer
) -> None:
    for number, tenant in enumerate(("acme", "big-co")):
        async with connected(beside, issuer.token(tenant)) as client:
            await call(client, "ingest_dataset", source=[{"n": number}], name="t")

            async def is_synced() -> bool:
                status = await call(client, "sync_status")
                assert status["parked"] == 0, status
                return status["waiting"] == 0

            await until(is_synced)
            catalog = f"servicetsunami_{tenant}"
            assert workspace.rows(f"{catalog}.default.t") == [(number,)]
            sql = f"SELECT n FROM `{catalog}`.default.t"
            assert await ask(client, sql, run_on="databricks") == [[number]]
            assert await ask(client, sql) == [[number]]


async def test_tables_that_others_made_there_are_shown_to_their_tenant_alone(
    beside: HttpServer, workspace: FakeWorkspace, issuer: Issuer
) -> None:
    async with (
        connected(beside, issuer.token("acme")) as client,
        connected(beside, issuer.token("other")) as stranger,
    ):
        await call(client, "manage_sync", action="initialise")
        table = "servicetsunami_acme.default.made_there"
        workspace.put_table(table, pa.table({"a": [7]}))

        async def is_shown() -> bool:
            return "made_there" in str(await call(client, "list_assets"))

        await call(client, "manage_sync", action="initialise")
        await until(is_shown)
        assert await ask(client, f"SELECT a FROM {table}") == [[7]]

        assert "made_there" not in str(await call(stranger, "list_assets"))
        for run_on in ("auto", "databricks"):
            foreign, unknown = [
                await failure(stranger, "query_dataset", sql=f"SELECT * FROM {name}", run_on=run_on)
                for name in (table, table.replace("made_there", "not_there1"))
            ]
            assert foreign == unknown.replace("not_there1", "made_there")


async def test_the_server_is_ready_while_databricks_is_down(
    beside: HttpServer, workspace: FakeWorkspace, issuer: Issuer
) -> None:
    workspace.down()

    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{beside.url}/readyz")
    assert answer.json() == {"status": "ready"}
    async with connected(beside, issuer.token()) as client:
        await call(client, "ingest_dataset", source=[{"n": 1}], name="t")
        assert await ask(client, "SELECT n FROM t") == [[1]]
