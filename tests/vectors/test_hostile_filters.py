"""Whatever is sent as a filter finds the right documents or is refused in words, and harms nobody.

`FILTERS=10000 pytest tests/vectors/test_hostile_filters.py` tries as many as that.
"""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import TextContent

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, unmarked
from tests.vectors.filters import DOCUMENTS, Filter, bomb, hostile, meant

FILTERS = int(os.environ.get("FILTERS", "300"))
SECRET = "canary-4711"
ANSWERED_S = 12.0
"""The time-out of a query, and room for the restart of a child that was killed."""
pytestmark = pytest.mark.timeout(120 + FILTERS // 2)


@pytest.fixture
def settings(tmp_path: Path, files: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        allowed_roots=(files,),
        query_timeout_s=2,
        query_memory_mb=128,
    )


@pytest.fixture
async def indexed(app: App, client: Client) -> Client:
    """An index, a dataset of the same tenant, and an index of another tenant's."""
    await call(client, "index_documents", index="help", source=DOCUMENTS)
    await call(client, "ingest_dataset", source=[{"id": "a", "text": SECRET}], name="other")
    stranger = replace(app.caller(), tenant="stranger", subject="stranger", catalog="stranger")
    async with Client(LakeServer(app.services, lambda: stranger)) as other:
        await call(other, "index_documents", index="secret", source=[{"id": "a", "text": SECRET}])
    return client


async def outcome(client: Client, filters: Filter) -> set[str] | str:
    """The ids that were found, or what was said instead; in time, and without the secret."""
    given: dict[str, Any] = {"index": "help", "query": "text", "filters": filters}
    with anyio.fail_after(ANSWERED_S):
        result = await client.call_tool(
            "search_vectors", {**given, "mode": "semantic", "max_results": 100}
        )
    [content] = result.content
    assert isinstance(content, TextContent)
    assert SECRET not in content.text, filters
    if result.is_error:
        assert "Error executing tool" not in content.text, filters
        assert len(content.text) < 2_000, content.text[:3_000]
        return unmarked(content.text)
    assert result.structured_content is not None
    return {hit["id"] for hit in result.structured_content["hits"]}


@pytest.mark.slow
async def test_filters_are_answered_rightly_or_refused(indexed: Client, files: Path) -> None:
    chance = Random(6)
    ids = {row["id"] for row in DOCUMENTS}
    seen: Counter[str] = Counter()
    for number in range(FILTERS):
        kind = chance.choices(["meant", "hostile", "bomb"], [40, 59, 1])[0]
        if kind == "meant":
            filters, expected = meant(chance)
            assert await outcome(indexed, filters) == expected, filters
        else:
            filters = hostile(chance) if kind == "hostile" else bomb(chance)
            found = await outcome(indexed, filters)
            kind += " refused" if isinstance(found, str) else " answered"
            assert isinstance(found, str) or found <= ids, filters
        seen[kind] += 1
        if number % 100 == 0:
            assert await outcome(indexed, "n = 3") == {"c"}
    assert seen["meant"] > FILTERS // 4
    assert seen["hostile refused"] > FILTERS // 4
    assert await ask(indexed, "SELECT count(*), max(id) FROM help") == [[len(DOCUMENTS), "h"]]
    assert (await call(indexed, "describe_asset", kind="index", name="help"))["version"] == 0
    assert [each async for each in anyio.Path(files).iterdir()] == []


async def test_a_filter_that_leaves_too_much_is_refused_rather_than_cut(
    settings: Settings,
    zygote: Zygote,
) -> None:
    few = settings.model_copy(update={"query_rows_max": 3})
    async with (
        open_app(few, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        await call(client, "index_documents", index="help", source=DOCUMENTS)
        assert await outcome(client, "n < 2") == {"a", "f", "h"}
        assert "leaves more than 3 documents" in str(await outcome(client, "n < 3"))
        assert len(await outcome(client, "")) == len(DOCUMENTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "filters",
    [
        "n > 1) OR (TRUE",
        "n > 1) UNION SELECT id FROM help WHERE (TRUE",
        "r'\\') OR (r'\\' = ''",
        "n = 1 -- and more",
        "array(TRUE]",
        "tag = 'red",
        "(n = 1",
    ],
)
async def test_a_filter_is_one_condition(indexed: Client, filters: str) -> None:
    said = str(await outcome(indexed, filters))
    assert "whose quotes and brackets are closed" in said or "does not close" in said


async def test_what_looks_like_an_end_inside_of_a_text_is_none(indexed: Client) -> None:
    same = "tag IN ('red', ')', '--', '/*', ';', '\\'', \"'\", r'\\') AND `id` = 'a'"
    assert await outcome(indexed, same) == {"a"}


@pytest.mark.slow
async def test_a_filter_reads_the_documents_of_its_index_only(indexed: Client) -> None:
    for filters in ("cast((SELECT max(text) FROM other) AS INT) = 1", "id IN (TABLE other)"):
        assert "This reads default.other. Only default.help" in str(await outcome(indexed, filters))
    assert await outcome(indexed, "n = (SELECT max(n) FROM help)") == {"g"}
