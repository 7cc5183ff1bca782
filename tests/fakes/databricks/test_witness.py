"""The official SDK drives the fake: what it accepts, a client of the real workspace would too."""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import NotFound, PermissionDenied, ResourceAlreadyExists
from databricks.sdk.service import catalog, sql

from tests.fakes.databricks import FakeWorkspace

ORDERS = "main.sales.orders"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as running:
        running.put_table(ORDERS, pa.table({"n": list(range(30)), "name": ["x"] * 30}))
        yield running


def client_of(fake: FakeWorkspace, **credentials: Any) -> WorkspaceClient:
    config = Config(host=fake.url, http_timeout_seconds=5, retry_timeout_seconds=5, **credentials)
    return WorkspaceClient(config=config)


@pytest.fixture(scope="module")
def client(fake: FakeWorkspace) -> WorkspaceClient:
    return client_of(fake, token=fake.token)


def test_a_service_principal_signs_in(fake: FakeWorkspace) -> None:
    signed_in = client_of(
        fake, client_id=fake.tokens.client_id, client_secret=fake.tokens.client_secret
    )

    assert signed_in.current_user.me().user_name == "agent@example.com"


def test_another_token_is_refused(fake: FakeWorkspace) -> None:
    with pytest.raises(PermissionDenied):
        client_of(fake, token="wrong").current_user.me()


def test_catalogs_schemas_and_volumes_come_and_go(client: WorkspaceClient) -> None:
    client.catalogs.create("mine", comment="a test")
    client.schemas.create("s", "mine")
    volume = client.volumes.create("mine", "s", "v", catalog.VolumeType.MANAGED)

    with pytest.raises(ResourceAlreadyExists):
        client.catalogs.create("mine")
    assert volume.full_name == "mine.s.v"
    assert "mine" in [each.name for each in client.catalogs.list()]
    assert [each.name for each in client.schemas.list("mine")] == [
        "default", "information_schema", "s",
    ]  # fmt: skip
    assert [each.name for each in client.volumes.list("mine", "s")] == ["v"]
    assert client.catalogs.update("mine", comment="changed").comment == "changed"
    assert client.catalogs.get("mine").comment == "changed"
    assert client.schemas.get("mine.s").full_name == "mine.s"
    assert client.volumes.read("mine.s.v").name == "v"
    client.volumes.delete("mine.s.v")
    client.schemas.delete("mine.s")
    client.catalogs.delete("mine", force=True)
    with pytest.raises(NotFound):
        client.catalogs.get("mine")


def test_tables_are_listed_described_and_dropped(
    fake: FakeWorkspace, client: WorkspaceClient
) -> None:
    fake.put_table("main.sales.gone", pa.table({"a": [1]}))

    names = [each.full_name for each in client.tables.list("main", "sales")]
    table = client.tables.get(ORDERS)
    client.tables.delete("main.sales.gone")

    assert names == [ORDERS, "main.sales.gone"]
    assert [(c.name, c.type_text) for c in table.columns or []] == [
        ("n", "bigint"),
        ("name", "string"),
    ]
    assert client.tables.exists(ORDERS).table_exists
    assert not client.tables.exists("main.sales.gone").table_exists


def test_files_are_sent_whole_and_in_parts(client: WorkspaceClient) -> None:
    client.volumes.create("main", "default", "files", catalog.VolumeType.MANAGED)
    root = "/Volumes/main/default/files/a b"
    large = b"0123456789" * 6_000_000
    client.files.create_directory(root)
    client.files.upload(f"{root}/small.bin", io.BytesIO(b"small"), overwrite=True)
    client.files.upload(f"{root}/large.bin", io.BytesIO(large), overwrite=True)

    names = [each.name for each in client.files.list_directory_contents(root)]
    small = client.files.download(f"{root}/small.bin").contents
    metadata = client.files.get_metadata(f"{root}/large.bin")

    assert names == ["large.bin", "small.bin"]
    assert small is not None
    assert small.read() == b"small"
    assert metadata.content_length == len(large)
    client.files.delete(f"{root}/small.bin")
    client.files.delete(f"{root}/large.bin")
    client.files.delete_directory(root)
    with pytest.raises(NotFound):
        client.files.get_metadata(f"{root}/small.bin")


def test_warehouses_are_listed_started_and_stopped(client: WorkspaceClient) -> None:
    states = {each.name: each.state for each in client.warehouses.list()}
    stopped = next(e for e in client.warehouses.list() if e.state == sql.State.STOPPED)

    client.warehouses.start(str(stopped.id))
    assert client.warehouses.get(str(stopped.id)).state == sql.State.RUNNING
    client.warehouses.stop(str(stopped.id))
    assert set(states.values()) == {sql.State.RUNNING, sql.State.STOPPED}


def execute(client: WorkspaceClient, fake: FakeWorkspace, text: str, **more: Any) -> Any:
    return client.statement_execution.execute_statement(
        text, fake.warehouse_id, wait_timeout="10s", **more
    )


def test_statements_answer_fail_and_are_found_in_the_history(
    fake: FakeWorkspace, client: WorkspaceClient
) -> None:
    fake.sql.chunk_rows = 10
    wanted = [sql.StatementParameterListItem(name="least", value="3", type="INT")]

    done = execute(
        client, fake, f"SELECT n FROM {ORDERS} WHERE n > :least ORDER BY n", parameters=wanted
    )
    failed = execute(client, fake, "SELECT * FROM main.sales.nothing")
    empty = execute(client, fake, f"SELECT n FROM {ORDERS} WHERE n < 0")

    assert done.status is not None
    assert done.manifest is not None
    assert done.result is not None
    assert done.status.state == sql.StatementState.SUCCEEDED
    assert (done.manifest.total_row_count, done.manifest.total_chunk_count) == (26, 3)
    last = client.statement_execution.get_statement_result_chunk_n(str(done.statement_id), 2)
    assert (done.result.data_array or [])[0] == ["4"]
    assert (last.data_array or [])[-1] == ["29"]
    assert failed.status is not None
    assert failed.status.error is not None
    assert failed.status.state == sql.StatementState.FAILED
    assert "TABLE_OR_VIEW_NOT_FOUND" in str(failed.status.error.message)
    assert empty.manifest is not None
    assert empty.manifest.total_row_count == 0
    found = client.query_history.list().res or []
    assert str(done.statement_id) in [each.query_id for each in found]


def test_statements_are_cancelled_and_links_are_given(
    fake: FakeWorkspace, client: WorkspaceClient
) -> None:
    fake.sql.delay_s = 30
    pending = client.statement_execution.execute_statement(
        "SELECT 1", fake.warehouse_id, wait_timeout="0s"
    )
    client.statement_execution.cancel_execution(str(pending.statement_id))
    fake.sql.all[str(pending.statement_id)].ended.wait(5)
    fake.sql.delay_s = 0

    cancelled = client.statement_execution.get_statement(str(pending.statement_id))
    linked = execute(
        client,
        fake,
        f"SELECT * FROM {ORDERS}",
        disposition=sql.Disposition.EXTERNAL_LINKS,
        format=sql.Format.ARROW_STREAM,
    )

    assert cancelled.status is not None
    assert cancelled.status.state == sql.StatementState.CANCELED
    assert linked.result is not None
    [link] = linked.result.external_links or []
    assert str(link.external_link).startswith(fake.url)
    assert link.http_headers


def test_what_writes_is_understood(fake: FakeWorkspace, client: WorkspaceClient) -> None:
    for text in (
        "CREATE SCHEMA IF NOT EXISTS main.w",
        "CREATE TABLE main.w.t (id BIGINT, price DECIMAL(10,2))",
        "INSERT INTO main.w.t VALUES (1, 1.50), (2, 2.50)",
        "DELETE FROM main.w.t WHERE id = 1",
        "ALTER TABLE main.w.t SET TBLPROPERTIES ('a' = 'b')",
        "CREATE OR REPLACE TABLE main.w.u AS SELECT id, price * 2 AS twice FROM main.w.t",
        "DESCRIBE HISTORY main.w.t",
        "DROP TABLE main.w.t",
        "SELECT sum(usage_quantity) FROM system.billing.usage",
    ):
        status = execute(client, fake, text).status
        assert status is not None
        assert status.state == sql.StatementState.SUCCEEDED, (text, status.error)

    assert [float(row[1]) for row in fake.rows("main.w.u")] == [5.0]
    assert "main.w.t" not in fake.tables
