"""Measures, prints one table, and writes RESULTS.md: `make bench`, or `python -m benchmarks`.

`--only NAME` runs one benchmark; `--quick` takes small data and few rounds. Neither of them
writes the results, as they would not be comparable.
"""

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.bench import Bench
from benchmarks.figures import Figure, as_markdown, as_table

NAMES = (
    "cold_start",
    "trivial",
    "memory",
    "responsiveness",
    "tokens",
    "tpch",
    "ingest",
    "outage",
    "notebooks",
    "jobs",
    "vectors",
    "models",
    "load",
    "quality",
)
_RESULTS = Path(__file__).parent / "RESULTS.md"
_PAGE = """\
# What was measured

Written by `make bench`, in {seconds} s, on a machine with {cores} processors and {memory} GB of
memory. Medians; ours and the baseline were measured in turns, in the same run. Baselines: for
starts, calls and memory a bare server on the same SDK; for questions and files DuckDB in-process,
on the same files and with as many threads. Absolute numbers depend on the machine, ratios hardly.

{table}"""


def main() -> int:
    """Run what was asked for; the exit code is 1 when a figure is over its target."""
    arguments = _arguments()
    console = Console()
    start = time.monotonic()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(work_dir=Path(folder), quick=arguments.quick)
        for name in arguments.only or NAMES:
            console.print(f"[dim]{name} ...[/]")
            figures += import_module(f"benchmarks.{name}").measure(bench)
    seconds = round(time.monotonic() - start)
    console.print(as_table(figures))
    console.print(f"{seconds} s")
    if not arguments.only and not arguments.quick:
        page = _PAGE.format(
            cores=psutil.cpu_count(),
            memory=round(psutil.virtual_memory().total / 2**30),
            seconds=seconds,
            table=as_markdown(figures),
        )
        _RESULTS.write_text(page)
    return 0 if all(figure.ok for figure in figures) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="small data, few rounds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
