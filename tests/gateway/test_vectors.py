"""The verbs of vector search against a workspace on a real port: odd answers, read as they mean."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from servicetsunami.domain.budget import Permit
from servicetsunami.errors import RemoteConflict, RemoteRefused, RemoteUnavailable
from servicetsunami.gateway.vector_replies import RemoteIndex, index_of
from servicetsunami.gateway.vectors import VectorQuestion
from servicetsunami.gateway.workspace import Workspace, open_workspace
from tests.fakes.databricks import FakeWorkspace, Fault
from tests.gateway.test_verbs import configured

PERMIT = Permit(payer="acme")
INDEX = "main.default.idx"
SPEC = {
    "name": INDEX,
    "endpoint_name": "e",
    "primary_key": "id",
    "index_type": "DIRECT_ACCESS",
    "direct_access_index_spec": {
        "embedding_vector_columns": [{"name": "v", "embedding_dimension": 2}],
        "schema_json": '{"id": "integer", "town": "string", "v": "array<float>"}',
    },
}
ROWS = [{"id": n, "town": f"town {n % 2}", "v": [float(n), 0.0]} for n in range(5)]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        running.vectors.index_looks = -1
        yield running


@pytest.fixture
async def workspace(fake: FakeWorkspace) -> AsyncIterator[Workspace]:
    opened = open_workspace(configured(fake))
    await opened.vectors.create_endpoint("e", "STANDARD", permit=PERMIT)
    await opened.vectors.create(SPEC, permit=PERMIT)
    assert await opened.vectors.upsert(INDEX, ROWS, "id", permit=PERMIT) == []
    yield opened
    await opened.aclose()


async def found(workspace: Workspace) -> RemoteIndex:
    index = await workspace.vectors.find(INDEX)
    assert index is not None
    return index


def answered(fake: FakeWorkspace, path: str, body: Any, **more: Any) -> None:
    fake.faults.add(Fault(path=f".*{path}$", status=200, body=body, **more))


NEAR = VectorQuestion(columns=["id", "town"], count=3, query_type="ANN", vector=[2.2, 0.0])


async def test_what_was_made_is_given_back_in_the_words_of_databricks(
    workspace: Workspace,
) -> None:
    index = await found(workspace)
    assert (index.kind, index.primary_key, index.endpoint) == ("DIRECT_ACCESS", "id", "e")
    assert index.schema == {"id": "int", "town": "string", "v": "array<float>"}
    assert dict(index.vectors) == {"v": 2}
    assert (index.is_searchable, index.is_settled, index.row_count) == (True, True, 5)
    assert [each.name for each in await workspace.vectors.indexes("e")] == [INDEX]
    assert [each.name for each in await workspace.vectors.endpoints()] == ["e"]


@pytest.mark.parametrize(
    ("state", "ready", "expected"),
    [
        ("ONLINE_NO_PENDING_UPDATE", True, (True, True, False)),
        ("ONLINE_SOMETHING_NEW", False, (True, False, False)),
        ("PROVISIONING_SOMETHING_NEW", False, (False, False, False)),
        ("OFFLINE", False, (False, False, False)),
        ("OFFLINE_FAILED", False, (False, False, True)),
        ("ONLINE_PIPELINE_FAILED", True, (True, False, True)),
        ("A_STATE_OF_TOMORROW", True, (False, False, False)),
        ("", True, (True, True, False)),
    ],
)
def test_states_are_read_by_what_they_contain(
    state: str, ready: bool, expected: tuple[bool, bool, bool]
) -> None:
    index = index_of({"name": INDEX, "status": {"ready": ready, "detailed_state": state}})
    assert (index.is_searchable, index.is_settled, index.has_failed) == expected


async def test_pages_are_followed_until_there_are_none(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    fake.vectors.page_rows = 1
    rows = await workspace.vectors.query(await found(workspace), NEAR, permit=PERMIT)
    assert [row["id"] for row in rows] == [2, 3, 1]
    keys = [
        key async for page in workspace.vectors.keys(INDEX, "id", permit=PERMIT) for key in page
    ]
    assert keys == ["0", "1", "2", "3", "4"]


async def test_a_page_that_names_itself_ends_the_search(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    manifest = {"columns": [{"name": "id", "type_text": "int"}, {"name": "score"}]}
    page = {"manifest": manifest, "result": {"data_array": [["1", 0.5]]}, "next_page_token": "t"}
    answered(fake, "/query", page)
    answered(fake, "/query-next-page", page, times=None)
    rows = await workspace.vectors.query(await found(workspace), NEAR, permit=PERMIT)
    assert rows == [{"id": 1, "score": 0.5}] * 2


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ({"status": "SUCCESS"}, []),
        ({"status": "FAILURE"}, ["1", "2"]),
        ({"status": "PARTIAL_SUCCESS", "result": {"failedPrimaryKeys": [2]}}, ["2"]),
        ({"status": "A_STATUS_OF_TOMORROW"}, ["1", "2"]),
    ],
)
async def test_a_failure_that_comes_as_a_success_is_none(
    fake: FakeWorkspace, workspace: Workspace, answer: Any, refused: list[str]
) -> None:
    answered(fake, "/upsert-data", answer)
    assert await workspace.vectors.upsert(INDEX, ROWS[1:3], "id", permit=PERMIT) == refused
    answered(fake, "/delete-data", answer)
    assert await workspace.vectors.remove(INDEX, ["1", "2"]) == refused


async def test_nothing_found_has_no_rows_at_all(fake: FakeWorkspace, workspace: Workspace) -> None:
    answered(fake, "/query", {"manifest": {"columns": []}, "result": {"row_count": 0}})
    assert await workspace.vectors.query(await found(workspace), NEAR, permit=PERMIT) == []


@pytest.mark.parametrize(
    "body",
    [
        {"manifest": {"columns": [{"no_name": 1}]}, "result": {}},
        {"manifest": {"columns": [{"name": "a"}]}, "result": {"data_array": [[1, 2, 3]]}},
    ],
)
async def test_half_an_answer_is_none(fake: FakeWorkspace, workspace: Workspace, body: Any) -> None:
    answered(fake, "/query", body)
    with pytest.raises(RemoteUnavailable):
        await workspace.vectors.query(await found(workspace), NEAR, permit=PERMIT)


async def test_what_is_there_already_or_still_is_told_apart(
    fake: FakeWorkspace, workspace: Workspace
) -> None:
    await workspace.vectors.create_endpoint("e", "STANDARD", permit=PERMIT)
    assert len(fake.vectors.endpoints) == 1
    with pytest.raises(RemoteConflict) as exists:
        await workspace.vectors.create(SPEC, permit=PERMIT)
    assert exists.value.code.endswith("ALREADY_EXISTS")
    await workspace.vectors.delete(INDEX)
    await workspace.vectors.delete(INDEX)
    assert await workspace.vectors.find(INDEX) is None
    with pytest.raises(RemoteConflict) as pending:
        await workspace.vectors.create(SPEC, permit=PERMIT)
    assert pending.value.code == "PENDING_DELETION"
    with pytest.raises(RemoteRefused, match="Invalid index name"):
        await workspace.vectors.create({**SPEC, "name": "main.default.a-b"}, permit=PERMIT)
