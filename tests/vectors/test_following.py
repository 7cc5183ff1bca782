"""An index over a column of a dataset has what the dataset has, version by version."""

from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow

REVIEWS = [
    {"key": n, "body": body, "stars": stars, "place": {"city": "Rome"}}
    for n, (body, stars) in enumerate(
        [
            ("The soup was cold and the waiter rude.", 1),
            ("Wonderful pasta, we will come again.", 5),
            ("The room had a view of the sea.", 4),
            (None, 3),
        ],
        1,
    )
]
SOURCE = {"dataset": "reviews", "text": "body", "id": "key"}


async def found(client: Client, query: str, **more: Any) -> list[str]:
    answer = await call(client, "search_vectors", index="opinions", query=query, **more)
    assert answer["follows"]["version"] == answer["follows"]["indexed_version"]
    return [hit["id"] for hit in answer["hits"]]


async def prepared(client: Client) -> dict[str, Any]:
    await call(client, "ingest_dataset", source=REVIEWS, name="reviews")
    return await call(client, "index_documents", index="opinions", source=SOURCE)


async def test_a_column_is_indexed_with_the_columns_beside_it(client: Client) -> None:
    done = await prepared(client)
    assert (done["documents"], done["follows"]["remaining_rows"]) == (3, 0)
    assert done["follows"]["dataset"] == "default.reviews"
    assert (await found(client, "bad service at the restaurant", mode="semantic"))[0] == "1"
    assert await found(client, "sea", mode="keyword", filters={"stars >": 3}) == ["3"]
    answer = await call(client, "search_vectors", index="opinions", query="pasta", mode="keyword")
    assert answer["hits"][0]["columns"] == {"stars": 5, "document_id": "2", "chunk": 1}
    described = await call(client, "describe_asset", kind="index", name="opinions")
    assert described["index"]["follows"]["indexed_version"] == 0


async def test_new_changed_and_deleted_rows_are_seen_by_the_next_search(client: Client) -> None:
    await prepared(client)
    changed = [
        {"key": 1, "body": "They apologised, all is fine.", "stars": 4, "place": {"city": "Rome"}},
        {"key": 5, "body": "A parrot sang all night.", "stars": 2, "place": {"city": "Oslo"}},
    ]
    await call(client, "ingest_dataset", source=changed, name="reviews", mode="merge", keys=["key"])
    assert await found(client, "soup", mode="keyword") == []
    assert await found(client, "parrot", mode="keyword") == ["5"]
    before = await ask(client, "SELECT id, fingerprint FROM opinions ORDER BY id")
    delete = {"task_key": "d", "sql_task": {"statement": "DELETE FROM reviews WHERE key = 2"}}
    await call(client, "create_job", name="clean", tasks=[delete])
    assert (await call(client, "run_job", name="clean"))["run"]["state"] == "SUCCESS"
    assert await found(client, "pasta", mode="keyword") == []
    after = await ask(client, "SELECT id, fingerprint FROM opinions ORDER BY id")
    assert after == [row for row in before if row[0] != "2"]


async def test_a_dataset_made_anew_under_the_same_name_is_followed(client: Client) -> None:
    await prepared(client)
    await call(client, "delete_asset", kind="dataset", name="reviews", confirm="reviews")
    asked = {"index": "opinions", "query": "pasta", "mode": "keyword"}
    gone = await call(client, "search_vectors", **asked)
    assert [hit["id"] for hit in gone["hits"]] == ["2"]
    assert "is gone" in gone["follows"]["error"]
    await call(client, "ingest_dataset", source=REVIEWS[:1], name="reviews")
    assert await found(client, "pasta", mode="keyword") == []
    assert await found(client, "soup", mode="keyword") == ["1"]


async def test_many_rows_are_found_by_words_first_and_embedded_to_the_end(
    client: Client, files: Path
) -> None:
    path = files / "many.csv"
    lines = [f"{n},Text {n} of many." for n in range(2_500)]
    path.write_text("\n".join(["id,text", *lines]), encoding="utf-8")
    await call(client, "ingest_dataset", source=str(path), name="many")
    done = await call(client, "index_documents", index="opinions", source={"dataset": "many"})
    assert (done["documents"], done["follows"]["remaining_rows"]) == (2500, 0)
    words = await found(client, "1234", mode="keyword")
    assert words == ["1234"]
    while done.get("pending"):
        done = (await call(client, "describe_asset", kind="index", name="opinions"))["index"]
    sql = "SELECT count(*), count(DISTINCT id), count(vector) FROM opinions"
    assert await ask(client, sql) == [[2500, 2500, 2500]]


async def test_what_cannot_be_followed_is_named(client: Client) -> None:
    await prepared(client)
    await call(client, "ingest_dataset", source=[{"id": 1, "text": "a"}] * 2, name="twice")
    refused = [
        ({"dataset": "absent"}, "absent"),
        ({"dataset": "reviews", "text": "bodi", "id": "key"}, "key, body, stars, place"),
        ({"dataset": "reviews", "text": "body"}, "no column 'id'"),
        ({"dataset": "twice"}, "1 stands for several"),
        ({"dataset": "reviews", "column": "body"}, "cannot be understood"),
        ({**SOURCE, "columns": "stars"}, "no list of names"),
    ]
    for source, words in refused:
        said = await failure(client, "index_documents", index="new", source=source)
        assert words in said, said
    follows = "follows the dataset default.reviews"
    for given in ({"source": [{"text": "a"}]}, {"delete": ["1"]}):
        assert follows in await failure(client, "index_documents", index="opinions", **given)
    other = await failure(
        client, "index_documents", index="opinions", source={**SOURCE, "columns": []}
    )
    assert "in another way" in other
    assert (await call(client, "list_assets", kind="index"))["total"] == 1
