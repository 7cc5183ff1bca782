"""Six questions in the manner of TPC-H: through the tool, and straight in DuckDB."""

import time
from collections.abc import Callable
from typing import Final

from benchmarks.bench import Bench, interleaved, plain_duckdb
from benchmarks.figures import Figure
from benchmarks.lake import LINES, data_files, filled_lake

_SLOW_ENOUGH_MS: Final = 100
_QUERIES: Final = {
    "Q1": """
        SELECT l_returnflag, l_linestatus, sum(l_quantity) AS quantity,
          sum(l_extendedprice) AS price, sum(l_extendedprice * (1 - l_discount)) AS net,
          sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS charge, count(*) AS lines
        FROM lineitem WHERE l_shipdate <= DATE '1998-09-02'
        GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus""",
    "Q3": """
        SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate
        FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
        WHERE c_mktsegment = 'BUILDING' AND o_orderdate < DATE '1995-03-15'
          AND l_shipdate > DATE '1995-03-15'
        GROUP BY l_orderkey, o_orderdate ORDER BY revenue DESC, l_orderkey LIMIT 10""",
    "Q6": """
        SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem
        WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
          AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
    "Q12": """
        SELECT l_shipmode,
          sum(CASE WHEN o_orderpriority IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) AS high,
          sum(CASE WHEN o_orderpriority IN ('1-URGENT', '2-HIGH') THEN 0 ELSE 1 END) AS low
        FROM orders JOIN lineitem ON o_orderkey = l_orderkey
        WHERE l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
          AND l_shipdate < l_commitdate
        GROUP BY l_shipmode ORDER BY l_shipmode""",
    "Q14": """
        SELECT sum(CASE WHEN p_type LIKE 'PROMO%' THEN l_extendedprice * (1 - l_discount) END)
          AS promo, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM lineitem JOIN part ON l_partkey = p_partkey
        WHERE l_shipdate >= DATE '1995-09-01' AND l_shipdate < DATE '1996-09-01'""",
    "Q18": """
        SELECT c_name, o_orderkey, o_totalprice, sum(l_quantity) AS quantity
        FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON o_orderkey = l_orderkey
        WHERE o_orderkey IN (
          SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 185)
        GROUP BY c_name, o_orderkey, o_totalprice
        ORDER BY o_totalprice DESC, o_orderkey LIMIT 100""",
}


def measure(bench: Bench) -> list[Figure]:
    """Each question on both sides, on the same files with as many threads."""
    with filled_lake(bench) as server, plain_duckdb(bench.threads) as direct:
        for table, files in data_files(bench).items():
            direct.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({files})")
        figures = []
        for name, sql in _QUERIES.items():
            here = server.call("query_dataset", sql=sql, max_rows=1000)
            there = direct.execute(sql).fetchall()
            if here["row_count"] != len(there):
                raise AssertionError(f"{name}: {here['row_count']} rows, not {len(there)}")
            ours_ms, direct_ms = interleaved(
                bench.rounds(7),
                lambda sql=sql: _time_ms(lambda: server.call("query_dataset", sql=sql)),
                lambda sql=sql: _time_ms(lambda: direct.execute(sql).fetchall()),
            )
            figures.append(
                Figure(
                    name=f"{name}, {bench.rows(LINES) / 1e6:g} million rows",
                    unit="ms",
                    ours=ours_ms,
                    baseline=direct_ms,
                    ratio_max=1.15 if direct_ms > _SLOW_ENOUGH_MS else None,
                )
            )
        return figures


def _time_ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000
