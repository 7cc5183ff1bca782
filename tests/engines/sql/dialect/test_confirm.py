"""The second gate lets through what translations are, and nothing else."""

import duckdb
import pytest

from servicetsunami.engines.sql.dialect import confirm, session_settings
from servicetsunami.errors import SqlRefused


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    found = duckdb.connect()
    for statement in session_settings():
        found.execute(statement)
    return found


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        'SELECT upper(r1.a) FROM "t0" AS r1',
        "WITH q1 AS (SELECT 1 AS c1) SELECT c1 FROM q1",
        "SELECT s_json('{}', '$'), sum(1) OVER () FROM t12",
        "SELECT unnest(range(3))",
    ],
)
def test_a_select_over_views_passes(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    confirm(connection, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "CREATE TABLE t0 AS SELECT 1",
        "COPY (SELECT 1) TO 'x'",
        "PRAGMA version",
        "EXPLAIN SELECT 1",
        "SET threads = 1",
        "SELECT * FROM read_csv('x')",
        "SELECT * FROM 'x.parquet'",
        "SELECT * FROM orders",
        "SELECT * FROM main.t0",
        "SELECT * FROM other.main.t0",
        "SELECT * FROM duckdb_settings()",
        "SELECT getenv('HOME')",
        "SELECT current_setting('threads')",
        "SELECT (SELECT content FROM read_text('x'))",
        "SELECT main.upper('a')",
        "SELECT a FROM t0 WHERE EXISTS (SELECT * FROM glob('*'))",
        "SELECT query FROM query('SELECT 1')",
        "SELECT nonsense(",
        "DESCRIBE t0",
        "SUMMARIZE t0",
        "ATTACH 'x'",
    ],
)
def test_anything_else_is_stopped(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(SqlRefused):
        confirm(connection, sql)
