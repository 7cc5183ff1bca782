"""The graph of large indexes: what it finds, how long it grows, and the bare engine beside it."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from usearch.index import Index

from benchmarks.figures import Figure
from benchmarks.vector_data import near
from servicetsunami.engines.vectors import graph
from servicetsunami.engines.vectors.shelves import Shelf

BEST: Final = 10
QUERIES: Final = 100
RECALL_MIN: Final = 0.95
_MATRIX, _KEYS = "vectors.npy", "keys.npy"
_GROWING_RATIO_MAX: Final = 1.5
_BARE: Final = """
import sys
import numpy as np
from usearch.index import Index
matrix = np.load(sys.argv[1], mmap_mode="r")
index = Index(ndim=matrix.shape[1], metric="ip", dtype="bf16")
index.add(np.arange(len(matrix), dtype=np.uint64), matrix)
index.save(sys.argv[2])
"""


def compare(folder: Path, matrix: np.ndarray, size: str) -> list[Figure]:
    """Grow a graph of the matrix, and one by usearch alone, each in a process of its own."""
    ours_s, ours_mb = grow(folder, matrix)
    command = [sys.executable, "-c", _BARE, str(folder / _MATRIX), str(folder / "bare.usearch")]
    bare_s, bare_mb = _run(command, folder)
    return [
        Figure(
            name=f"growing a graph, processor, {size}",
            unit="s",
            ours=ours_s,
            baseline=bare_s,
            ratio_max=_GROWING_RATIO_MAX,
        ),
        Figure(
            name=f"growing a graph, peak memory, {size}",
            unit="MB",
            ours=ours_mb,
            baseline=bare_mb,
            ratio_max=_GROWING_RATIO_MAX,
        ),
    ]


def grow(folder: Path, matrix: np.ndarray) -> tuple[float, float]:
    """Grow a graph in the folder; the seconds of processor and the MB of memory that it took."""
    folder.mkdir()
    files = folder / _MATRIX, folder / _KEYS
    np.save(files[0], matrix)
    np.save(files[1], graph.keys_of([f"d{n}" for n in range(len(matrix))], matrix))
    return _run(graph.growing(*files), folder)


def bare_search(file: Path) -> Callable[[np.ndarray], object]:
    """A search by usearch alone."""
    index = Index.restore(file, view=True)
    assert index is not None
    return lambda vector: index.search(vector, BEST)


def shelf_of(folder: Path, matrix: np.ndarray) -> Shelf:
    """The matrix with the graph that was grown of it, as a search sees them."""
    grown = graph.opened(folder, np.load(folder / _KEYS))
    assert grown is not None
    ids = [f"d{n}" for n in range(len(matrix))]
    return Shelf(ids=ids, matrix=matrix, words=None, documents=None, graph=grown)


def recalls(shelf: Shelf, matrix: np.ndarray, size: str, *, is_wanted: bool = True) -> list[Figure]:
    """How many of the ten nearest are found: without a filter, and past filters."""
    steps = {"": 1, ", a filter leaves 20 %": 5, ", a filter leaves 1 %": 100}
    return [
        Figure(
            name=f"recall@10{name}, {size}",
            unit="of 1",
            ours=_recall(shelf, matrix, None if step == 1 else np.arange(0, len(matrix), step)),
            ours_min=RECALL_MIN if is_wanted else None,
        )
        for name, step in steps.items()
    ]


def _recall(shelf: Shelf, matrix: np.ndarray, allowed: np.ndarray | None) -> float:
    rows = np.arange(len(matrix)) if allowed is None else allowed
    hits = 0
    for query in near(matrix, QUERIES):
        scores = matrix[rows] @ query if allowed is not None else matrix @ query
        best = rows[np.argpartition(-scores, BEST)[:BEST]]
        found = [row for row, _ in shelf.by_meaning(query, BEST, allowed)]
        hits += len(set(found) & set(best.tolist()))
    return hits / (BEST * QUERIES)


def _run(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """The seconds of processor that a process takes, and the most memory that it needs, in MB."""
    process = subprocess.Popen(command, cwd=folder)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
