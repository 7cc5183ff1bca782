"""From the spawn of the process to the answer of tools/list."""

import time
from statistics import median

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.processes import cpu_s
from benchmarks.stdio import StdioServer


def measure(bench: Bench) -> list[Figure]:
    """Wall time and processor time of a start, against the bare server's."""
    with bench.ours() as server:  # The first start of all also makes the database.
        server.request("tools/list")
    ours, bare = [], []
    for _ in range(bench.rounds(9)):
        ours.append(_start(bench.ours()))
        bare.append(_start(bench.bare()))
    names = ("cold start, wall", "cold start, processor")
    return [
        Figure(
            name=name,
            unit="s",
            ours=median(run[place] for run in ours),
            baseline=median(run[place] for run in bare),
            ratio_max=1.3,
        )
        for place, name in enumerate(names)
    ]


def _start(server: StdioServer) -> tuple[float, float]:
    with server:
        server.request("tools/list")
        return time.perf_counter() - server.spawned_at, cpu_s(server.pid)
