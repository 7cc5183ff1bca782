"""What a search costs through the tool, beside the bare engine: a matrix, and the model."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from servicetsunami.engines.vectors.embedding import DIMENSION, Embedder, packaged

_DOCUMENTS: Final = 100_000
_ROUNDS: Final = 31
_RATIO_MAX: Final = 1.5
_QUERY: Final = "how do I reset a forgotten password"
_SEED: Final = 6


def measure(bench: Bench) -> list[Figure]:
    """Searches by meaning and by words over many documents, and how long the first one waits."""
    count = bench.rows(_DOCUMENTS)
    path = bench.work_dir / "documents.parquet"
    matrix = _write(path, count)
    embedder = packaged()
    bare_ms = _median_ms(bench.rounds(_ROUNDS), lambda: _bare(embedder, matrix))
    with bench.ours("vectors") as server:
        first = [{"id": "first", "text": "The first document.", "group_number": 0}]
        server.call("index_documents", index="many", source=first)
        server.call("ingest_dataset", source=str(path), name="many", mode="append")
        started = time.perf_counter()
        server.call("search_vectors", index="many", query=_QUERY, mode="semantic")
        first_s = time.perf_counter() - started
        ours: dict[str, float] = {}
        for name, more in _SEARCHES.items():
            given = {"index": "many", "query": _QUERY, **more}
            ours[name] = _median_ms(
                bench.rounds(_ROUNDS), lambda given=given: server.call("search_vectors", **given)
            )
    size = f"{count:,} x {DIMENSION}"
    return [
        Figure(
            name=f"semantic search, {size}",
            unit="ms",
            ours=ours["semantic"],
            baseline=bare_ms,
            ratio_max=_RATIO_MAX,
        ),
        Figure(name=f"keyword search, {size}", unit="ms", ours=ours["keyword"]),
        Figure(name=f"hybrid search, {size}", unit="ms", ours=ours["hybrid"]),
        Figure(
            name=f"semantic search, a filter leaves 1 %, {size}", unit="ms", ours=ours["filter"]
        ),
        Figure(name=f"the first search of a version, {size}", unit="s", ours=first_s),
    ]


_SEARCHES: Final[dict[str, dict[str, Any]]] = {
    "semantic": {"mode": "semantic"},
    "keyword": {"mode": "keyword"},
    "hybrid": {},
    "filter": {"mode": "semantic", "filters": {"group_number": 7}},
}


def _write(path: Path, count: int) -> np.ndarray:
    """Documents with vectors of length 1 that point anywhere."""
    numbers = np.random.default_rng(_SEED)
    matrix = numbers.standard_normal((count, DIMENSION), dtype=np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    words = [f"word{n}" for n in range(1000)]
    words[7] = "password"
    texts = [" ".join(words[(n * k) % 1000] for k in range(1, 20)) for n in range(count)]
    table = pa.table(
        {
            "id": [f"d{n}" for n in range(count)],
            "text": texts,
            "group_number": [n % 100 for n in range(count)],
            "vector": pa.FixedSizeListArray.from_arrays(matrix.ravel(), DIMENSION).cast(
                pa.list_(pa.float32())
            ),
        }
    )
    pq.write_table(table, path)
    return matrix


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
