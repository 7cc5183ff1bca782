"""Statements that fail, end unseen, or come in chunks; and the downloads of their results."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pyarrow as pa
import pytest

from servicetsunami.domain.budget import Permit
from servicetsunami.errors import (
    RemoteConflict,
    RemoteDenied,
    RemoteError,
    RemoteNotFound,
    RemoteRefused,
    RemoteUnavailable,
    TimedOut,
)
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.config import Given, WorkspaceConfig, resolve
from servicetsunami.gateway.downloads import Downloads
from servicetsunami.gateway.statements import (
    Statement,
    StatementParameter,
    StatementRequest,
    Statements,
)
from servicetsunami.gateway.warehouses import Warehouses
from servicetsunami.gateway.workspace import Workspace, open_workspace
from tests.fakes.databricks import FakeWorkspace, Fault, SqlError

ORDERS = "main.sales.orders"
PATH = "/api/2.0/sql/statements"
CHUNK = f"{PATH}/.*/result/chunks/"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as fake:
        fake.put_table(ORDERS, pa.table({"n": list(range(25)), "t": [None, "x"] * 12 + ["y"]}))
        yield fake


@pytest.fixture
def fake(running: FakeWorkspace) -> Iterator[FakeWorkspace]:
    running.sql.all.clear()
    running.sql.chunk_rows = 10
    yield running
    running.faults.clear()
    running.sql.delay_s = 0.0
    running.sql.failures.clear()


def config_of(host: str, token: str) -> WorkspaceConfig:
    given = Given(host=host, token=token, warehouse_id="running0000000002")
    config = resolve(given, requests_per_s=1000, user_agent="test")
    return replace(config, call_timeout_s=2.0, deadline_s=4.0)


@pytest.fixture
async def workspace(fake: FakeWorkspace) -> AsyncIterator[Workspace]:
    opened = open_workspace(config_of(fake.url, fake.token))
    yield opened
    await opened.aclose()


def select(sql: str = f"SELECT n, t FROM {ORDERS} ORDER BY n", **more: Any) -> StatementRequest:
    return StatementRequest(sql=sql, permit=Permit(payer="acme"), **more)


async def arrow(workspace: Workspace) -> Statement:
    return await workspace.statements.run(select(form="arrow"), timeout_s=10)


def answering(*answers: dict[str, Any]) -> Statements:
    """Statements of a workspace that gives these answers, the last one for ever."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=left.pop(0) if len(left) > 1 else left[0])

    config = config_of("http://workspace", "t")
    http = httpx.AsyncClient(base_url=config.host, transport=httpx.MockTransport(answer))
    client = WorkspaceClient(config, http)
    return Statements(client, Warehouses(client, "w"))


async def test_chunks_keep_their_nulls_and_the_types_of_their_columns(workspace: Workspace) -> None:
    statement = await workspace.statements.run(select(), timeout_s=10)
    chunks = [chunk async for chunk in workspace.statements.rows(statement)]

    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert chunks[0][:2] == [["0", None], ["1", "x"]]
    assert [(c.name, c.type) for c in statement.columns] == [("n", "bigint"), ("t", "string")]


async def test_a_chunk_that_breaks_off_is_fetched_again(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    statement = await workspace.statements.run(select(), timeout_s=10)
    broken = fake.faults.add(Fault(path=CHUNK, half_body=True, after=True))

    rows = [row async for chunk in workspace.statements.rows(statement) for row in chunk]

    assert broken.hits == 1
    assert [row[0] for row in rows] == [str(n) for n in range(25)]


async def test_limits_and_parameters_go_along(workspace: Workspace) -> None:
    parameters = (
        StatementParameter(name="least", value="5", type="BIGINT"),
        StatementParameter(name="nothing", value=None),
    )
    sql = f"SELECT n, :nothing FROM {ORDERS} WHERE n >= :least ORDER BY n"
    request = select(sql, parameters=parameters, row_limit=2)

    statement = await workspace.statements.run(request, timeout_s=10)

    assert [row async for row in workspace.statements.rows(statement)] == [
        [["5", None], ["6", None]]
    ]
    assert statement.is_truncated


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SqlError("PARSE_SYNTAX_ERROR", "near FRM"), RemoteRefused),
        (SqlError("TABLE_OR_VIEW_NOT_FOUND", "no such table"), RemoteNotFound),
        (SqlError("INSUFFICIENT_PERMISSIONS", "no SELECT"), RemoteDenied),
        (SqlError("DELTA_CONCURRENT_APPEND.X", "meanwhile"), RemoteConflict),
        (SqlError("LATER", "wait", code="TEMPORARILY_UNAVAILABLE"), RemoteUnavailable),
    ],
    ids=str,
)
async def test_a_failed_statement_raises_what_its_error_class_stands_for(
    fake: FakeWorkspace, workspace: Workspace, error: SqlError, kind: type[RemoteError]
) -> None:
    fake.sql.failures.append(("orders", error))
    with pytest.raises(kind) as caught:
        await workspace.statements.run(select(), timeout_s=10)

    assert type(caught.value) is kind
    assert f"[{caught.value.code}]" in error.message
    assert str(error) in caught.value.what


async def test_a_statement_that_somebody_cancels_ends_as_a_conflict(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.delay_s = 30
    started = await workspace.statements.start(select())
    await workspace.statements.cancel(started.id)

    with pytest.raises(RemoteConflict) as caught:
        await workspace.statements.follow(started, timeout_s=10)
    assert caught.value.code == "CANCELLED"


async def test_a_follower_who_gives_up_cancels_nothing(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.delay_s = 30
    started = await workspace.statements.start(select())
    before = len(fake.requests)
    with pytest.raises(TimedOut, match="RUNNING"):
        await workspace.statements.follow(started, timeout_s=0.3)
    with anyio.move_on_after(0.1):
        await workspace.statements.follow(started, timeout_s=30)

    assert {each.path for each in fake.requests[before:]} == {f"{PATH}/{started.id}"}
    await workspace.statements.cancel(started.id)


async def test_a_caller_who_is_cancelled_leaves_nothing_running(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.delay_s = 30
    ids: list[str] = []
    async with anyio.create_task_group() as tasks:

        async def started(statement_id: str) -> None:
            ids.append(statement_id)
            tasks.cancel_scope.cancel()

        await workspace.statements.run(select(), timeout_s=30, on_started=started)

    assert fake.requests[-1].path == f"{PATH}/{ids[0]}/cancel"
    assert fake.sql.all[ids[0]].is_cancelled


async def test_a_cancel_that_fails_does_not_hide_why_it_was_asked_for(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.sql.delay_s = 1
    fake.faults.add(Fault(path=f"{PATH}/.*/cancel", status=500, times=None))
    with pytest.raises(TimedOut):
        await workspace.statements.run(select(), timeout_s=0.1)


async def test_a_start_whose_answer_is_lost_is_not_repeated(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.faults.add(Fault("POST", f"{PATH}$", reset=True, after=True))
    with pytest.raises(RemoteUnavailable):
        await workspace.statements.start(select())

    assert len(fake.statements) == 1


async def test_a_start_that_was_turned_away_is_repeated(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    headers = {"Retry-After": "0"}
    fake.faults.add(Fault("POST", f"{PATH}$", times=2, status=429, headers=headers))
    await workspace.statements.run(select(), timeout_s=10)

    assert len(fake.statements) == 1


async def test_a_state_that_nobody_knows_is_not_the_end() -> None:
    statements = answering(
        {"statement_id": "s", "status": {"state": "PENDING"}},
        {"statement_id": "s", "status": {"state": "REHEATING"}},
        {"statement_id": "s", "status": {"state": "SUCCEEDED"}, "surprise": 1},
    )

    ended = await statements.run(select(), timeout_s=10)

    assert (ended.state, ended.has_result, ended.row_count) == ("SUCCEEDED", False, None)


async def test_a_closed_statement_may_still_bring_its_rows() -> None:
    result = {"data_array": [["1"]]}
    statements = answering({"statement_id": "s", "status": {"state": "CLOSED"}, "result": result})
    ended = await statements.run(select(), timeout_s=10)

    assert [chunk async for chunk in statements.rows(ended)] == [[["1"]]]


async def test_chunks_that_name_each_other_do_not_go_on_for_ever() -> None:
    statements = answering({"data_array": [["1"]], "next_chunk_index": 1})
    first = Statement(id="s", state="SUCCEEDED", first={"next_chunk_index": 1})

    assert len([chunk async for chunk in statements.rows(first)]) == 2


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ([{"key": "item", "value": "7"}, {"key": "more", "value": "1"}], 1),
        ({"item": "7"}, 1),
        ([{"key": "item", "value": "8"}], 0),
        (["item"], 0),
        ("item=7", 0),
        (None, 0),
    ],
    ids=str,
)
async def test_the_tags_of_the_history_are_read_in_every_form(tags: object, found: int) -> None:
    statements = answering({"res": [{"query_id": "q", "status": "RUNNING", "query_tags": tags}]})
    since = datetime.now(UTC) - timedelta(minutes=1)

    entries = await statements.history(since=since, tags={"item": "7"})

    assert [each.is_running for each in entries] == [True] * found


async def test_a_link_that_has_expired_is_replaced_by_a_fresh_one(
    fake: FakeWorkspace, workspace: Workspace, tmp_path: Path
) -> None:
    fake.sql.link_ttl_s = -1.0
    statement = await arrow(workspace)
    fake.sql.link_ttl_s = 900.0
    before = len(fake.requests)

    rows = [await workspace.downloads.save(statement, n, tmp_path / str(n)) for n in range(3)]

    tables = [pa.ipc.open_stream((tmp_path / str(n)).read_bytes()).read_all() for n in range(3)]
    assert rows == [10, 10, 5]
    assert pa.concat_tables(tables)["n"].to_pylist() == list(range(25))
    fetched = [each.path for each in fake.requests[before:]]
    assert sum(path.endswith("/chunks/0") for path in fetched) == 1


async def test_a_download_that_breaks_off_is_begun_anew_and_whole(
    fake: FakeWorkspace, workspace: Workspace, tmp_path: Path
) -> None:
    statement = await arrow(workspace)
    fake.faults.add(Fault(path="/__store__", half_body=True, after=True))

    assert await workspace.downloads.save(statement, 0, tmp_path / "chunk") == 10
    assert pa.ipc.open_stream((tmp_path / "chunk").read_bytes()).read_all().num_rows == 10


async def test_a_download_carries_the_headers_of_its_link_and_none_of_ours(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def store(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"rows")

    config = config_of("http://workspace", "dapi-secret")
    link = {"external_link": "http://store/x?sig=1", "http_headers": {"x-key": "k"}, "row_count": 3}
    statement = Statement(id="s", state="SUCCEEDED", first={"external_links": [link]})
    async with (
        httpx.AsyncClient(base_url=config.host) as http,
        httpx.AsyncClient(transport=httpx.MockTransport(store)) as outside,
    ):
        downloads = Downloads(WorkspaceClient(config, http), outside)
        assert await downloads.save(statement, 0, tmp_path / "chunk") == 3

    [request] = seen
    assert request.headers["x-key"] == "k"
    assert "authorization" not in request.headers
    assert (tmp_path / "chunk").read_bytes() == b"rows"


@pytest.mark.parametrize(
    "link",
    [
        {"external_link": "http://store", "http_headers": ["x"]},
        {"external_link": "http://store", "row_count": "many"},
    ],
    ids=str,
)
async def test_a_link_that_makes_no_sense_is_a_failure_that_does_not_show_it(
    workspace: Workspace, tmp_path: Path, link: dict[str, Any]
) -> None:
    statement = Statement(id="s", state="SUCCEEDED", first={"external_links": [link]})
    with pytest.raises(RemoteUnavailable) as caught:
        await workspace.downloads.save(statement, 0, tmp_path / "chunk")

    assert "store" not in str(caught.value).replace("object store", "")


async def test_a_chunk_without_a_link_is_refused(
    fake: FakeWorkspace, workspace: Workspace, tmp_path: Path
) -> None:
    statement = await arrow(workspace)
    fake.faults.add(Fault(path=CHUNK, status=200, body={"external_links": []}))
    with pytest.raises(RemoteRefused, match="no link"):
        await workspace.downloads.save(statement, 1, tmp_path / "chunk")
