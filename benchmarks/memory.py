"""What the server keeps in memory once it has answered its first question."""

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.processes import pss_mb, tree


def measure(bench: Bench) -> list[Figure]:
    """Memory of all our processes after one query of one small table."""
    with bench.ours("small") as server:
        if not server.call("list_assets")["total"]:
            server.call("ingest_dataset", source=[{"id": 1, "name": "one"}], name="small")
    with bench.ours("small") as server, bench.bare() as bare:
        server.call("query_dataset", sql="select * from small")
        bare.call("answer", sql="select 1")
        count = len(tree(server.pid))
        return [
            Figure(
                name=f"memory after one query ({count} processes)",
                unit="MB",
                ours=pss_mb(server.pid),
                baseline=pss_mb(bare.pid),
                ours_max=260,
            )
        ]
