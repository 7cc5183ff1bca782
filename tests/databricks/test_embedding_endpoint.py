"""An endpoint of the workspace makes the vectors of an index, when it is there to do so."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import connected
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.fakes.databricks.serving import Endpoint
from tests.server.asking import ask, call, failure

pytestmark = pytest.mark.slow

NAME = "databricks-gte-large-en"
AWAY = Fault(path=f"/serving-endpoints/{NAME}/invocations", status=503, times=10_000)
ROWS = [{"id": "sea", "text": "whale"}, {"id": "work", "text": "desk"}]


def embedded(body: dict[str, Any]) -> dict[str, Any]:
    """What the model answers, in another order than it was asked."""
    subjects = {"whale": [3.0, 0.1], "ocean": [2.0, 0.0], "desk": [0.1, 1.0]}
    found = [
        {"index": at, "embedding": subjects.get(text, [1.0, 1.0]), "object": "embedding"}
        for at, text in enumerate(body["input"])
    ]
    return {"object": "list", "data": found[::-1], "usage": {"total_tokens": 3}}


@pytest.fixture
async def app(
    workspace: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> AsyncIterator[App]:
    served = {"served_entities": [{"name": "gte", "entity_name": "system.ai.gte"}]}
    workspace.serving.all[NAME] = Endpoint(NAME, served, [])
    workspace.serving.models[NAME] = embedded
    settings = connected(workspace, tmp_path / "data", files)
    with_endpoint = settings.model_copy(update={"databricks_embedding_endpoint": NAME})
    async with open_app(with_endpoint, zygote=zygote) as app:
        yield app


@pytest.fixture
async def client(app: App) -> AsyncIterator[Client]:
    async with Client(LakeServer(app.services, app.caller), raise_exceptions=True) as client:
        yield client


async def found(client: Client, query: str, mode: str) -> dict[str, Any]:
    answer = await call(client, "search_vectors", index="words", query=query, mode=mode)
    return {**answer, "ids": [hit["id"] for hit in answer["hits"]]}


async def test_texts_and_queries_are_embedded_there(client: Client) -> None:
    done = await call(client, "index_documents", index="words", source=ROWS)
    assert (done["model"], done["dimension"]) == (f"databricks:{NAME} (as Databricks serves it)", 2)
    answer = await found(client, "ocean", "semantic")
    assert (answer["ids"], answer["model"]) == (["sea", "work"], f"databricks:{NAME}")


async def test_documents_are_kept_while_it_is_away_and_embedded_afterwards(
    client: Client, workspace: FakeWorkspace
) -> None:
    await call(client, "index_documents", index="words", source=ROWS[:1])
    workspace.faults.add(AWAY)
    done = await call(client, "index_documents", index="words", source=ROWS)
    assert done["passages"] == 2
    assert (await found(client, "desk", "keyword"))["ids"] == ["work"]
    both = await found(client, "desk", "hybrid")
    assert (both["ids"], "Found by words only" in both["next"]) == (["work"], True)
    said = await failure(client, "search_vectors", index="words", query="desk", mode="semantic")
    assert NAME in said or "Databricks" in said
    workspace.faults.clear()
    assert (await found(client, "desk", "semantic"))["ids"] == ["work", "sea"]
    assert await ask(client, "SELECT count(vector) FROM words") == [[2]]


async def test_an_endpoint_that_does_not_embed_is_named(
    client: Client, workspace: FakeWorkspace
) -> None:
    workspace.serving.models[NAME] = lambda _body: {"predictions": [0.0]}
    said = await failure(client, "index_documents", index="words", source=ROWS)
    assert "one vector for each text" in said
    assert "DATABRICKS_EMBEDDING_ENDPOINT" in said
