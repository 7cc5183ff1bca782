"""Whether short calls are answered while a long query keeps the processors busy."""

import contextlib
import time
from typing import Final

from benchmarks.bench import Bench, median_ms
from benchmarks.figures import Figure
from benchmarks.stdio import CallError, StdioServer

_SLOW: Final = """
SELECT sum(a.id * b.id % 7) FROM (SELECT explode(sequence(1, 300000)) AS id) AS a
CROSS JOIN (SELECT explode(sequence(1, 300000)) AS id) AS b
"""
_CALLS: Final = 40
_ANSWER_TIMEOUT_S: Final = 30


def measure(bench: Bench) -> list[Figure]:
    """Medians of ping and of `select 1` beside a slow query, which is cancelled at the end."""
    with bench.ours() as server:
        server.call("query_dataset", sql="select 1")
        slow = server.send(
            "tools/call", {"name": "query_dataset", "arguments": {"sql": _SLOW, "timeout_s": 25}}
        )
        time.sleep(1)  # The query shall be under way, not about to start.
        ping_ms = median_ms(_CALLS, lambda: server.request("ping"))
        select_ms = median_ms(_CALLS, lambda: server.call("query_dataset", sql="select 1"))
        _expect_running(server, slow)
    return [
        Figure(name="ping beside a slow query", unit="ms", ours=ping_ms, ours_max=20),
        Figure(name="select 1 beside a slow query", unit="ms", ours=select_ms, ours_max=20),
    ]


def _expect_running(server: StdioServer, slow: int) -> None:
    """Cancel the slow query; without this check we might have measured an idle server."""
    with contextlib.suppress(CallError):
        server.wait(slow, timeout_s=0.1)
        raise AssertionError("The slow query was over before the short ones were.")
    server.cancel(slow)
