"""How long a notebook waits for its kernel: warm, cold, and against a bare kernel.

The baseline starts ipykernel as jupyter_client does, without a sandbox, and runs the same cell.
"""

import subprocess
import sys
import time
from statistics import median
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.stdio import StdioServer

_CODE: Final = "1 + 1"
_WARM_MAX_MS: Final = 100.0
_RATIO_MAX: Final = 1.5
_UNTIL_READY_S: Final = 3.0
_BARE: Final = """
import sys, time
from jupyter_client.manager import start_new_kernel
begun = time.monotonic()
manager, client = start_new_kernel(kernel_name="python3")
client.execute_interactive("1 + 1", output_hook=lambda message: None)
print(time.monotonic() - begun)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


def measure(bench: Bench) -> list[Figure]:
    """The first cell on a kernel that was kept ready, and a run that has to start one."""
    rounds = 3 if bench.quick else 9
    with bench.ours("notebooks", {}) as server:
        _run(server)
        warm = [_warm_ms(server) for _ in range(rounds)]
    cell_ms, run_ms = median(each[0] for each in warm), median(each[1] for each in warm)
    cold_s, bare_s = [], []
    for number in range(rounds):
        with bench.ours(f"cold-{number}", {}) as server:
            server.call("list_assets")
            cold_s.append(_run(server))
        bare_s.append(_bare_s())
    return [
        Figure(name="first cell, warm kernel", unit="ms", ours=cell_ms, ours_max=_WARM_MAX_MS),
        Figure(name="whole run of one cell, warm kernel", unit="ms", ours=run_ms),
        Figure(
            name="first run of a server, kernel cold",
            unit="s",
            ours=median(cold_s),
            baseline=median(bare_s),
            ratio_max=_RATIO_MAX,
        ),
    ]


def _run(server: StdioServer) -> float:
    """Seconds of a whole call."""
    started = time.monotonic()
    server.call("run_notebook", content=_CODE)
    return time.monotonic() - started


def _warm_ms(server: StdioServer) -> tuple[float, float]:
    """Milliseconds of the cell and of the call, once the kernel kept ready has started."""
    time.sleep(_UNTIL_READY_S)
    started = time.monotonic()
    answer = server.call("run_notebook", content=_CODE)
    return 1000 * float(answer["cells"][0]["seconds"]), 1000 * (time.monotonic() - started)


def _bare_s() -> float:
    done = subprocess.run([sys.executable, "-c", _BARE], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
