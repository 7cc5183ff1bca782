"""Indexes are searched here or there, and the answer says where, why, and how fresh it is."""

import json
from dataclasses import replace
from typing import Any

import anyio
import pyarrow as pa
import pytest
from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.engines.vectors.embedding import MODEL, packaged
from servicetsunami.errors import ConfigurationError, NotFound
from servicetsunami.services.vector_search import Search
from tests.databricks.connecting import CATALOG
from tests.databricks.indexing import (
    DOCUMENTS,
    TABLE,
    THERE,
    arrive,
    find,
    ids,
    index_documents,
    there,
)
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.fakes.databricks.vectors import Endpoint, Index
from tests.server.asking import call, failure

pytestmark = pytest.mark.slow

OTHER = f"{CATALOG}.default.manuals"
MANAGED_MODEL = "databricks-gte-large-en"


@pytest.fixture
async def sent(client: Client, app: App) -> Client:
    await index_documents(client)
    await arrive(client, app)
    return client


def put_managed(workspace: FakeWorkspace, kind: str = "STANDARD") -> Index:
    """An index of somebody else, whose texts the workspace embeds."""
    rows = [{"page": n, "body": f"Chapter {n} tells of pumps.", "n": n} for n in range(5)]
    table = workspace.put_table(f"{CATALOG}.default.pages", pa.Table.from_pylist(rows))
    endpoint = Endpoint("others", kind, 0)
    workspace.vectors.endpoints["others"] = endpoint
    spec = {
        "name": OTHER,
        "endpoint_name": "others",
        "primary_key": "page",
        "index_type": "DELTA_SYNC",
        "delta_sync_index_spec": {
            "source_table": f"{CATALOG}.default.pages",
            "pipeline_type": "TRIGGERED",
            "embedding_source_columns": [
                {"name": "body", "embedding_model_endpoint_name": MANAGED_MODEL}
            ],
        },
    }
    made = Index(spec, endpoint.id, -1, dict(table.columns), {str(r["page"]): r for r in rows})
    workspace.vectors.indexes[OTHER] = made
    return made


async def test_all_modes_find_the_same_there_as_here(sent: Client) -> None:
    asked = {
        "semantic": "I cannot log in because I do not remember my credentials",
        "keyword": "E42",
        "hybrid": "what does E42 mean",
    }
    for mode, query in asked.items():
        here = await find(sent, query, mode=mode)
        on_databricks = await find(sent, query, mode=mode, run_on="databricks")
        assert ids(here)[0] == ids(on_databricks)[0]
        assert (here["ran_on"], on_databricks["ran_on"]) == ("local", "databricks")
        assert on_databricks["reason"] == "You asked for Databricks."
        assert on_databricks["model"] == here["model"] == MODEL
        assert on_databricks["index"] == THERE
        assert on_databricks["version"] == here["version"] == 0
    best = on_databricks["hits"][0]
    assert best["columns"] == {"n": 3}
    assert best["text"] == DOCUMENTS[2]["text"]
    assert best["scores"] == {"hybrid": best["score"]}


@pytest.mark.parametrize(("camel", "texts"), [(True, False), (False, True), (True, True)])
async def test_cells_are_read_however_they_are_written(
    sent: Client, workspace: FakeWorkspace, camel: bool, texts: bool
) -> None:
    workspace.vectors.speaks_camel, workspace.vectors.cells_as_text = camel, texts
    found = await find(sent, "printer", run_on="databricks", max_results=1)
    assert found["hits"][0]["columns"] == {"n": 3}
    assert isinstance(found["hits"][0]["score"], float)


async def test_all_pages_come_up_to_what_was_asked_for(
    sent: Client, app: App, workspace: FakeWorkspace
) -> None:
    many = [{"id": f"d{n}", "text": f"Text number {n}.", "n": n} for n in range(60)]
    await index_documents(sent, *many)
    await arrive(sent, app)
    workspace.vectors.page_rows = 7
    found = await find(sent, "text number", run_on="databricks", max_results=50, mode="semantic")
    assert len(set(ids(found))) == 50
    everything = await find(sent, "text", run_on="databricks", max_results=100, mode="semantic")
    assert len(set(ids(everything))) == 63


async def test_long_texts_are_cut_and_what_is_too_much_is_left_out_with_a_word(
    sent: Client, app: App
) -> None:
    text = f"Pumps. {'word ' * 180}"
    long = [{"id": f"l{n}", "text": text, "n": n} for n in range(100)]
    await index_documents(sent, *long)
    await arrive(sent, app)
    asked = {"mode": "keyword", "run_on": "databricks"}
    [best, *_] = (await find(sent, "pumps", max_results=5, **asked))["hits"]
    assert best["text"] == f"{text[:800]}…"
    assert best["text_chars"] == len(text)

    found = await find(sent, "pumps", max_results=100, **asked)
    assert found["truncated"]
    assert all(len(hit["text"]) == 201 for hit in found["hits"])
    assert found["next"].startswith(f"{100 - len(found['hits'])} more were too much")


async def test_nothing_found_is_an_answer(sent: Client) -> None:
    found = await find(sent, "aardvark", mode="keyword", run_on="databricks")
    assert found["hits"] == []
    assert "other words" in found["next"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"n >=": 2}, {"bill", "E42"}),
        ({"n": [1, 3]}, {"pw", "E42"}),
        ({"n NOT": 1}, {"bill", "E42"}),
        ({"id OR n": ["pw", 2]}, {"pw", "bill"}),
        ({"text LIKE": "password"}, {"pw"}),
        ({"n >": 99}, set()),
    ],
)
async def test_filters_mean_there_what_they_mean_here(
    sent: Client, filters: dict[str, Any], expected: set[str]
) -> None:
    for run_on in ("local", "databricks"):
        found = await find(sent, "x", mode="semantic", filters=filters, run_on=run_on)
        assert set(ids(found)) == expected


async def test_filters_in_the_other_form_are_refused_by_name(
    sent: Client, workspace: FakeWorkspace
) -> None:
    asked = {"index": "help", "query": "x", "run_on": "databricks"}
    said = await failure(sent, "search_vectors", **asked, filters="n > 1")
    assert "does not take filters in SQL" in said
    assert "cannot be understood" in await failure(
        sent, "search_vectors", **asked, filters={"n ~": 1}
    )
    workspace.vectors.endpoints["servicetsunami"].kind = "STORAGE_OPTIMIZED"
    found = await find(sent, "x", mode="semantic", filters="n > 1", run_on="databricks")
    assert set(ids(found)) == {"bill", "E42"}
    said = await failure(sent, "search_vectors", **asked, filters={"n >": 1})
    assert "filters in SQL only" in said


async def test_an_index_may_be_named_as_it_is_called_there(sent: Client) -> None:
    for run_on, ran_on in (("auto", "local"), ("databricks", "databricks")):
        for name in ("help_index", THERE):
            asked = {"index": name, "query": "printer", "run_on": run_on}
            found = await call(sent, "search_vectors", **asked)
            assert (ids(found)[0], found["ran_on"]) == ("E42", ran_on)


async def test_an_answer_that_is_behind_says_so(sent: Client) -> None:
    await index_documents(sent, {"id": "new", "text": "A brand new text.", "n": 9})
    behind = await find(sent, "brand new", run_on="databricks")
    assert "new" not in ids(behind)
    assert behind["freshness"]["is_stale"] is True
    assert (behind["freshness"]["version_here"], behind["freshness"]["version_there"]) == (1, 0)
    assert "run_on local searches the newest" in behind["next"]
    here = await find(sent, "brand new")
    assert ids(here)[0] == "new"
    assert here["freshness"]["is_stale"] is True


async def test_databricks_being_away_fails_only_what_was_asked_of_it(
    sent: Client, workspace: FakeWorkspace
) -> None:
    workspace.down()
    assert ids(await find(sent, "printer"))[0] == "E42"
    asked = {"index": "help", "query": "printer", "run_on": "databricks"}
    assert "Databricks did not answer" in await failure(sent, "search_vectors", **asked)
    said = await failure(sent, "search_vectors", index="elsewhere", query="x")
    assert "No index is named 'default.elsewhere'" in said
    assert "could not be asked" in said
    asked = {"index": "elsewhere", "query": "x", "run_on": "databricks"}
    assert "Databricks did not answer" in await failure(sent, "search_vectors", **asked)
    workspace.up()


async def test_a_search_that_hangs_there_ends_in_time(
    sent: Client, workspace: FakeWorkspace
) -> None:
    workspace.faults.add(Fault("POST", ".*/query$", hang_s=60.0, times=None))
    with anyio.fail_after(25):
        said = await failure(
            sent, "search_vectors", index="help", query="printer", run_on="databricks"
        )
    assert "Databricks did not answer" in said
    assert ids(await find(sent, "printer"))[0] == "E42"


async def test_what_has_not_arrived_or_does_not_answer_yet_says_so(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    asked = {"index": "help", "query": "x", "run_on": "databricks"}
    assert "has not reached Databricks yet" in await failure(client, "search_vectors", **asked)
    await arrive(client, app)
    there(workspace).looks_left = 5
    said = await failure(client, "search_vectors", **asked)
    assert "PROVISIONING" in said
    unknown = await failure(client, "search_vectors", **{**asked, "index": "halp"})
    assert "default.help" in unknown


async def test_an_index_whose_texts_the_workspace_embeds_is_found_by_its_name(
    client: Client, workspace: FakeWorkspace
) -> None:
    put_managed(workspace)
    for mode in ("semantic", "hybrid", "keyword"):
        found = await call(
            client, "search_vectors", index="manuals", query="chapter 3 pumps", mode=mode
        )
        assert found["ran_on"] == "databricks"
        assert found["reason"] == "The index is not on this machine."
        assert found["model"] == MANAGED_MODEL
        assert ids(found)[0] == 3
        assert found["hits"][0]["text"] == "Chapter 3 tells of pumps."
        assert found["hits"][0]["columns"] == {"n": 3}
    asked = {"index": OTHER, "query": "pumps", "filters": {"n <": 1}}
    assert ids(await call(client, "search_vectors", **asked)) == [0]
    here = await failure(client, "search_vectors", index="manuals", query="x", run_on="local")
    assert "No index is named" in here


async def test_vectors_of_other_models_are_never_compared_with_ours(
    sent: Client, workspace: FakeWorkspace
) -> None:
    ours = there(workspace)
    foreign = f"{CATALOG}.default.copied"
    spec = {**ours.spec, "name": foreign}
    workspace.vectors.indexes[foreign] = Index(
        spec, ours.endpoint_id, -1, dict(ours.columns), dict(ours.rows)
    )
    # It follows the table of ours, which says by which model its vectors were made.
    found = await call(sent, "search_vectors", index="copied", query="forgot the password")
    assert (ids(found)[0], found["model"]) == ("pw", MODEL)
    workspace.tables[TABLE].properties["servicetsunami.embedding_model"] = "another"
    asked = {"index": "copied", "query": "forgot the password"}
    said = await failure(sent, "search_vectors", **asked)
    assert "were made by another" in said
    found = await call(sent, "search_vectors", **asked, mode="keyword")
    assert ids(found)[0] == "pw"


async def test_a_direct_index_of_others_is_searched_by_words(
    client: Client, workspace: FakeWorkspace
) -> None:
    endpoint = Endpoint("others", "STANDARD", 0)
    workspace.vectors.endpoints["others"] = endpoint
    columns = {"id": "int", "v": "array<float>", "words": "string"}
    spec = {
        "name": OTHER,
        "endpoint_name": "others",
        "primary_key": "id",
        "index_type": "DIRECT_ACCESS",
        "direct_access_index_spec": {
            "embedding_vector_columns": [{"name": "v", "embedding_dimension": 2}],
            "schema_json": json.dumps(columns),
        },
    }
    rows = {"7": {"id": 7, "v": [1.0, 0.0], "words": "seven dwarfs"}}
    workspace.vectors.indexes[OTHER] = Index(spec, endpoint.id, -1, columns, rows)
    found = await call(client, "search_vectors", index="manuals", query="dwarfs", mode="keyword")
    assert found["hits"][0]["columns"] == {"words": "seven dwarfs"}
    said = await failure(client, "search_vectors", index="manuals", query="dwarfs")
    assert "a model that is not known here" in said


async def test_indexes_that_are_not_here_are_listed_and_described(
    sent: Client, app: App, workspace: FakeWorkspace
) -> None:
    put_managed(workspace)
    await app.services.remote_catalog.refresh(app.caller())
    listed = await call(sent, "list_assets", kind="index")
    assert [each["name"] for each in listed["assets"]] == ["default.help"]
    assert listed["assets"][0]["sync"] == "synced"
    assert listed["on_databricks"] == [{"name": "default.manuals", "kind": "DELTA_SYNC"}]
    assert listed["on_databricks_as_of"]

    described = await call(sent, "describe_asset", kind="index", name="help")
    on_databricks = described["index"]["databricks"]
    assert on_databricks["name"] == THERE
    assert on_databricks["detailed_state"] == "ONLINE_NO_PENDING_UPDATE"
    assert (on_databricks["ready"], on_databricks["indexed_row_count"]) == (True, 3)
    assert (described["sync"]["state"], described["where"]) == ("synced", "here and on databricks")
    other = await call(sent, "describe_asset", kind="index", name="manuals")
    assert (other["where"], other["full_name"]) == ("databricks", OTHER)
    assert other["index"]["model"] == MANAGED_MODEL
    assert "No index is named" in await failure(
        sent, "describe_asset", kind="index", name="nothing"
    )


async def test_a_workspace_without_vector_search_has_tables_all_the_same(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    workspace.put_table(f"{CATALOG}.default.there", pa.table({"n": [1]}))
    disabled = {"error_code": "FEATURE_DISABLED", "message": "Vector search is off."}
    trouble = Fault(path="/api/2.0/vector-search", status=400, body=disabled, times=None)
    workspace.faults.add(trouble)
    await app.services.remote_catalog.refresh(app.caller())
    listed = await call(client, "list_assets")
    assert [each["name"] for each in listed["on_databricks"]] == ["default.there"]
    indexes = await call(client, "list_assets", kind="index")
    assert "Vector search is off" in indexes["on_databricks_error"]


async def test_another_tenants_catalog_gives_nothing_away(
    sent: Client, app: App, workspace: FakeWorkspace
) -> None:
    theirs = "servicetsunami_other.default.secret"
    spec = {**there(workspace).spec, "name": theirs}
    ours = there(workspace)
    workspace.vectors.indexes[theirs] = Index(
        spec, ours.endpoint_id, -1, dict(ours.columns), dict(ours.rows)
    )
    await app.services.remote_catalog.refresh(app.caller())
    assert (await call(sent, "list_assets", kind="index"))["on_databricks"] == []
    hosted = replace(app.caller(), catalogs=frozenset())
    asked = Search(index=theirs, query="printer", mode="keyword", filters="", count=10)
    with pytest.raises(NotFound, match="No index is named"):
        await app.services.searching.search(hosted, asked, "auto")


async def test_the_query_is_embedded_as_the_documents_were(
    sent: Client, workspace: FakeWorkspace
) -> None:
    [vector] = packaged().embed([DOCUMENTS[0]["text"]]).tolist()
    assert there(workspace).rows["pw"]["vector"] == pytest.approx(vector, abs=1e-6)
    found = await find(sent, DOCUMENTS[0]["text"], mode="semantic", run_on="databricks")
    assert found["hits"][0]["score"] == pytest.approx(1.0, abs=1e-3)


async def test_without_a_workspace_databricks_cannot_be_asked(sent: Client, app: App) -> None:
    nobody = replace(app.caller(), has_databricks=False)
    asked = Search(index="help", query="printer", mode="hybrid", filters="", count=10)
    with pytest.raises(ConfigurationError, match="No Databricks workspace"):
        await app.services.searching.search(nobody, asked, "databricks")
    found = await app.services.searching.search(nobody, asked, "auto")
    assert (found.ran_on, found.freshness) == ("local", None)
    with pytest.raises(NotFound, match="No index is named"):
        await app.services.searching.search(nobody, replace(asked, index="manuals"), "auto")
