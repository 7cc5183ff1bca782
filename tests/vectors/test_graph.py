"""Large indexes are searched by a graph, which finds what comparing all vectors finds."""

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from benchmarks.vector_data import clustered, near
from servicetsunami.engines.vectors.shelves import Shelf, Shelves

pytestmark = pytest.mark.slow

ROWS = 4_000
DIMENSION = 48
BEST = 10
RECALL_MIN = 0.95


@pytest.fixture
def matrix() -> np.ndarray:
    return clustered(ROWS, DIMENSION)


@pytest.fixture
def table(tmp_path: Path, matrix: np.ndarray) -> Path:
    path = tmp_path / "table"
    write(path, {f"d{n:05}": vector for n, vector in enumerate(matrix)})
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def write(path: Path, vectors: dict[str, np.ndarray]) -> None:
    column = pa.array(list(vectors.values()), type=pa.list_(pa.float32()))
    rows = pa.table({"id": list(vectors), "text": ["a text"] * len(vectors), "vector": column})
    write_deltalake(path, rows, mode="append")


def grown(shelves: Shelves, table: Path, folder: Path, version: int = 0) -> Shelf:
    """The version, with a graph."""
    shelf = shelves.open(table, version, folder, DIMENSION)
    wait_for_graphs()
    assert shelf.graph is not None
    assert not shelf.graph.is_stale
    return shelf


def wait_for_graphs() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("growing"):
            thread.join()


def recall(shelf: Shelf, matrix: np.ndarray, allowed: np.ndarray | None = None) -> float:
    rows = np.arange(len(matrix)) if allowed is None else allowed
    hits = 0
    queries = near(matrix, 50)
    for query in queries:
        scores = matrix[rows] @ query
        best = rows[np.argsort(-scores)[:BEST]]
        found = shelf.by_meaning(query, BEST, allowed)
        assert len(found) == BEST
        assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)
        for row, score in found:
            assert score == pytest.approx(float(matrix[row] @ query), abs=1e-5)
        hits += len({row for row, _ in found} & set(best.tolist()))
    return hits / (BEST * len(queries))


def test_a_graph_finds_the_nearest_with_exact_scores_past_any_filter(
    table: Path, folder: Path, matrix: np.ndarray
) -> None:
    shelf = grown(Shelves(graph_from=ROWS), table, folder)
    assert recall(shelf, matrix) >= RECALL_MIN
    for step in (2, 8, 100):
        assert recall(shelf, matrix, np.arange(0, ROWS, step)) >= RECALL_MIN


def test_a_filter_far_from_the_query_still_finds_the_best_that_it_leaves(
    table: Path, folder: Path, matrix: np.ndarray
) -> None:
    shelf = grown(Shelves(graph_from=ROWS), table, folder)
    query = near(matrix, 1)[0]
    farthest = np.sort(np.argsort(matrix @ query)[: ROWS // 2])
    found = shelf.by_meaning(query, BEST, farthest)
    best = farthest[np.argsort(-(matrix[farthest] @ query))[:BEST]]
    assert [row for row, _ in found] == best.tolist()


def test_small_indexes_have_no_graph(table: Path, folder: Path) -> None:
    shelves = Shelves(graph_from=ROWS + 1)
    shelf = shelves.open(table, 0, folder, DIMENSION)
    wait_for_graphs()
    assert shelf.graph is None
    assert [each.name for each in folder.iterdir()] == ["0"]


def test_the_graph_of_an_earlier_version_serves_the_next_ones(
    table: Path, folder: Path, matrix: np.ndarray
) -> None:
    shelves = Shelves(graph_from=ROWS - 10)
    grown(shelves, table, folder)
    file = folder / "neighbours.usearch"
    made_at = file.stat().st_mtime_ns

    query = near(matrix, 1)[0]
    nearest = [f"d{row:05}" for row in np.argsort(-(matrix @ query))[:3]]
    DeltaTable(table).delete(f"id = '{nearest[0]}'")
    DeltaTable(table).delete(f"id = '{nearest[1]}'")
    write(table, {nearest[1]: -query, "new": query})
    shelf = grown(shelves, table, folder, version=3)
    found = [shelf.ids[row] for row, _ in shelf.by_meaning(query, 2, None)]
    assert found == ["new", nearest[2]]
    assert file.stat().st_mtime_ns == made_at

    write(table, {f"e{n}": vector for n, vector in enumerate(clustered(ROWS // 4, DIMENSION))})
    grown(shelves, table, folder, version=4)
    assert file.stat().st_mtime_ns != made_at


def test_a_graph_of_other_vectors_is_not_used(table: Path, folder: Path) -> None:
    shelves = Shelves(graph_from=ROWS // 2)
    grown(shelves, table, folder)
    DeltaTable(table).delete()
    others = clustered(ROWS, DIMENSION, seed=1)
    write(table, {f"o{n}": each for n, each in enumerate(others)})
    shelf = shelves.open(table, 2, folder, DIMENSION)
    assert shelf.ids[0] == "o0"
    wait_for_graphs()
    assert shelf.graph is not None


@pytest.mark.parametrize("content", [b"", b"not a graph", bytes(10_000)])
def test_a_graph_that_cannot_be_read_is_grown_anew(
    table: Path, folder: Path, matrix: np.ndarray, content: bytes
) -> None:
    folder.mkdir()
    (folder / "neighbours.usearch").write_bytes(content)
    shelf = grown(Shelves(graph_from=ROWS), table, folder)
    assert recall(shelf, matrix) >= RECALL_MIN


def test_rows_without_vectors_do_not_have_graphs_grown_again(table: Path, folder: Path) -> None:
    write(table, {f"z{n}": np.zeros(DIMENSION, dtype=np.float32) for n in range(ROWS)})
    grown(Shelves(graph_from=ROWS), table, folder, version=1)


def test_without_a_graph_all_vectors_are_compared(
    table: Path, folder: Path, matrix: np.ndarray
) -> None:
    folder.mkdir()
    (folder / "neighbours.usearch").mkdir()
    shelves = Shelves(graph_from=ROWS)
    shelf = shelves.open(table, 0, folder, DIMENSION)
    wait_for_graphs()
    assert shelf.graph is None
    assert recall(shelf, matrix) == 1.0
    assert {each.name for each in folder.iterdir()} == {"0", "neighbours.usearch"}


def test_rows_without_a_usable_vector_are_not_found_by_meaning(
    table: Path, folder: Path, matrix: np.ndarray
) -> None:
    numbers: list[list[float | None] | None] = [
        None,
        [],
        [1.0],
        [0.0] * DIMENSION,
        [None] * DIMENSION,
        [float("nan")] * DIMENSION,
        [3e38] * DIMENSION,
    ]
    column = pa.array(numbers, type=pa.list_(pa.float32()))
    ids = [f"aa{n}" for n in range(len(numbers))]
    write_deltalake(table, pa.table({"id": ids, "text": ids, "vector": column}), mode="append")
    shelf = grown(Shelves(graph_from=ROWS), table, folder, version=1)
    assert list(shelf.ids[: len(ids)]) == ids
    for allowed in (None, np.arange(300)):
        found = shelf.by_meaning(near(matrix, 1)[0], 100, allowed)
        assert len(found) == 100
        assert all(np.isfinite(score) for _, score in found)
        assert not any(shelf.ids[row].startswith("aa") for row, _ in found)
    assert [row for row, _ in shelf.by_words("aa4", 3, None)] == [4]
