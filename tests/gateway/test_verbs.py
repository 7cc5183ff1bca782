"""The verbs against a workspace on a real port: results whole, work stopped, tokens renewed."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pytest
from anyio.lowlevel import checkpoint

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import (
    ConfigurationError,
    RemoteNotFound,
    RemoteRefused,
    RemoteUnauthenticated,
    TimedOut,
)
from servicetsunami.gateway.config import Given, WorkspaceConfig, resolve
from servicetsunami.gateway.statements import StatementRequest
from servicetsunami.gateway.workspace import Workspace, open_workspace
from tests.fakes.databricks import FakeWorkspace, Fault

ORDERS = "main.sales.orders"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        running.put_table(ORDERS, pa.table({"n": list(range(30))}))
        yield running


def configured(fake: FakeWorkspace, **given: Any) -> WorkspaceConfig:
    given = given or {"token": fake.token}
    return resolve(Given(host=fake.url, **given), requests_per_s=1000, user_agent="test")


@pytest.fixture
async def workspace(fake: FakeWorkspace) -> AsyncIterator[Workspace]:
    opened = open_workspace(configured(fake))
    yield opened
    await opened.aclose()


def select(sql: str = f"SELECT n FROM {ORDERS} ORDER BY n", **more: object) -> StatementRequest:
    return StatementRequest(sql=sql, permit=Permit(payer="acme"), **more)  # ty: ignore


async def test_all_chunks_arrive_and_the_running_warehouse_is_taken(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.chunk_rows = 10

    statement = await workspace.statements.run(select(), timeout_s=10)
    rows = [row async for chunk in workspace.statements.rows(statement) for row in chunk]

    assert rows == [[str(n)] for n in range(30)]
    assert (statement.row_count, statement.chunk_count) == (30, 3)
    assert fake.statements[0].warehouse_id == fake.warehouse_id


async def test_a_statement_that_waits_is_followed_and_giving_up_does_not_cancel(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.delay_s = 0.6
    started = await workspace.statements.start(select())
    assert started.state == "PENDING"
    with pytest.raises(TimedOut):
        await workspace.statements.follow(started, timeout_s=0.1)

    ended = await workspace.statements.follow(started, timeout_s=10)

    assert (ended.state, ended.row_count) == ("SUCCEEDED", 30)


async def test_whoever_gives_a_run_up_cancels_it_there(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.delay_s = 60
    with pytest.raises(TimedOut):
        await workspace.statements.run(select(), timeout_s=0.2)
    with anyio.move_on_after(0.3):
        await workspace.statements.run(select(), timeout_s=60)

    with anyio.fail_after(10):
        while not all(each.is_cancelled for each in fake.statements):
            await checkpoint()
    assert len(fake.statements) == 2


async def test_a_run_that_is_given_up_while_it_starts_is_cancelled_too(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.delay_s = 60
    await workspace.warehouses.choose()
    fake.faults.add(Fault("POST", "/api/2.0/sql/statements$", delay_s=0.5))
    with anyio.move_on_after(0.2):
        await workspace.statements.run(select(), timeout_s=60)

    [statement] = fake.statements
    assert statement.is_cancelled


async def test_a_closed_statement_is_a_success_whose_rows_may_be_gone(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.close_after_success = True
    statement = await workspace.statements.run(select(), timeout_s=10)

    assert statement.state == "CLOSED"
    with pytest.raises(RemoteRefused, match="gave its result up"):
        [chunk async for chunk in workspace.statements.rows(statement)]


async def test_statements_are_found_again_by_their_tags(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    mine = await workspace.statements.run(select(tags={"item": "7"}), timeout_s=10)
    await workspace.statements.run(select(tags={"item": "8"}), timeout_s=10)

    [found] = await workspace.statements.history(since=since, tags={"item": "7"})

    assert (found.statement_id, found.is_running) == (mine.id, False)


async def test_downloads_go_without_our_credentials_and_with_a_fresh_link_when_one_expires(
    fake: FakeWorkspace, workspace: Workspace, tmp_path: Path
) -> None:
    fake.sql.chunk_rows = 10
    statement = await workspace.statements.run(select(form="arrow"), timeout_s=10)
    links = len(fake.sql.links)
    fake.faults.add(Fault(path="/__store__", status=403, body=b"<Error>expired</Error>"))

    rows = await workspace.downloads.save(statement, 0, tmp_path / "chunk")

    assert rows == 10
    assert pa.ipc.open_stream((tmp_path / "chunk").read_bytes()).read_all().num_rows == 10
    assert len(fake.sql.links) == links + 1


async def test_files_are_sent_measured_listed_and_removed(
    fake: FakeWorkspace, workspace: Workspace, tmp_path: Path
) -> None:
    await workspace.catalogs.ensure_volume("main", "default", "v")
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * 3_000_000)
    path = "/Volumes/main/default/v/a b/c+d.bin"
    fake.faults.add(Fault("PUT", "/api/2.0/fs/files", half_body=True))

    await workspace.files.upload(path, source, deadline_s=20)
    await workspace.files.download(path, target, deadline_s=20)

    assert await workspace.files.size(path) == 3_000_000
    assert target.read_bytes() == source.read_bytes()
    assert [e.path for e in await workspace.files.entries("/Volumes/main/default/v/a b")] == [path]
    await workspace.files.remove_tree("/Volumes/main/default/v/a b")
    await workspace.files.delete(path)
    assert await workspace.files.size(path) is None
    assert await workspace.files.entries("/Volumes/main/default/v/a b") == []


async def test_what_is_to_exist_may_exist_and_a_lost_answer_is_looked_after(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.faults.add(Fault("POST", "/api/2.1/unity-catalog/catalogs", reset=True, after=True))
    for _ in range(2):
        await workspace.catalogs.ensure_catalog("mine", "for a test")
        await workspace.catalogs.ensure_schema("mine", "s")
        await workspace.catalogs.ensure_volume("mine", "s", "v")

    assert "mine" in await workspace.catalogs.list_catalogs(items_max=100)
    assert await workspace.catalogs.list_schemas("mine") == ["default", "s"]


async def test_listings_go_on_past_empty_pages_and_stop_at_their_bound(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    for n in range(7):
        fake.put_table(f"main.sales.t{n}", pa.table({"n": [n]}))

    tables = await workspace.catalogs.all_tables("main", items_max=100)

    assert len(tables) == 8
    assert len(await workspace.catalogs.all_tables("main", items_max=5)) == 5
    assert await workspace.catalogs.all_tables("nowhere", items_max=5) == []


async def test_a_page_that_names_itself_does_not_go_on_for_ever(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    body = {"catalogs": [], "next_page_token": "again"}
    fake.faults.add(Fault(path="/api/2.1/unity-catalog/catalogs", status=200, body=body, times=9))
    with pytest.raises(RemoteRefused, match="twice"):
        await workspace.catalogs.list_catalogs(items_max=100)


async def test_a_table_is_described_and_dropped(fake: FakeWorkspace, workspace: Workspace) -> None:
    address = TableAddress.parse(ORDERS)
    table = await workspace.catalogs.get_table(address)

    assert table is not None
    assert [(c.name, c.type) for c in table.columns] == [("n", "bigint")]
    assert await workspace.catalogs.delete_table(address)
    assert not await workspace.catalogs.delete_table(address)
    assert await workspace.catalogs.get_table(address) is None


async def test_a_service_principal_gets_one_token_and_renews_it_when_it_is_not_taken(
    fake: FakeWorkspace,
) -> None:
    given = configured(
        fake, client_id=fake.tokens.client_id, client_secret=fake.tokens.client_secret
    )
    workspace = open_workspace(given)
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(workspace.catalogs.get_table, TableAddress.parse(ORDERS))
    assert len(fake.tokens.given) == 1

    fake.tokens.given.clear()
    assert (await workspace.health.check()).authenticated
    assert len(fake.tokens.given) == 1
    await workspace.aclose()


async def test_a_wrong_secret_is_told_and_not_tried_again(fake: FakeWorkspace) -> None:
    workspace = open_workspace(configured(fake, client_id="id", client_secret="wrong"))
    with pytest.raises(RemoteUnauthenticated):
        await workspace.catalogs.get_table(TableAddress.parse(ORDERS))
    health = await workspace.health.check()

    assert (health.reachable, health.authenticated) == (True, False)
    assert len([r for r in fake.requests if r.path == "/oidc/v1/token"]) == 2
    await workspace.aclose()


async def test_a_workspace_without_a_warehouse_says_what_to_do(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.warehouses.all.clear()
    with pytest.raises(ConfigurationError, match="no SQL warehouse"):
        await workspace.statements.start(select())


async def test_a_forgotten_statement_is_not_found(workspace: Workspace) -> None:
    with pytest.raises(RemoteNotFound):
        await workspace.statements.look("01ef-unknown")


@pytest.mark.slow
async def test_health_is_asked_seldom_and_again_after_a_failure(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    first = await workspace.health.check()
    assert await workspace.health.check() is first
    assert first.warehouse_state == "RUNNING"
    fake.down()
    with pytest.raises(Exception, match="did not answer"):
        await workspace.catalogs.get_table(TableAddress.parse(ORDERS))

    assert not (await workspace.health.check()).reachable
    assert replace(first, reachable=True) == first
