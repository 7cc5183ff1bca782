"""The main job: bring data in, look at it, ask, travel in time, delete."""

import json
from pathlib import Path

import pytest
from mcp.client import Client
from mcp_types import ResourceTemplateReference, TextContent, TextResourceContents

from tests.server.asking import ask, call, failure, unmarked

ORDERS = (
    "id,customer,amount,day\n1,Ada,10.50,2024-01-15\n2,Bob,20.00,2024-02-29\n3,Ada,,2024-03-01\n"
)


async def test_a_file_becomes_a_dataset_that_answers_questions(client: Client, files: Path) -> None:
    (files / "orders.csv").write_text(ORDERS)

    report = await call(client, "ingest_dataset", source=str(files / "orders.csv"))

    assert report["name"] == "default.orders"
    assert (report["rows_written"], report["row_count"], report["rejected_rows"]) == (3, 3, 0)
    assert {c["name"]: c["type"] for c in report["columns"]}["day"] == "date"
    assert all(column["how"] for column in report["columns"])
    answer = await call(
        client,
        "query_dataset",
        sql="SELECT customer, count(*) AS n FROM orders GROUP BY ALL ORDER BY n DESC",
    )
    assert answer["columns"] == [
        {"name": "customer", "type": "string"},
        {"name": "n", "type": "bigint"},
    ]
    assert answer["rows"] == [["Ada", 2], ["Bob", 1]]
    assert (answer["ran_on"], answer["row_count"], answer["truncated"]) == ("local", 2, False)
    assert answer["tables"][0]["table"] == "default.orders"


async def test_rows_may_come_with_the_call(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1, "b": "x"}, {"a": 2}], name="s.t")

    assert await ask(client, "SELECT a, b FROM main.s.t ORDER BY a") == [[1, "x"], [2, None]]
    assert await ask(client, "SELECT b FROM S.T WHERE a = :a", parameters={"a": 1}) == [["x"]]


@pytest.mark.slow
async def test_every_way_of_writing_makes_a_version_that_can_be_read_again(client: Client) -> None:
    async def write(mode: str, rows: list[dict], **more: object) -> dict:
        return await call(client, "ingest_dataset", source=rows, name="t", mode=mode, **more)

    versions = [
        (await write("create", [{"k": 1, "v": "a"}]))["version"],
        (await write("append", [{"k": 2, "v": "b"}]))["version"],
        (await write("merge", [{"k": 2, "v": "B"}, {"k": 3, "v": "C"}], keys=["k"]))["version"],
        (await write("append", [{"k": 4, "v": "d", "extra": True}]))["version"],
        (await write("overwrite", [{"z": 0}]))["version"],
    ]

    seen = [
        await ask(client, f"SELECT * FROM t VERSION AS OF {version} ORDER BY 1")
        for version in versions
    ]
    assert seen == [
        [[1, "a"]],
        [[1, "a"], [2, "b"]],
        [[1, "a"], [2, "B"], [3, "C"]],
        [[1, "a", None], [2, "B", None], [3, "C", None], [4, "d", True]],
        [[0]],
    ]
    described = await call(client, "describe_asset", name="t")
    operations = [version["operation"] for version in described["versions"]]
    assert operations == ["overwrite", "append", "merge", "append", "create"]
    as_of = described["versions"][2]["at"]
    assert await ask(client, f"SELECT count(*) FROM t TIMESTAMP AS OF '{as_of}'") == [[3]]


async def test_a_long_result_comes_in_pages_and_says_so(client: Client) -> None:
    rows = [{"n": n, "text": f"row number {n}"} for n in range(250)]
    await call(client, "ingest_dataset", source=rows, name="t")

    page = await call(client, "query_dataset", sql="SELECT * FROM t ORDER BY n", max_rows=100)
    seen = [row[0] for row in page["rows"]]
    assert page["truncated"]
    assert page["row_count"] == 250
    while page["truncated"]:
        page = await call(client, "query_dataset", cursor=page["cursor"], max_rows=100)
        seen += [row[0] for row in page["rows"]]

    assert seen == list(range(250))
    assert "cursor" not in page


async def test_the_text_of_an_answer_is_its_structured_content(client: Client) -> None:
    result = await client.call_tool("query_dataset", {"sql": "SELECT 1 AS x"})

    [text] = result.content
    assert isinstance(text, TextContent)
    assert json.loads(unmarked(text.text)) == result.structured_content
    assert "\n" not in text.text


async def test_rows_that_do_not_fit_are_kept_and_reported(client: Client, files: Path) -> None:
    lines = [f"{n},{n * 2}" for n in range(2_000)]
    lines[1_000] = "broken,line,with,too,many,fields"
    (files / "dirty.csv").write_text("a,b\n" + "\n".join(lines) + "\n")

    report = await call(client, "ingest_dataset", source=str(files / "dirty.csv"), name="t")

    assert (report["rows_written"], report["rejected_rows"]) == (1_999, 1)
    assert report["rejects_dataset"] == "default.t__rejects"
    assert report["rejected_first"][0]["line"] == 1_002
    assert "broken" in report["rejected_first"][0]["raw"]
    rejects = await ask(client, "SELECT line, reason, raw FROM t__rejects")
    assert [row[0] for row in rejects] == [1_002]


async def test_a_failed_ingest_leaves_no_trace(client: Client, files: Path, tmp_path: Path) -> None:
    (files / "bad.csv").write_bytes(bytes(range(256)) * 40)

    message = await failure(client, "ingest_dataset", source=str(files / "bad.csv"))

    assert "bad.csv" in message
    assert (await call(client, "list_assets"))["total"] == 0
    tables = tmp_path / "data" / "tenants" / "local" / "tables"
    assert [p for p in tables.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


@pytest.mark.slow
async def test_assets_are_listed_in_pages_and_can_be_searched(client: Client) -> None:
    for n in range(52):
        await call(client, "ingest_dataset", source=[{"a": n}], name=f"s.t{n:02}")

    first = await call(client, "list_assets")
    rest = await call(client, "list_assets", cursor=first["cursor"])
    found = await call(client, "list_assets", search="T17")

    names = [asset["name"] for asset in first["assets"] + rest["assets"]]
    assert names == [f"s.t{n:02}" for n in range(52)]
    assert (first["truncated"], rest["truncated"], first["total"]) == (True, False, 52)
    assert [asset["name"] for asset in found["assets"]] == ["s.t17"]


@pytest.mark.slow
async def test_a_description_shows_what_is_needed_to_write_sql(client: Client) -> None:
    rows = [{"n": n, "city": None if n == 3 else f"city {n}"} for n in range(10)]
    await call(client, "ingest_dataset", source=rows, name="t")

    described = await call(client, "describe_asset", name="main.default.t")

    n, city = described["columns"]
    assert (n["type"], n["nulls"], n["min"], n["max"]) == ("bigint", 0, 0, 9)
    assert (city["type"], city["nulls"]) == ("string", 1)
    assert len(described["sample"]) == 5
    assert described["sync"] == {"state": "waiting"}
    assert described["full_name"] == "main.default.t"


async def test_statements_about_tables_are_answered(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="sales.orders")
    await call(client, "ingest_dataset", source=[{"b": 1}], name="t")

    assert await ask(client, "SHOW SCHEMAS") == [["default"], ["sales"]]
    assert await ask(client, "SHOW TABLES IN sales") == [["sales", "orders", False]]
    assert await ask(client, "DESCRIBE sales.orders") == [["a", "bigint", None]]
    [history] = await ask(client, "DESCRIBE HISTORY t")
    assert history[2:] == ["create", 1, 1]


async def test_deleting_needs_the_name_again(client: Client, tmp_path: Path) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")

    assert "Nothing was deleted" in await failure(client, "delete_asset", name="t")
    assert "Nothing was deleted" in await failure(client, "delete_asset", name="t", confirm="x")
    assert (await call(client, "delete_asset", name="t", confirm="default.t"))["row_count"] == 1

    assert "No dataset is named" in await failure(client, "describe_asset", name="t")
    tables = tmp_path / "data" / "tenants" / "local" / "tables"
    assert list(tables.rglob("*.parquet")) == []
    await call(client, "ingest_dataset", source=[{"a": 2}], name="t")
    assert await ask(client, "SELECT a FROM t") == [[2]]


async def test_the_same_idempotency_key_is_applied_once(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
    more = {"name": "t", "mode": "append", "options": {"idempotency_key": "batch 7"}}

    first = await call(client, "ingest_dataset", source=[{"a": 2}], **more)
    again = await call(client, "ingest_dataset", source=[{"a": 2}], **more)

    assert again["version"] == first["version"]
    assert "applied before" in again["warnings"][0]
    assert await ask(client, "SELECT count(*) FROM t") == [[2]]


async def test_a_dataset_is_a_resource_and_its_name_completes(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="sales.orders")

    [content] = (await client.read_resource("lake://datasets/sales.orders")).contents
    assert isinstance(content, TextResourceContents)
    assert json.loads(unmarked(content.text))["row_count"] == 1
    template = ResourceTemplateReference(uri="lake://datasets/{schema}.{table}")
    schema = await client.complete(template, {"name": "schema", "value": "sa"})
    table = await client.complete(
        template, {"name": "table", "value": "o"}, context_arguments={"schema": "sales"}
    )
    assert (schema.completion.values, table.completion.values) == (["sales"], ["orders"])
