"""What local calls cost while the Databricks workspace is away, and changes keep coming.

The baseline is the same server with a workspace that is well. The workspace is the fake one of the
tests; its server sends in the background all the while.
"""

import time
from typing import Any, Final

from benchmarks.bench import Bench, median_ms
from benchmarks.figures import Figure
from benchmarks.stdio import CallError, StdioServer
from tests.fakes.databricks import FakeWorkspace, Fault

_CALLS: Final = 30
_GROWTH_MAX_MS: Final = 100.0
_REMOTE_MAX_MS: Final = 5_000.0
_EXPIRED: Final = {"error_code": 403, "message": "Invalid access token."}
_OUTAGES: Final[dict[str, dict[str, Any] | None]] = {
    "refused": None,
    "hanging": {"hang_s": 60.0},
    "429": {"status": 429, "body": {}},
    "500": {"status": 500},
    "503": {"status": 503, "headers": {"Retry-After": "30"}, "body": {}},
    "403 expired": {"status": 403, "body": _EXPIRED},
    "half bodies": {"half_body": True},
}


def measure(bench: Bench) -> list[Figure]:
    """How much the median of a query and of an append grows, and when a remote question fails."""
    workspace = FakeWorkspace(bench.work_dir)
    workspace.up()
    try:
        with _server(bench, workspace) as server:
            return _measured(server, workspace)
    finally:
        workspace.down()


def _measured(server: StdioServer, workspace: FakeWorkspace) -> list[Figure]:
    server.call("ingest_dataset", source=[{"n": 0}], name="t")
    query_ms, append_ms = _medians(server)
    figures = [
        Figure(name="local query, workspace well", unit="ms", ours=query_ms),
        Figure(name="append, workspace well", unit="ms", ours=append_ms),
    ]
    for name, trouble in _OUTAGES.items():
        _begin(workspace, trouble)
        query, append = _medians(server)
        figures += [
            _growth(f"query, workspace {name}: growth", query - query_ms),
            _growth(f"append, workspace {name}: growth", append - append_ms),
            _remote(f"remote question, workspace {name}", server),
        ]
        workspace.faults.clear()
        workspace.up()
    return figures


def _server(bench: Bench, workspace: FakeWorkspace) -> StdioServer:
    return bench.ours(
        "outage",
        {
            "DATABRICKS_ENABLED": "true",
            "DATABRICKS_HOST": workspace.url,
            "DATABRICKS_TOKEN": workspace.token,
        },
    )


def _begin(workspace: FakeWorkspace, trouble: dict[str, Any] | None) -> None:
    if trouble is None:
        workspace.down()
    else:
        workspace.faults.add(Fault(path="/api/", times=None, **trouble))


def _medians(server: StdioServer) -> tuple[float, float]:
    row = {"source": [{"n": 1}], "name": "t", "mode": "append"}
    query = median_ms(_CALLS, lambda: server.call("query_dataset", sql="SELECT count(*) FROM t"))
    append = median_ms(_CALLS, lambda: server.call("ingest_dataset", **row))
    return query, append


def _growth(name: str, growth_ms: float) -> Figure:
    return Figure(name=name, unit="ms", ours=growth_ms, ours_max=_GROWTH_MAX_MS)


def _remote(name: str, server: StdioServer) -> Figure:
    start = time.perf_counter()
    try:
        server.call("query_dataset", sql="SELECT * FROM samples.nyc.trips")
    except CallError:
        ended_ms = (time.perf_counter() - start) * 1000
        return Figure(name=name, unit="ms", ours=ended_ms, ours_max=_REMOTE_MAX_MS)
    raise AssertionError("A workspace that is away has answered.")
