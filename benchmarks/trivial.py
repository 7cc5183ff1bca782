"""The smallest question there is: what a call costs when the data costs nothing."""

import time
from collections.abc import Callable
from statistics import median, quantiles

from benchmarks.bench import Bench
from benchmarks.figures import Figure


def measure(bench: Bench) -> list[Figure]:
    """Latency of `select 1`, against the bare server's call; in turns of 20 calls each."""
    ours, bare = [], []
    with bench.ours() as server, bench.bare() as baseline:
        sides = (
            (ours, lambda: server.call("query_dataset", sql="select 1")),
            (bare, lambda: baseline.call("answer", sql="select 1")),
        )
        for _, call in sides:
            _repeat(call, 20)
        for _ in range(bench.rounds(25)):
            for seen, call in sides:
                seen.extend(_repeat(call, 20))
    return [
        Figure(
            name="select 1, p50",
            unit="ms",
            ours=median(ours),
            baseline=median(bare),
            ours_max=7,
            ratio_max=3,
        ),
        Figure(name="select 1, p99", unit="ms", ours=_p99(ours), baseline=_p99(bare)),
    ]


def _repeat(call: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each call."""
    seen = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seen.append((time.perf_counter() - start) * 1000)
    return seen


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]
