"""A large CSV file: how fast it becomes a dataset, and in how much memory."""

import time
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench, interleaved, plain_duckdb
from benchmarks.figures import Figure
from benchmarks.processes import PeakMemory
from benchmarks.stdio import StdioServer

_ROWS: Final = 1_500_000
_TIMES_LARGER: Final = 4
_PEAK_MB: Final = 700
_MAKE: Final = """
COPY (
  SELECT i AS id, 'customer ' || (hash(i) % 50_000) AS customer,
    (hash(i, 1) % 1_000_000) / 100 AS amount, (hash(i, 2) % 100)::INTEGER AS quantity,
    DATE '2020-01-01' + (hash(i, 3) % 2000)::INTEGER AS day,
    TIMESTAMP '2024-01-01' + to_seconds((hash(i, 4) % 30_000_000)::BIGINT) AS updated_at,
    ['north', 'south', 'east', 'west'][(hash(i, 5) % 4 + 1)::INTEGER] AS region,
    hash(i, 6) % 2 = 0 AS paid, 'a remark of some length, number ' || (hash(i, 7) % 1000) AS remark
  FROM range({rows}) AS made(i)
) TO '{path}' (HEADER)
"""


def measure(bench: Bench) -> list[Figure]:
    """Rows a second against DuckDB's own conversion; memory of all our processes meanwhile.

    Memory is read in runs of its own, as reading it takes processor time.
    """
    rows = bench.rows(_ROWS)
    small = _make(bench, "small", rows)
    large = _make(bench, "large", rows * _TIMES_LARGER)
    with bench.ours("ingest") as server:
        ours_s, direct_s = interleaved(
            bench.rounds(5), lambda: _ingest_s(server, small), lambda: _convert_s(bench, small)
        )
    peaks = []
    for path in (small, large):
        # A process of its own for each, so that the second does not start with the first's heap.
        with bench.ours("ingest") as server, PeakMemory(server.pid) as peak:
            _ingest_s(server, path)
        peaks.append(peak.mb)
    megabytes = round(large.stat().st_size / 1e6)
    small.unlink()
    large.unlink()
    return [
        Figure(
            name="CSV ingest",
            unit="rows/s",
            ours=rows / ours_s,
            baseline=rows / direct_s,
            ratio_min=0.8,
        ),
        Figure(
            name=f"peak memory, {megabytes} MB of CSV; a quarter of it",
            unit="MB",
            ours=peaks[1],
            baseline=peaks[0],
            ours_max=_PEAK_MB,
            ratio_max=1.2,
        ),
    ]


def _make(bench: Bench, name: str, rows: int) -> Path:
    path = bench.work_dir / f"{name}.csv"
    with plain_duckdb(bench.threads) as connection:
        connection.execute(_MAKE.format(rows=rows, path=path))
    return path


def _ingest_s(server: StdioServer, path: Path) -> float:
    start = time.perf_counter()
    done = server.call("ingest_dataset", source=str(path), name="measured")
    seconds = time.perf_counter() - start
    if done["rejected_rows"]:
        raise AssertionError(f"{done['rejected_rows']} rows were rejected: {done['warnings']}")
    server.call("delete_asset", name="measured", confirm="measured")
    return seconds


def _convert_s(bench: Bench, path: Path) -> float:
    target = path.with_suffix(".parquet")
    start = time.perf_counter()
    with plain_duckdb(bench.threads) as connection:
        connection.execute(f"COPY (SELECT * FROM read_csv('{path}')) TO '{target}'")
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds
