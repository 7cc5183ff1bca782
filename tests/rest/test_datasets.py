"""Datasets over REST: rows and files come in, statements are answered, batches have outcomes."""

import gzip
from pathlib import Path

import httpx
import pytest

from tests.hosted.serving import HttpServer
from tests.rest.asking import CONNECTOR, NATIVE, ask, ok, problem, store
from tests.rest.conftest import UPLOAD_MB, Speaker

CSV = b"city,sold\nBern,3\nBasel,4\n"
INGEST = f"{NATIVE}/datasets/ingest"


def left_over(server: HttpServer) -> list[Path]:
    return list((server.log.parent / "data" / "temp").glob("upload-*"))


@pytest.mark.slow
def test_an_uploaded_file_becomes_a_dataset(server: HttpServer, speak: Speaker) -> None:
    client = speak("uploads")
    answer = ok(client.post(INGEST, files={"file": ("Sales 2026.csv", CSV)}))
    assert (answer["name"], answer["rows_written"]) == ("default.sales_2026", 2)

    form = {"name": "sales_2026", "mode": "merge", "keys": ["city"], "format": "csv"}
    more = gzip.compress(b"city;sold\nBern;5\nGenf;1\n")
    form["options"] = '{"delimiter": ";"}'
    answer = ok(client.post(INGEST, files={"file": ("more.csv.gz", more)}, data=form))

    assert answer["changes"] == {"rows_inserted": 1, "rows_updated": 1}
    assert ask(client, "SELECT * FROM sales_2026 ORDER BY city") == [
        ["Basel", 4],
        ["Bern", 5],
        ["Genf", 1],
    ]
    assert left_over(server) == []


@pytest.mark.parametrize(
    ("files", "form", "problem_of"),
    [
        ({}, {"name": "x"}, (400, "InvalidArguments")),
        ({"other": ("x.csv", CSV)}, {"name": "x"}, (400, "InvalidArguments")),
        ({"file": ("x.csv", CSV)}, {"mode": "destroy"}, (400, "InvalidArguments")),
        ({"file": ("x.csv", CSV)}, {"unknown": "1"}, (400, "InvalidArguments")),
        ({"file": ("x.csv", CSV)}, {"options": "[1]"}, (400, "InvalidArguments")),
        ({"file": ("x.csv", CSV)}, {"name": ["x", "y"]}, (400, "InvalidArguments")),
        ({"file": ("x.csv", CSV)}, {"mode": "merge"}, (422, "InvalidInput")),
        ({"file": ("x.parquet", CSV)}, {"format": "parquet"}, (422, "InvalidInput")),
        ({"file": ("x.csv", CSV)}, {"mode": "merge", "keys": "city"}, (404, "NotFound")),
        ({"file": ("x.csv", b"x" * (UPLOAD_MB * 2**20))}, {}, (413, "BodyTooLarge")),
    ],
)
def test_a_file_that_cannot_be_taken_leaves_nothing(
    server: HttpServer, speak: Speaker, files: dict, form: dict, problem_of: tuple[int, str]
) -> None:
    client = speak("refused-uploads")
    # Without a file, httpx would not send a multipart form.
    given = files or {"name": (None, "x")}
    problem(client.post(INGEST, files=given, data=form if files else None), *problem_of)

    assert left_over(server) == []
    assert ok(client.get(f"{NATIVE}/datasets"))["total"] == 0


def test_a_broken_form_is_told_as_such(server: HttpServer, speak: Speaker) -> None:
    client = speak("broken")
    bodies = (
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--c\r\nwhat"),
        ("multipart/form-data; boundary=b", b"--b\r\ncontent-disposition: form-data\r\n\r\nx"),
    )
    for kind, body in bodies:
        answer = client.post(INGEST, content=body, headers={"content-type": kind})
        problem(answer, 400, "InvalidArguments")
    assert left_over(server) == []


def test_an_upload_that_breaks_off_leaves_nothing(server: HttpServer, speak: Speaker) -> None:
    def broken():
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'
        yield b"a,b\n" * 1000
        raise ConnectionAbortedError

    client = speak("broken-off")
    headers = {"content-type": "multipart/form-data; boundary=b"}
    with pytest.raises(ConnectionAbortedError):
        client.post(INGEST, content=broken(), headers=headers)

    # The server answers in order, so that what was broken off is over by then.
    while left_over(server):
        assert ok(client.get(f"{NATIVE}/datasets"))["total"] == 0
    assert ok(client.get(f"{NATIVE}/datasets"))["total"] == 0


def test_rows_are_created_updated_read_and_deleted(speak: Speaker) -> None:
    client = speak("rows")
    assert store(client, "people", [{"id": 1, "name": "Ada"}])["version"] == 0
    path = f"{CONNECTOR}/datasets/people"
    more = {"source": [{"id": 2, "name": "Bo"}], "mode": "append"}
    assert ok(client.put(path, json=more))["row_count"] == 2

    described = ok(client.get(path))
    assert (described["row_count"], described["version"]) == (2, 1)
    assert ok(client.get(f"{NATIVE}/datasets", params={"search": "peop"}))["total"] == 1
    told = problem(client.get(f"{NATIVE}/datasets/peeple"), 404, "NotFound")
    assert "Did you mean default.people?" in told["next_step"]
    again = {"name": "people", "source": [{"id": 1, "name": "x"}]}
    problem(client.post(f"{NATIVE}/datasets", json=again), 409, "Conflict")

    assert ok(client.delete(path))["row_count"] == 2
    problem(client.delete(path), 404, "NotFound")


def test_a_long_list_comes_in_pages(speak: Speaker) -> None:
    client = speak("pages")
    names = [f"n{number:02}" for number in range(51)]
    for name in names:
        ok(client.post(f"{NATIVE}/notebooks", json={"name": name, "content": "x = 1"}))
    first = ok(client.get(f"{NATIVE}/notebooks"))
    assert (first["truncated"], first["total"]) == (True, 51)
    rest = ok(client.get(f"{NATIVE}/notebooks", params={"cursor": first["cursor"]}))
    assert [each["name"] for each in [*first["assets"], *rest["assets"]]] == names


def test_statements_are_answered_page_by_page(speak: Speaker) -> None:
    client = speak("statements")
    store(client, "t", [{"n": number} for number in range(5)])
    path = f"{NATIVE}/datasets/query"
    statement = {"sql": "SELECT n FROM t WHERE n >= :least ORDER BY n", "parameters": {"least": 1}}
    page = ok(client.post(path, json=statement | {"max_rows": 3}))
    assert (page["rows"], page["truncated"]) == ([[1], [2], [3]], True)
    assert ok(client.post(path, json={"cursor": page["cursor"]}))["rows"] == [[4]]

    problem(client.post(path, json={"sql": "DROP TABLE t"}), 422, "SqlRefused")
    problem(client.post(path, json={"sql": "SELECT cast('x' AS int) FROM t"}), 422, "SqlFailed")
    problem(client.post(path, json={"sql": "SELECT * FROM nope"}), 404, "NotFound")


def test_each_item_of_a_batch_has_an_outcome_of_its_own(speak: Speaker) -> None:
    client = speak("batches")
    for name in ("a", "b"):
        store(client, name, [{"n": 1}])
    names = {"names": ["a", "nope", "b", "a.b.c.d"]}
    got = ok(client.post(f"{NATIVE}/datasets/batch/get", json=names))
    assert [each["status"] for each in got["items"]] == [200, 404, 200, 422]
    assert got["failed"] == 2
    assert got["items"][0]["result"]["name"] == "default.a"
    alone = problem(client.get(f"{NATIVE}/datasets/nope"), 404, "NotFound")
    assert got["items"][1]["problem"] == alone

    deleted = ok(client.post(f"{CONNECTOR}/datasets/batch/delete", json=names))
    assert [each["status"] for each in deleted["items"]] == [200, 404, 200, 422]
    assert ok(client.get(f"{NATIVE}/datasets"))["total"] == 0
    too_many = {"names": ["x"] * 101}
    answer = client.post(f"{NATIVE}/datasets/batch/get", json=too_many)
    problem(answer, 400, "InvalidArguments")


def test_a_query_stops_when_nobody_waits_for_it(speak: Speaker) -> None:
    """The server of these tests has one worker: the second query would wait for the first's end."""
    client = speak("gone")
    store(client, "numbers", [{"n": number} for number in range(1000)])
    sql = "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n > c.n"
    with pytest.raises(httpx.ReadTimeout):
        client.post(f"{NATIVE}/datasets/query", json={"sql": sql}, timeout=0.5)

    client.timeout = 15
    assert ask(client, "SELECT count(*) FROM numbers") == [[1000]]
