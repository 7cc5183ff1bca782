"""What a search costs through the tool, beside the bare engine: a matrix or a graph."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import neighbours
from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.stdio import StdioServer
from benchmarks.vector_data import clustered, uniform
from servicetsunami.engines.vectors.embedding import DIMENSION, Embedder, packaged
from servicetsunami.engines.vectors.shelves import GRAPH_FROM, Shelves

_DOCUMENTS: Final = 100_000
_MANY: Final = 300_000
_MORE: Final = 1_000
_ROUNDS: Final = 31
_RATIO_MAX: Final = 1.5
_QUERY: Final = "how do I reset a forgotten password"
_GROWN_S: Final = 3_600.0
_FILTER: Final = {"group_number": 7}
_SEARCHES: Final[dict[str, dict[str, Any]]] = {
    "semantic search": {"mode": "semantic"},
    "keyword search": {"mode": "keyword"},
    "hybrid search": {},
    "semantic search, a filter leaves 1 %": {"mode": "semantic", "filters": _FILTER},
}


def measure(bench: Bench) -> list[Figure]:
    """Searches over many documents, and over so many that they get a graph; what graphs find."""
    return [*_exact(bench), *_graphs(bench), *_with_graph(bench)]


def _exact(bench: Bench) -> list[Figure]:
    """Every vector is compared."""
    count = bench.rows(_DOCUMENTS)
    matrix = uniform(count, DIMENSION)
    embedder = packaged()
    bare_ms = _median_ms(bench.rounds(_ROUNDS), lambda: _bare(embedder, matrix))
    with bench.ours("vectors") as server:
        first_s = _indexed(bench, server, matrix)
        figures = _searched(bench, server, f"{count:,} x {DIMENSION}", bare_ms)
    return [*figures, _first(first_s, count)]


def _graphs(bench: Bench) -> list[Figure]:
    """Graphs of fewer vectors than get one by themselves, in clusters and anywhere."""
    count = bench.rows(_DOCUMENTS)
    matrix, folder = clustered(count, DIMENSION), bench.work_dir / "clustered"
    size = f"{count:,} x {DIMENSION} in clusters"
    figures = neighbours.compare(folder, matrix, size)
    figures += neighbours.recalls(neighbours.shelf_of(folder, matrix), matrix, size)
    matrix, folder = uniform(count, DIMENSION), bench.work_dir / "uniform"
    neighbours.grow(folder, matrix)
    shelf = neighbours.shelf_of(folder, matrix)
    size = f"{count:,} x {DIMENSION} anywhere"
    return figures + neighbours.recalls(shelf, matrix, size, is_wanted=False)


def _with_graph(bench: Bench) -> list[Figure]:
    """So many vectors that they get a graph."""
    count = bench.rows(_MANY)
    if count < GRAPH_FROM:
        return []
    matrix = clustered(count, DIMENSION)
    size = f"{count:,} x {DIMENSION} in clusters"
    with bench.ours("graph") as server:
        first_s = _indexed(bench, server, matrix)
        started = time.perf_counter()
        file = _grown(bench.data_dir("graph"))
        grown_s = time.perf_counter() - started
        search = neighbours.bare_search(file)
        embedder = packaged()
        bare_ms = _median_ms(bench.rounds(_ROUNDS), lambda: search(embedder.embed([_QUERY])[0]))
        figures = _searched(bench, server, size, bare_ms)
        more_s = _added(bench, server, uniform(_MORE, DIMENSION), "more")
    shelf = Shelves().open(Path(), 2, file.parent, DIMENSION)
    figures += neighbours.recalls(shelf, np.asarray(shelf.matrix), size)
    return [
        *figures,
        _first(first_s, count),
        Figure(name=f"growing a graph in the background, {size}", unit="s", ours=grown_s),
        Figure(name=f"the first search after {_MORE:,} more documents", unit="s", ours=more_s),
    ]


def _indexed(bench: Bench, server: StdioServer, matrix: np.ndarray) -> float:
    """Make an index of documents with these vectors; how long its first search takes."""
    first = [{"id": "first", "text": "The first document.", "group_number": 0}]
    server.call("index_documents", index="many", source=first)
    return _added(bench, server, matrix)


def _added(bench: Bench, server: StdioServer, matrix: np.ndarray, prefix: str = "d") -> float:
    """Add documents with these vectors; how long the first search after that takes."""
    path = bench.work_dir / "documents.parquet"
    _write(path, matrix, prefix)
    server.call("ingest_dataset", source=str(path), name="many", mode="append")
    path.unlink()
    started = time.perf_counter()
    server.call("search_vectors", index="many", query=_QUERY, mode="semantic")
    return time.perf_counter() - started


def _grown(data_dir: Path) -> Path:
    """The file of the graph, as soon as it is there."""
    ends_at = time.monotonic() + _GROWN_S
    while time.monotonic() < ends_at:
        for file in data_dir.glob("tenants/*/indexes/*/neighbours.usearch"):
            return file
        time.sleep(0.2)
    raise TimeoutError(data_dir)


def _searched(bench: Bench, server: StdioServer, size: str, bare_ms: float) -> list[Figure]:
    figures = []
    for name, more in _SEARCHES.items():
        given = {"index": "many", "query": _QUERY, **more}
        ours = _median_ms(
            bench.rounds(_ROUNDS), lambda given=given: server.call("search_vectors", **given)
        )
        is_plain = more == {"mode": "semantic"}
        figures.append(
            Figure(
                name=f"{name}, {size}",
                unit="ms",
                ours=ours,
                baseline=bare_ms if is_plain else None,
                ratio_max=_RATIO_MAX if is_plain else None,
            )
        )
    return figures


def _first(seconds: float, count: int) -> Figure:
    return Figure(
        name=f"the first search of a version, {count:,} x {DIMENSION}", unit="s", ours=seconds
    )


def _write(path: Path, matrix: np.ndarray, prefix: str) -> None:
    """Documents with these vectors; their words say nothing of them."""
    count = len(matrix)
    words = [f"word{n}" for n in range(1000)]
    words[7] = "password"
    texts = [" ".join(words[(n * k) % 1000] for k in range(1, 20)) for n in range(count)]
    vectors = pa.FixedSizeListArray.from_arrays(matrix.ravel(), DIMENSION)
    table = pa.table(
        {
            "id": [f"{prefix}{n}" for n in range(count)],
            "text": texts,
            "group_number": [n % 100 for n in range(count)],
            "vector": vectors.cast(pa.list_(pa.float32())),
        }
    )
    pq.write_table(table, path)


def _bare(embedder: Embedder, matrix: np.ndarray) -> np.ndarray:
    """The same search without a server: embed, multiply, take the best ten."""
    scores = matrix @ embedder.embed([_QUERY])[0]
    return np.argpartition(-scores, 10)[:10]


def _median_ms(rounds: int, work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1000 * median(seconds)
