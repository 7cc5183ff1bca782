"""What a model reads when something fails: what, why, and what to do next."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, failure


async def test_an_unknown_table_names_the_nearest(client: Client) -> None:
    for name in ("sales.orders", "sales.order_lines", "weather"):
        await call(client, "ingest_dataset", source=[{"a": 1}], name=name)

    message = await failure(client, "query_dataset", sql="SELECT * FROM sales.ordres")

    assert "No dataset is named 'sales.ordres'" in message
    assert "sales.orders" in message
    assert "list_assets" in message


async def test_an_unknown_column_lists_the_columns(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"city": "x", "size": 1}], name="t")

    message = await failure(client, "query_dataset", sql="SELECT town FROM t")

    assert "town" in message
    assert "city" in message
    assert "size" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DROP TABLE t", ("DROP", "ingest_dataset")),
        ("SELECT 1; SELECT 2", ("one statement",)),
        ("SELECT * FROM read_csv('x')", ("read_csv",)),
        ("SELECT frobnicate(1)", ("frobnicate",)),
        ("SELEC 1", ()),
        ("SELECT * FROM other.s.t", ("catalog", "main")),
        ("SELECT 1 / 0", ("DIVIDE_BY_ZERO",)),
        ("SELECT cast('x' AS int)", ("CAST_INVALID_INPUT",)),
    ],
)
async def test_a_statement_that_cannot_be_answered_says_why(
    client: Client, sql: str, words: tuple[str, ...]
) -> None:
    message = await failure(client, "query_dataset", sql=sql)

    assert [word for word in words if word not in message] == []
    assert message.endswith((".", "?"))


async def test_wrong_arguments_are_named_without_their_values(client: Client) -> None:
    message = await failure(client, "query_dataset", sql=["secret"], max_rows=5_000)

    assert "`sql`" in message
    assert "`max_rows`" in message
    assert "secret" not in message
    assert "Correct them and call again." in message


async def test_an_existing_dataset_is_not_replaced_by_accident(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")

    assert "overwrite" in await failure(client, "ingest_dataset", source=[{"a": 2}], name="t")
    assert await ask(client, "SELECT a FROM t") == [[1]]


async def test_foreign_unknown_and_expired_cursors_look_the_same(client: Client, app: App) -> None:
    rows = [{"a": n} for n in range(20)]
    await call(client, "ingest_dataset", source=rows, name="t")
    page = await call(client, "query_dataset", sql="SELECT * FROM t", max_rows=5)

    unknown = await failure(client, "query_dataset", cursor="AAAAAAAAAAAAAAAA:5")
    other = replace(app.caller(), subject="somebody")
    async with Client(LakeServer(app.services, lambda: other), raise_exceptions=True) as stranger:
        foreign = await failure(stranger, "query_dataset", cursor=page["cursor"])

    assert unknown == foreign
    assert "Run the query again" in foreign


async def test_a_cursor_cannot_name_another_file(client: Client) -> None:
    for cursor in ("../../x:0", "a/b:0", "x", ":", "x:-1", "x:1:2"):
        assert await failure(client, "query_dataset", cursor=cursor)


async def test_a_bug_stays_hidden_from_the_model(app: App) -> None:
    class Broken:
        async def ask(self, *_: object) -> None:
            raise ZeroDivisionError("secret detail")

    services = replace(app.services, queries=Broken())
    async with Client(LakeServer(services, app.caller)) as client:
        message = await failure(client, "query_dataset", sql="SELECT 1")

    assert message == "Error executing tool query_dataset"


async def test_files_outside_the_allowed_folders_cannot_be_read(
    client: Client, files: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    (files / "link.csv").symlink_to(secret)
    (files / "folder").symlink_to(tmp_path)
    (files / ".hidden").mkdir()
    (files / ".hidden" / "x.csv").write_text("a\n1\n")
    os.mkfifo(files / "pipe.csv")

    attempts = [
        str(secret),
        f"{files}/../secret.csv",
        "../secret.csv",
        str(files / "link.csv"),
        str(files / "folder" / "secret.csv"),
        f"file://{secret}",
        "/etc/passwd",
        "~/x.csv",
        str(files / ".hidden" / "x.csv"),
    ]
    for attempt in attempts:
        message = await failure(client, "ingest_dataset", source=attempt, name="t")
        assert "outside" in message or "hidden" in message, attempt
    for attempt in (str(files), str(files / "pipe.csv"), "a\0b", " "):
        assert await failure(client, "ingest_dataset", source=attempt, name="t")
    missing = await failure(client, "ingest_dataset", source=str(files / "nope.csv"), name="t")
    assert "link.csv" in missing


async def test_a_read_only_server_offers_nothing_that_writes(app: App) -> None:
    async with Client(LakeServer(app.services, app.caller, read_only=True)) as client:
        tools = (await client.list_tools()).tools

    assert [tool.name for tool in tools] == [
        "list_assets",
        "describe_asset",
        "query_dataset",
        "get_run",
        "search_vectors",
        "sync_status",
        "tenant_usage",
    ]
