"""Documents are found by meaning, by words and by both, in the newest version, past any filter."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow

DOCUMENTS = [
    {"id": name, "text": text, "lang": lang, "n": n}
    for n, (name, lang, text) in enumerate(
        [
            ("pw", "en", "To reset a forgotten password, open the account page."),
            ("bill", "en", "Invoices are sent on the first day of every month."),
            ("rain", "en", "Heavy rain is expected in the north tomorrow."),
            ("cat", "de", "The cat sleeps on the sofa all day long."),
            ("E42", "de", "Error E42 means that the disk of the printer is full."),
        ],
        1,
    )
]


@pytest.fixture
async def indexed(client: Client) -> Client:
    await call(client, "index_documents", index="help", source=DOCUMENTS)
    return client


async def found(client: Client, query: str, **more: Any) -> list[str]:
    answer = await call(client, "search_vectors", index="help", query=query, **more)
    return [hit["id"] for hit in answer["hits"]]


async def test_a_paraphrase_is_found_by_meaning_and_a_code_by_words(indexed: Client) -> None:
    question = "I cannot log in because I do not remember my credentials"
    assert (await found(indexed, question, mode="semantic"))[0] == "pw"
    assert await found(indexed, "credentials login", mode="keyword") == []
    assert await found(indexed, "E42", mode="keyword") == ["E42"]
    assert (await found(indexed, question))[0] == "pw"
    assert (await found(indexed, "what does E42 mean"))[0] == "E42"


async def test_an_answer_says_how_each_document_was_found(indexed: Client) -> None:
    answer = await call(indexed, "search_vectors", index="help", query="printer disk full")
    best = answer["hits"][0]
    assert best["id"] == "E42"
    assert set(best["scores"]) == {"semantic", "keyword"}
    assert best["columns"] == {"lang": "de", "n": 5}
    assert best["text"] == DOCUMENTS[4]["text"]
    assert answer["model"] == "all-MiniLM-L6-v2-onnx-int8"
    assert answer["version"] == 0


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"lang": "de"}, {"cat", "E42"}),
        ({"lang NOT": "de"}, {"pw", "bill", "rain"}),
        ({"n": [1, 3]}, {"pw", "rain"}),
        ({"n NOT": [1, 3]}, {"bill", "cat", "E42"}),
        ({"n >=": 2, "n <": 4}, {"bill", "rain"}),
        ({"lang OR n": ["de", 1]}, {"pw", "cat", "E42"}),
        ({"text LIKE": "PASSWORD"}, {"pw"}),
        ({"n": []}, set()),
        ({"n NOT": []}, {"pw", "bill", "rain", "cat", "E42"}),
        ({"n >": 99}, set()),
        ("lang = 'en' AND n > 1", {"bill", "rain"}),
    ],
)
async def test_filters_leave_only_what_fits(
    indexed: Client, filters: Any, expected: set[str]
) -> None:
    assert set(await found(indexed, "anything", mode="semantic", filters=filters)) == expected


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"nothing": 1}, "nothing"),
        ({"n ~": 1}, "cannot be understood"),
        ({"n": None}, "cannot be compared"),
        ({"n >": [1]}, "cannot be compared"),
        ({"n OR lang": [1]}, "list of 2 values"),
        ("n >", "syntax"),
        ("n > 1) UNION SELECT id FROM other --", "other"),
        ("1 = 1; DROP TABLE help", ""),
    ],
)
async def test_filters_that_cannot_be_are_refused(
    indexed: Client, filters: Any, words: str
) -> None:
    said = await failure(indexed, "search_vectors", index="help", query="x", filters=filters)
    assert words.lower() in said.lower()
    assert await ask(indexed, "SELECT count(*) FROM help") == [[5]]


async def test_what_is_added_changed_and_deleted_is_seen_at_once(indexed: Client) -> None:
    changed = [{"id": "cat", "text": "Dogs bark at night."}, {"text": "Snow falls in winter."}]
    done = await call(indexed, "index_documents", index="help", source=changed)
    assert (done["documents"], done["passages"], done["version"]) == (2, 6, 1)
    assert (await found(indexed, "a barking dog"))[0] == "cat"
    assert await found(indexed, "sofa", mode="keyword") == []
    made = (await found(indexed, "cold season weather", mode="semantic"))[0]
    assert made not in {each["id"] for each in DOCUMENTS}

    delete = {"task_key": "d", "sql_task": {"statement": "DELETE FROM help WHERE id = 'pw'"}}
    await call(indexed, "create_job", name="clean", tasks=[delete])
    assert (await call(indexed, "run_job", name="clean"))["run"]["state"] == "SUCCESS"
    assert "pw" not in await found(indexed, "forgotten password", max_results=100)


async def test_an_index_is_listed_described_and_deleted(indexed: Client) -> None:
    listed = await call(indexed, "list_assets", kind="index")
    assert [(each["name"], each["row_count"]) for each in listed["assets"]] == [("default.help", 5)]
    described = await call(indexed, "describe_asset", kind="index", name="help")
    assert described["index"] == {
        "model": "all-MiniLM-L6-v2-onnx-int8 (Apache-2.0)",
        "dimension": 384,
        "passages": 5,
        "pending": 0,
        "follows": None,
    }
    assert "Nothing was deleted" in await failure(
        indexed, "delete_asset", kind="index", name="help", confirm="other"
    )
    await call(indexed, "delete_asset", kind="index", name="help", confirm="help")
    assert (await call(indexed, "list_assets", kind="index"))["total"] == 0
    gone = await failure(indexed, "search_vectors", index="help", query="x")
    assert "No index is named 'default.help'" in gone
    await call(indexed, "index_documents", index="help", source=DOCUMENTS[:1])
    assert await found(indexed, "password") == ["pw"]


async def test_what_cannot_be_indexed_or_searched_is_named(indexed: Client) -> None:
    await call(indexed, "ingest_dataset", source=[{"a": 1}], name="plain")
    refused = [
        ({"index": "help", "source": []}, "0 documents"),
        ({"index": "help", "source": [{"text": "a"}, {"id": "x"}]}, "Document 2"),
        ({"index": "help", "source": [{"text": "a", "vector": [1.0]}]}, "vector"),
        ({"index": "new", "source": [{"text": "a", "n": 1}, {"text": "b", "n": "x"}]}, "one type"),
        ({"index": "plain", "source": [{"text": "a"}]}, "is a dataset, and no index"),
    ]
    for given, words in refused:
        assert words in await failure(indexed, "index_documents", **given)
    assert "default.help" in await failure(indexed, "search_vectors", index="halp", query="x")
    assert "empty" in await failure(indexed, "search_vectors", index="help", query=" ")
    many = await failure(indexed, "search_vectors", index="help", query="x", max_results=1000)
    assert "from 1 to 100" in many
    nothing = await call(indexed, "search_vectors", index="help", query="?!", mode="keyword")
    assert nothing["hits"] == []
    assert "other words" in nothing["next"]


async def test_a_dataset_that_was_written_over_is_no_index_any_more(indexed: Client) -> None:
    await call(indexed, "ingest_dataset", source=[{"a": 1}], name="help", mode="overwrite")
    said = await failure(indexed, "search_vectors", index="help", query="x")
    assert "no id, text, vector any more" in said


async def test_rows_that_others_write_get_their_vectors_at_the_next_search(
    indexed: Client,
) -> None:
    row = {"id": "plain", "text": "Only words describe the aardvark.", "lang": "en", "n": 9}
    await call(indexed, "ingest_dataset", source=[row], name="help", mode="append")
    assert (await found(indexed, "an African animal", mode="semantic"))[0] == "plain"
    assert await ask(indexed, "SELECT size(vector) FROM help WHERE id = 'plain'") == [[384]]


async def test_columns_of_any_type_are_shown(indexed: Client) -> None:
    statement = (
        "CREATE TABLE odd AS SELECT id, text, vector, DATE '2026-01-31' AS day, "
        "CAST(1.5 AS DECIMAL(4, 2)) AS price, double('NaN') AS nothing, "
        "array(named_struct('at', DATE '2026-02-01')) AS parts FROM help"
    )
    make = {"task_key": "m", "sql_task": {"statement": statement}}
    back = {
        "task_key": "b",
        "depends_on": ["m"],
        "sql_task": {"statement": "CREATE OR REPLACE TABLE help AS SELECT * FROM odd"},
    }
    await call(indexed, "create_job", name="odd", tasks=[make, back])
    assert (await call(indexed, "run_job", name="odd"))["run"]["state"] == "SUCCESS"
    answer = await call(indexed, "search_vectors", index="help", query="forgotten password")
    assert answer["hits"][0]["columns"] == {
        "day": "2026-01-31",
        "price": "1.50",
        "parts": [{"at": "2026-02-01"}],
        "nothing": "nan",
    }


async def test_of_a_long_text_is_shown_what_is_around_the_words_that_were_found(
    indexed: Client,
) -> None:
    text = "Nothing is said here. " * 30 + "A zebra crosses the road. " + "Nor is there. " * 20
    row = {"id": "l", "text": text, "lang": "en", "n": 9}
    await call(indexed, "ingest_dataset", source=[row], name="help", mode="append")
    answer = await call(indexed, "search_vectors", index="help", query="zebras", mode="keyword")
    [hit] = answer["hits"]
    assert "A zebra crosses the road." in hit["text"]
    assert "A **zebra** crosses the road." in hit["passage"]
    assert len(hit["text"]) <= 802
    assert hit["text_chars"] == len(text)


async def test_an_answer_is_never_longer_than_a_model_can_read(indexed: Client) -> None:
    rows = [
        {"id": f"r{n}", "text": f"Zebra {n}. " + "word " * 180, "lang": "x" * 500, "n": n}
        for n in range(100)
    ]
    await call(indexed, "index_documents", index="help", source=rows)
    asked = {"index": "help", "query": "zebra", "mode": "keyword", "max_results": 100}
    answer = await call(indexed, "search_vectors", **asked)
    assert answer["truncated"] is True
    assert f"{100 - len(answer['hits'])} more" in answer["next"]
    assert len(json.dumps(answer["hits"])) < 20_000
    fewer = await call(indexed, "search_vectors", **asked, columns=["n"])
    assert len(fewer["hits"]) > len(answer["hits"])
    assert all(set(hit["columns"]) == {"n"} for hit in fewer["hits"])


async def test_hits_below_a_score_are_left_out(indexed: Client) -> None:
    asked = {"index": "help", "query": "forgotten password", "mode": "semantic"}
    every = await call(indexed, "search_vectors", **asked)
    assert every["score"] == "cosine, at most 1"
    limit = every["hits"][0]["score"] - 0.01
    few = await call(indexed, "search_vectors", **asked, score_threshold=limit)
    assert [hit["id"] for hit in few["hits"]] == ["pw"]
    none = await call(indexed, "search_vectors", **asked, score_threshold=1.0)
    assert none["hits"] == []
    assert "score_threshold" in none["next"]


async def test_an_index_outlives_its_server_and_the_files_made_of_it(
    settings: Settings, tmp_path: Path
) -> None:
    async with served(settings) as (app, client):
        await call(client, "index_documents", index="help", source=DOCUMENTS)
        assert (await found(client, "forgotten password"))[0] == "pw"
        del app
    for made in settings.data_dir.glob("tenants/*/indexes/*/*/words/*"):
        made.unlink()
    for folder in settings.data_dir.glob("tenants/*/indexes/*/0"):
        for each in sorted(folder.rglob("*"), reverse=True):
            each.rmdir() if each.is_dir() else each.unlink()
        folder.rmdir()
    async with served(settings) as (_, client):
        assert (await found(client, "forgotten password"))[0] == "pw"


class served:  # noqa: N801 - it reads like a verb
    """A server in memory, opened and closed once more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __aenter__(self) -> tuple[App, Client]:
        self._opening = open_app(self._settings)
        app = await self._opening.__aenter__()
        self._client = Client(LakeServer(app.services, app.caller), raise_exceptions=True)
        return app, await self._client.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(None, None, None)
        await self._opening.__aexit__(None, None, None)
