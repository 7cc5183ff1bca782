"""What every benchmark is given: where to work, how often to repeat, the servers to compare."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.stdio import BARE, OURS, StdioServer


@dataclass(frozen=True)
class Bench:
    """One run. `quick` takes fewer rounds and smaller data: to try things, not to publish."""

    work_dir: Path
    quick: bool

    def rounds(self, full: int) -> int:
        """How often to repeat what a full run repeats `full` times; at least 3, and odd."""
        return max(3, full // 3 | 1) if self.quick else full

    def rows(self, full: int) -> int:
        """How many rows to make where a full run makes `full`."""
        return full // 10 if self.quick else full

    @cached_property
    def threads(self) -> int:
        """Threads for both sides of a comparison: what our server takes by default."""
        return os.cpu_count() or 1

    def data_dir(self, name: str = "main") -> Path:
        """The data directory of our server; the same name is the same directory."""
        return self.work_dir / "data" / name

    def ours(self, name: str = "main", environment: Mapping[str, str] | None = None) -> StdioServer:
        """Start our server on the data directory of that name."""
        return StdioServer(
            OURS,
            {
                "SERVICETSUNAMI_DATA_DIR": str(self.data_dir(name)),
                "SERVICETSUNAMI_ALLOWED_ROOTS": str(self.work_dir),
                **(environment or {}),
            },
        )

    def bare(self) -> StdioServer:
        """Start the bare server."""
        return StdioServer(BARE, {})


def plain_duckdb(threads: int) -> duckdb.DuckDBPyConnection:
    """Open DuckDB as a baseline, or to make data with: as it comes, but silent."""
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("SET enable_progress_bar = false")
    return connection


def interleaved(rounds: int, *sides: Callable[[], float]) -> Sequence[float]:
    """Measure each side once a round, side by side; the median of each.

    Whatever else the machine does then disturbs all sides alike.
    """
    seen: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for values, side in zip(seen, sides, strict=True):
            values.append(side())
    return [median(values) for values in seen]


def median_ms(calls: int, call: Callable[[], object]) -> float:
    """The median length of so many calls, one after the other, in milliseconds."""
    seen = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seen.append((time.perf_counter() - start) * 1000)
    return median(seen)
