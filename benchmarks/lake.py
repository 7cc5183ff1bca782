"""Tables in the manner of TPC-H, made the same each time, ingested once per run."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench, plain_duckdb
from benchmarks.stdio import StdioServer

LINES: Final = 6_000_000
_TABLES: Final = {
    "lineitem": """
        SELECT (i // 4 + 1)::BIGINT AS l_orderkey,
          (hash(i) % {parts} + 1)::BIGINT AS l_partkey,
          (i % 4 + 1)::INTEGER AS l_linenumber,
          (hash(i, 1) % 50 + 1)::DECIMAL(12, 2) AS l_quantity,
          ((hash(i, 2) % 9_000_000 + 90_000) / 100)::DECIMAL(12, 2) AS l_extendedprice,
          (hash(i, 3) % 11 / 100)::DECIMAL(12, 2) AS l_discount,
          (hash(i, 4) % 9 / 100)::DECIMAL(12, 2) AS l_tax,
          ['A', 'N', 'R'][(hash(i, 5) % 3 + 1)::INTEGER] AS l_returnflag,
          ['O', 'F'][(hash(i, 6) % 2 + 1)::INTEGER] AS l_linestatus,
          DATE '1992-01-02' + (hash(i, 7) % 2500)::INTEGER AS l_shipdate,
          DATE '1992-01-02' + (hash(i, 7) % 2500 + hash(i, 8) % 60)::INTEGER AS l_commitdate,
          DATE '1992-01-02' + (hash(i, 7) % 2500 + hash(i, 9) % 60)::INTEGER AS l_receiptdate,
          ['AIR', 'MAIL', 'SHIP', 'RAIL', 'TRUCK', 'FOB', 'REG AIR'][(hash(i, 10) % 7 + 1)::INTEGER]
            AS l_shipmode
        FROM range({lines}) AS made(i)""",
    "orders": """
        SELECT (i + 1)::BIGINT AS o_orderkey,
          (hash(i, 11) % {customers} + 1)::BIGINT AS o_custkey,
          ((hash(i, 12) % 50_000_000) / 100)::DECIMAL(12, 2) AS o_totalprice,
          DATE '1992-01-01' + (hash(i, 13) % 2400)::INTEGER AS o_orderdate,
          ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-LOW'][(hash(i, 14) % 4 + 1)::INTEGER]
            AS o_orderpriority
        FROM range({lines} // 4) AS made(i)""",
    "customer": """
        SELECT (i + 1)::BIGINT AS c_custkey, 'Customer ' || i AS c_name,
          ['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD'][(hash(i, 15) % 4 + 1)::INTEGER]
            AS c_mktsegment
        FROM range({customers}) AS made(i)""",
    "part": """
        SELECT (i + 1)::BIGINT AS p_partkey,
          ['PROMO', 'STANDARD', 'SMALL', 'LARGE', 'ECONOMY'][(hash(i, 16) % 5 + 1)::INTEGER]
            || ' ANODIZED TIN' AS p_type
        FROM range({parts}) AS made(i)""",
}


@contextmanager
def filled_lake(bench: Bench) -> Generator[StdioServer]:
    """Our server with the tables in it; the first call makes and ingests them."""
    with bench.ours("lake") as server:
        have = {asset["name"] for asset in server.call("list_assets")["assets"]}
        for table, query in _TABLES.items():
            if not any(name.endswith(table) for name in have):
                path = bench.work_dir / f"{table}.parquet"
                _write(bench, path, query)
                server.call("ingest_dataset", source=str(path), name=table)
                path.unlink()
        yield server


def data_files(bench: Bench) -> dict[str, list[str]]:
    """The Parquet files behind each table, as the table's own log lists them."""
    from deltalake import DeltaTable  # noqa: PLC0415 - heavy, and wanted by one benchmark

    by_key = {"l_orderkey": "lineitem", "o_orderkey": "orders"}
    by_key |= {"c_custkey": "customer", "p_partkey": "part"}
    files = {}
    for log in bench.data_dir("lake").rglob("_delta_log"):
        table = DeltaTable(log.parent)
        files[by_key[table.schema().fields[0].name]] = table.file_uris()
    return files


def _write(bench: Bench, path: Path, query: str) -> None:
    lines = bench.rows(LINES)
    filled = query.format(lines=lines, customers=lines // 40, parts=lines // 30)
    with plain_duckdb(bench.threads) as connection:
        connection.execute(f"COPY ({filled}) TO '{path}' (FORMAT parquet)")
