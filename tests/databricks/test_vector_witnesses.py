"""Official clients see the indexes that we make, and we see theirs, with the same documents."""

import json
from typing import Any

import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service import vectorsearch
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.engines.vectors.embedding import packaged
from tests.databricks import ai_search
from tests.databricks.connecting import CATALOG
from tests.databricks.indexing import THERE, arrive, find, ids, index_documents, manage
from tests.fakes.databricks import FakeWorkspace
from tests.server.asking import call

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # The first run installs a client.
]
QUESTION = "I do not remember my credentials"
ENDPOINT = "servicetsunami"


def sdk(workspace: FakeWorkspace) -> WorkspaceClient:
    config = Config(
        host=workspace.url, token=workspace.token, http_timeout_seconds=5, retry_timeout_seconds=5
    )
    return WorkspaceClient(config=config)


def query() -> dict[str, Any]:
    [vector] = packaged().embed([QUESTION]).tolist()
    return {"columns": ["id", "n"], "query_vector": vector, "num_results": 2}


@pytest.mark.parametrize("sync", ["on", "off"])
async def test_the_sdk_sees_what_we_have_made(
    client: Client, app: App, workspace: FakeWorkspace, sync: str
) -> None:
    await index_documents(client)
    await manage(client, sync, "dataset")
    await arrive(client, app)
    indexes = sdk(workspace).vector_search_indexes
    seen = indexes.get_index(THERE)
    assert [each.name for each in indexes.list_indexes(ENDPOINT)] == [THERE]
    assert seen.status is not None
    assert (seen.status.ready, seen.status.indexed_row_count) == (True, 3)
    spec = seen.delta_sync_index_spec or seen.direct_access_index_spec
    assert spec is not None
    [column] = spec.embedding_vector_columns or []
    assert (column.name, column.embedding_dimension) == ("vector", 384)
    answer = indexes.query_index(THERE, **query())
    assert answer.result is not None
    theirs = [row[0] for row in answer.result.data_array or []]
    ours = await find(client, QUESTION, mode="semantic", run_on="databricks", max_results=2)
    assert theirs == ids(ours)
    assert theirs[0] == "pw"


@pytest.mark.parametrize("sync", ["on", "off"])
async def test_the_search_client_sees_what_we_have_made(
    client: Client, app: App, workspace: FakeWorkspace, sync: str
) -> None:
    await index_documents(client)
    await manage(client, sync, "dataset")
    await arrive(client, app)
    workspace.vectors.page_rows = 1
    seen = ai_search.run(workspace, "see", endpoint=ENDPOINT, name=THERE, query=query())

    assert seen["listed"] == [THERE]
    assert seen["keys"] == ["E42", "bill", "pw"]
    ours = await find(client, QUESTION, mode="semantic", run_on="databricks", max_results=2)
    assert [row[0] for row in seen["hits"]] == ids(ours)
    assert seen["hits"] == seen["async_hits"]
    assert seen["hits"][0][:2] == ["pw", 1]
    assert seen["described"]["status"]["indexed_row_count"] == 3


async def test_we_see_what_the_search_client_has_made(
    client: Client, workspace: FakeWorkspace
) -> None:
    workspace.vectors.endpoint_looks = workspace.vectors.index_looks = 0
    rows = [{"page": n, "body": f"Chapter {n} tells of pumps."} for n in range(3)]
    table = workspace.put_table(f"{CATALOG}.default.pages", pa.Table.from_pylist(rows))
    table.properties["delta.enableChangeDataFeed"] = "true"
    made = ai_search.run(
        workspace,
        "make",
        endpoint="theirs",
        direct={
            "index_name": f"{CATALOG}.default.direct",
            "primary_key": "id",
            "embedding_dimension": 2,
            "embedding_vector_column": "v",
            "schema": {"id": "string", "v": "array<float>", "words": "string"},
        },
        rows=[
            {"id": "a", "v": [1.0, 0.0], "words": "one goblin"},
            {"id": "b", "v": [0.0, 1.0], "words": "two goblins, a dwarf"},
        ],
        synced={
            "index_name": f"{CATALOG}.default.followed",
            "primary_key": "page",
            "source_table_name": f"{CATALOG}.default.pages",
            "pipeline_type": "TRIGGERED",
            "embedding_source_column": "body",
            "embedding_model_endpoint_name": "system.ai.gte",
        },
    )
    assert (made["upserted"]["status"], made["followed"]) == ("SUCCESS", 3)
    found = await call(client, "search_vectors", index="direct", query="dwarf", mode="keyword")
    assert ids(found) == ["b"]
    assert found["hits"][0]["columns"] == {"words": "two goblins, a dwarf"}
    found = await call(client, "search_vectors", index="followed", query="chapter 2 pumps")
    assert (ids(found)[0], found["model"]) == (2, "system.ai.gte")


async def test_we_see_what_the_sdk_has_made(client: Client, workspace: FakeWorkspace) -> None:
    workspace.state.create_catalog(CATALOG)
    made = sdk(workspace)
    made.vector_search_endpoints.create_endpoint_and_wait(
        "theirs", vectorsearch.EndpointType.STANDARD
    )
    column = vectorsearch.EmbeddingVectorColumn(name="v", embedding_dimension=2)
    schema = json.dumps({"id": "integer", "v": "array<float>", "words": "string"})
    name = f"{CATALOG}.default.direct"
    made.vector_search_indexes.create_index(
        name, "theirs", "id", vectorsearch.VectorIndexType.DIRECT_ACCESS,
        direct_access_index_spec=vectorsearch.DirectAccessVectorIndexSpec(
            embedding_vector_columns=[column], schema_json=schema
        ),
    )  # fmt: skip
    there_ = workspace.vectors.indexes[name]
    while there_.looks_left >= 0:
        made.vector_search_indexes.get_index(name)
    rows = [{"id": 1, "v": [1.0, 0.0], "words": "a goblin"}]
    made.vector_search_indexes.upsert_data_vector_index(name, json.dumps(rows))
    found = await call(client, "search_vectors", index="direct", query="goblin", mode="keyword")
    assert ids(found) == [1]
