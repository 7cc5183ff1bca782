"""What scoring a dataset costs, beside the bare runtime on arrays; and how much memory it takes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestRegressor

from benchmarks.bench import Bench, interleaved
from benchmarks.figures import Figure
from benchmarks.processes import PeakMemory
from benchmarks.stdio import StdioServer

_ROWS: Final = 1_000_000
_FEATURES: Final = 8
_TREES: Final = 50
_ROUNDS: Final = 3
_CALLS: Final = 31
_SEED: Final = 7
_GROWTH_MAX: Final = 1.25
"""How much more memory ten times the rows may take."""


def measure(bench: Bench) -> list[Figure]:
    """Scoring many rows and a tenth of them, and single calls."""
    count = bench.rows(_ROWS)
    model = bench.work_dir / "forest.onnx"
    rows = _make(bench.work_dir, model, count)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with bench.ours("models") as server:
        server.call("deploy_model", name="forest", source=str(model))
        for name in ("few", "many"):
            path = str(bench.work_dir / f"{name}.parquet")
            server.call("ingest_dataset", source=path, name=name)
        few_mb, _ = _scored(server, "few")
        many_mb, _ = _scored(server, "many")
        ours_s, bare_s = interleaved(
            bench.rounds(_ROUNDS), lambda: _scored(server, "many")[1], lambda: _bare(session, rows)
        )
        one = {"instances": rows[:1].tolist()}
        call_ms, run_ms = interleaved(
            bench.rounds(_CALLS),
            lambda: _ms(lambda: server.call("invoke_model", name="forest", input=one)),
            lambda: _ms(lambda: session.run(None, {"X": rows[:1]})),
        )
    return [
        Figure(
            name=f"score {count:,} rows, {_TREES} trees (baseline: the runtime on an array)",
            unit="rows/s",
            ours=count / ours_s,
            baseline=count / bare_s,
        ),
        Figure(
            name=f"memory while scoring {count:,} rows (baseline: a tenth of them)",
            unit="MB",
            ours=many_mb,
            baseline=few_mb,
            ratio_max=_GROWTH_MAX,
        ),
        Figure(
            name="ask a model for one row (baseline: the bare runtime)",
            unit="ms",
            ours=call_ms,
            baseline=run_ms,
        ),
    ]


def _make(folder: Path, model: Path, count: int) -> np.ndarray:
    """A forest, and two files of rows for it; the many rows as an array."""
    numbers = np.random.default_rng(_SEED)
    rows = numbers.standard_normal((count, _FEATURES), dtype=np.float32)
    forest = RandomForestRegressor(_TREES, max_depth=8, random_state=_SEED, n_jobs=-1)
    forest.fit(rows[:5000], rows[:5000].sum(axis=1))
    model.write_bytes(to_onnx(forest, rows[:1]).SerializeToString())
    table = pa.table({f"f{at}": rows[:, at] for at in range(_FEATURES)})
    pq.write_table(table, folder / "many.parquet")
    pq.write_table(table.slice(0, count // 10), folder / "few.parquet")
    return rows


def _scored(server: StdioServer, name: str) -> tuple[float, float]:
    """Score a dataset; the most memory that was seen in MB, and how long it took in seconds."""
    given = {"dataset": name, "mode": "overwrite"}
    started = time.perf_counter()
    with PeakMemory(server.pid) as peak:
        server.call("invoke_model", name="forest", input=given, output=f"{name}_scored")
    return peak.mb, time.perf_counter() - started


def _bare(session: onnxruntime.InferenceSession, rows: np.ndarray) -> float:
    started = time.perf_counter()
    session.run(None, {"X": rows})
    return time.perf_counter() - started


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)
