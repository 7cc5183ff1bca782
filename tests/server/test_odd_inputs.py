"""Names, paths and values that nobody should send, and what a model then reads."""

from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, failure

REJECTING = "a,b\n" + "1,2\n" * 1_000 + "broken,line,with,too,many,fields\n" + "1,2\n" * 1_000
UNREADABLE = {
    "x" * 5_000: "cannot be followed",
    "x" * 300 + ".csv": "cannot be followed",
    "a/" * 2_500: "cannot be followed",
    "~nobody-is-called-this/x.csv": "cannot be followed",
    "https://localhost/a.csv": "is not the name of a host with public addresses",
    "s3://bucket/a.csv": "Download the file first",
    "s3://bucket/key.parquet": "Download the file first",
    "*.csv": "no file",
    "empty.csv": "is empty",
    "folder": "one file at a time",
    "empty.csv/x": "no file",
    "../data/metadata.db": "outside",
}
UNREACHABLE = {
    "TIMESTAMP AS OF '1999-01-01'": "newest versions are 0",
    "TIMESTAMP AS OF '0001-01-01 00:00:00+14:00'": "not a timestamp",
    "TIMESTAMP AS OF '9999-12-31 23:59:59-14:00'": "not a timestamp",
    "TIMESTAMP AS OF 'yesterday'": "TIMESTAMP AS OF",
    "VERSION AS OF 7": "no version 7",
    "VERSION AS OF 99999999999999999999": "no version 9999",
}
AMBIGUOUS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "same key: k=1 (2 times)": ([{"k": 1, "v": "x"}, {"k": 1, "v": "y"}], ["k"]),
    "no value in a key column": ([{"k": None, "v": "x"}, {"k": 3, "v": "y"}], ["k"]),
    "not a column of the new rows": ([{"v": "x"}], ["k"]),
    "bigint in the dataset but string": ([{"k": "abc"}], ["k"]),
    "Give `keys`": ([{"k": 1}], []),
}


@pytest.mark.slow
async def test_a_name_may_be_a_keyword_or_long_or_in_upper_case(client: Client) -> None:
    for name in ("order", "select.from", "`group`.`by`", "UPPER", "a" * 128):
        written = await call(client, "ingest_dataset", source=[{"a": 1}], name=name)

        schema, table = written["name"].split(".")
        assert written["name"] == written["name"].lower()
        assert await ask(client, f"SELECT a FROM `{schema}`.`{table}`") == [[1]]
        assert (await call(client, "describe_asset", name=name))["sample"] == [[1]]


async def test_a_name_that_no_table_can_have_is_refused(client: Client) -> None:
    for name in ("", " ", "a-b", "1a", "naïve", "b" * 129, "a`b", "a\nb", "a.b.c.d", ".a", "a;b"):
        message = await failure(client, "ingest_dataset", source=[{"a": 1}], name=name)

        assert "cannot name a dataset" in message
        assert "schema.table" in message


@pytest.mark.slow
async def test_a_file_is_read_whatever_it_is_called(client: Client, files: Path) -> None:
    (files / "a_b_x.csv").write_text("a\n2\n")
    for file in (
        "a*[b]?.csv",
        "two words.csv",
        'it\'s "so".csv',
        "end.csv\n",
        "${x}.csv",
        "ü%20.csv",
    ):
        (files / file).write_text("a\n1\n")

        await call(client, "ingest_dataset", source=file, name="t", mode="overwrite")

        assert await ask(client, "SELECT a FROM t") == [[1]], file


async def test_a_source_that_cannot_be_read_says_why(client: Client, files: Path) -> None:
    (files / "empty.csv").write_bytes(b"")
    (files / "folder").mkdir()

    for source, words in UNREADABLE.items():
        message = await failure(client, "ingest_dataset", source=source, name="t")
        assert words in message, source[:100]
    assert (await call(client, "list_assets"))["total"] == 0


async def test_the_servers_own_files_are_not_a_source(files: Path, zygote: Zygote) -> None:
    settings = Settings(data_dir=files / "lake", allowed_roots=(files,))
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
        [parquet] = await to_thread.run_sync(lambda: list(files.rglob("*.parquet")))

        message = await failure(client, "ingest_dataset", source=str(parquet), name="copy")

    assert "own data" in message


async def test_a_time_that_cannot_be_travelled_to_says_which_can(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")

    for as_of, words in UNREACHABLE.items():
        assert words in await failure(client, "query_dataset", sql=f"SELECT * FROM t {as_of}")


async def test_what_rows_cannot_be_is_refused_or_kept_as_text(client: Client) -> None:
    for source in ([], [{}], [{}, {}]):
        message = await failure(client, "ingest_dataset", source=source, name="t")
        assert "at least one row" in message
    rows = [{"a": 1, "n": {"x": [1, {"y": None}]}}, {"b": 2**64, "n": {"z": "q"}}, {"c": "NaN"}]
    await call(client, "ingest_dataset", source=rows, name="t")

    assert await ask(client, "SELECT a, b, c, n.z FROM t ORDER BY a NULLS LAST, c") == [
        [1, None, None, None],
        [None, str(2**64), None, "q"],
        [None, None, "NaN", None],
    ]


@pytest.mark.slow
async def test_a_cell_of_five_megabytes_survives(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"a": "x" * 5_000_000}], name="t")

    assert await ask(client, "SELECT length(a) FROM t") == [[5_000_000]]
    assert (await call(client, "describe_asset", name="t"))["row_count"] == 1


async def test_a_merge_that_is_ambiguous_changes_nothing(client: Client) -> None:
    await call(client, "ingest_dataset", source=[{"k": 1, "v": "a"}], name="t")

    for words, (rows, keys) in AMBIGUOUS.items():
        merge = {"source": rows, "name": "t", "mode": "merge", "keys": keys}
        assert words in await failure(client, "ingest_dataset", **merge)
    assert await ask(client, "SELECT k, v FROM t") == [[1, "a"]]


async def test_the_dataset_of_rejected_rows_is_nobodys_to_write(
    client: Client, files: Path
) -> None:
    (files / "d.csv").write_text(REJECTING)

    message = await failure(client, "ingest_dataset", source=[{"line": "x"}], name="d__rejects")
    done = await call(client, "ingest_dataset", source="d.csv", name="d" * 128)

    assert "another name" in message
    assert done["rejected_rows"] == 1
    kept = done["rejects_dataset"]
    assert (await call(client, "describe_asset", name=kept))["row_count"] == 1
    assert await ask(client, f"SELECT count(*) FROM {kept}") == [[1]]


async def test_an_idempotency_key_that_cannot_be_kept_is_refused(client: Client) -> None:
    for key in ("", "x" * 201, "a\0b", 5, ["a"]):
        write = {"source": [{"a": 1}], "name": "t", "options": {"idempotency_key": key}}

        assert "printable characters" in await failure(client, "ingest_dataset", **write)


async def test_creating_again_with_the_same_key_answers_as_before(client: Client) -> None:
    again = {"source": [{"a": 1}], "name": "t", "options": {"idempotency_key": "first"}}

    first = await call(client, "ingest_dataset", **again)
    second = await call(client, "ingest_dataset", **again)

    assert (second["version"], second["row_count"]) == (first["version"], 1)
    assert "applied before" in second["warnings"][0]
