"""The gate: one statement, of a kind on the list, over the tenant's own tables."""

import pickle

import pytest

from servicetsunami.engines.sql.gate import (
    SQL_LENGTH_MAX,
    Statement,
    StatementKind,
    TableRef,
    admit,
)
from servicetsunami.errors import InvalidInput, ServerError, SqlRefused


def gate(sql: str) -> Statement:
    return admit(sql, catalog="main")


def names(statement: Statement) -> list[str]:
    return [str(ref.name) for ref in statement.tables]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", []),
        ("SELECT * FROM orders", ["default.orders"]),
        ("SELECT * FROM Sales.Orders", ["sales.orders"]),
        ("SELECT * FROM MAIN.sales.orders", ["sales.orders"]),
        ("SELECT * FROM `main`.`sales`.`orders`", ["sales.orders"]),
        ("SELECT * FROM a JOIN b ON a.x = b.x", ["default.a", "default.b"]),
        ("SELECT * FROM a, a AS again", ["default.a"]),
        ("SELECT * FROM a WHERE x IN (SELECT y FROM b)", ["default.a", "default.b"]),
        ("WITH a AS (SELECT * FROM b) SELECT * FROM a", ["default.b"]),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", ["default.a"]),
        ("WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n FROM a) SELECT * FROM a", []),
        ("WITH a AS (SELECT 1) SELECT * FROM sales.a", ["sales.a"]),
        ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a), a", ["default.a"]),
        ("SELECT * FROM range(3)", []),
        ("SELECT /*+ BROADCAST(secret) */ 1 FROM a", ["default.a"]),
        ("TABLE orders", ["default.orders"]),
        ("VALUES (1)", []),
        ("(SELECT 1) UNION (SELECT * FROM a)", ["default.a"]),
    ],
)
def test_the_tables_of_a_query_are_found(sql: str, expected: list[str]) -> None:
    assert sorted(names(gate(sql))) == expected


def test_a_view_name_belongs_to_a_table_at_a_version() -> None:
    statement = gate(
        "SELECT * FROM t VERSION AS OF 3 a, t@v4 b, t TIMESTAMP AS OF '2024-01-31' c, t d, "
        "t FOR VERSION AS OF 3 e, t TIMESTAMP AS OF timestamp'2024-01-31 10:00:00' f"
    )
    moments = {(ref.version, ref.timestamp) for ref in statement.tables}
    assert moments == {
        (3, None),
        (4, None),
        (None, "2024-01-31"),
        (None, None),
        (None, "2024-01-31 10:00:00"),
    }
    assert len({ref.view for ref in statement.tables}) == len(statement.tables) == 5


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t TIMESTAMP AS OF current_timestamp()",
        "SELECT * FROM t VERSION AS OF 'x'",
        "SELECT * FROM t TIMESTAMP AS OF 'yesterday'",
    ],
)
def test_time_travel_needs_a_literal(sql: str) -> None:
    with pytest.raises(SqlRefused, match="Time travel"):
        gate(sql)


def test_parameters_are_listed_once() -> None:
    assert gate("SELECT :a, :b, :a").parameters == ("a", "b")


def test_a_parameter_needs_a_name() -> None:
    with pytest.raises(SqlRefused, match="Name it"):
        gate("SELECT ?")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE t",
        "TRUNCATE TABLE t",
        "ALTER TABLE t ADD COLUMN x INT",
        "ATTACH 'x.db'",
        "COPY t TO 'x.csv'",
        "COPY INTO t FROM 's3://x'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET x = 1",
        "RESET x",
        "USE other",
        "CALL x()",
        "EXPLAIN SELECT 1",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "PREPARE x AS SELECT 1",
        "GRANT SELECT ON t TO u",
        "OPTIMIZE t",
        "VACUUM t",
        "DESCRIBE DETAIL t",
        "DESCRIBE FUNCTION upper",
        "SHOW CREATE TABLE t",
        "SHOW FUNCTIONS",
        "EXPORT DATABASE 'x'",
        "WITH x AS (INSERT INTO t VALUES (1)) SELECT 1",
    ],
)
def test_whatever_does_not_just_read_is_stopped(sql: str) -> None:
    with pytest.raises((SqlRefused, InvalidInput)):
        gate(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('x')",
        "SELECT * FROM glob('*')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM 'x.parquet'",
        "SELECT * FROM parquet.`/data/x`",
        "SELECT * FROM csv.`/etc/passwd`",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM main.information_schema.tables",
        "SELECT * FROM system.billing.usage",
        "SELECT * FROM other.sales.orders",
        "SELECT * FROM identifier('sales.orders')",
        "SELECT getenv('HOME')",
        "SELECT current_setting('x')",
        "SELECT query('SELECT 1')",
        "SELECT read_text('/etc/passwd')",
        "SELECT java_method('java.lang.System', 'exit', 1)",
        "SELECT reflect('java.util.UUID', 'randomUUID')",
        "SELECT ai_query('x', 'y')",
        "SELECT s_fail('x')",
        "SELECT error('x')",
        "SELECT t0.x FROM t0, LATERAL read_csv('x')",
        "SELECT pg_catalog.version()",
        "SELECT * FROM a PIVOT (sum(x) FOR b IN (ANY))",
    ],
)
def test_nothing_outside_the_tenant_can_be_named(sql: str) -> None:
    with pytest.raises((SqlRefused, InvalidInput)):
        gate(sql)


def test_a_name_of_the_engines_is_a_table_like_any_other() -> None:
    assert names(gate("SELECT * FROM pragma_database_list")) == ["default.pragma_database_list"]
    assert names(gate("SELECT * FROM parquet.x")) == ["parquet.x"]


def test_a_metadata_schema_is_refused_by_name() -> None:
    with pytest.raises(SqlRefused, match="list_assets or describe_asset"):
        gate("SELECT * FROM information_schema.columns")


@pytest.mark.parametrize(
    "sql", ["", ";", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t"]
)
def test_there_is_exactly_one_statement(sql: str) -> None:
    with pytest.raises((SqlRefused, InvalidInput)):
        gate(sql)


def test_a_semicolon_at_the_end_is_no_second_statement() -> None:
    assert gate("SELECT 1;").kind is StatementKind.SELECT


def test_an_unknown_function_names_the_nearest() -> None:
    with pytest.raises(SqlRefused, match=r"'uper'.*upper"):
        gate("SELECT uper('a')")


def test_an_unknown_table_function_names_the_nearest() -> None:
    with pytest.raises(SqlRefused, match=r"'upper'.*is not supported"):
        gate("SELECT * FROM upper('a')")


def test_a_syntax_error_names_its_place() -> None:
    with pytest.raises(InvalidInput, match="line 2, column"):
        gate("SELECT a\nFROM WHERE")


def test_an_open_quote_is_a_syntax_error() -> None:
    with pytest.raises(InvalidInput, match="quotes"):
        gate("SELECT 'a")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT " + "NOT " * 20_000 + "true",
        "SELECT " + "-" * 200 + "1",
        "SELECT " + "- " * 5000 + "1",
        "SELECT " + "CASE WHEN true THEN " * 500 + "1" + " END" * 500,
        "SELECT " + "abs(" * 1000 + "1" + ")" * 1000,
        "SELECT 1 WHERE " + " OR ".join(["1 = 1"] * 20_000),
        "SELECT '" + "x" * SQL_LENGTH_MAX + "'",
        "SELECT * FROM " + "(SELECT * FROM " * 300 + "t" + ")" * 300,
        "SELECT array" + "[0]" * 3000,
        "SELECT " + "array(" * 2000 + ")" * 2000,
    ],
)
def test_bombs_end_in_a_refusal(sql: str) -> None:
    with pytest.raises(ServerError):
        gate(sql)


@pytest.mark.parametrize(
    ("sql", "kind", "schema", "pattern"),
    [
        ("SHOW TABLES", StatementKind.SHOW_TABLES, None, None),
        ("SHOW TABLES IN sales", StatementKind.SHOW_TABLES, "sales", None),
        ("show tables from main.sales like 'o*'", StatementKind.SHOW_TABLES, "sales", "o*"),
        ("SHOW SCHEMAS", StatementKind.SHOW_SCHEMAS, None, None),
        ("SHOW DATABASES LIKE 's*'", StatementKind.SHOW_SCHEMAS, None, "s*"),
    ],
)
def test_show_is_routed(
    sql: str, kind: StatementKind, schema: str | None, pattern: str | None
) -> None:
    statement = gate(sql)
    assert (statement.kind, statement.schema, statement.pattern) == (kind, schema, pattern)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DESCRIBE sales.orders", StatementKind.DESCRIBE_TABLE),
        ("DESC TABLE sales.orders", StatementKind.DESCRIBE_TABLE),
        ("DESCRIBE EXTENDED sales.orders", StatementKind.DESCRIBE_TABLE),
        ("DESCRIBE HISTORY sales.orders", StatementKind.DESCRIBE_HISTORY),
        ("SHOW COLUMNS IN sales.orders", StatementKind.SHOW_COLUMNS),
    ],
)
def test_describe_is_routed(sql: str, kind: StatementKind) -> None:
    statement = gate(sql)
    assert statement.kind is kind
    assert names(statement) == ["sales.orders"]


def test_describing_a_query_names_its_tables() -> None:
    statement = gate("DESCRIBE SELECT * FROM sales.orders")
    assert statement.kind is StatementKind.DESCRIBE_QUERY
    assert names(statement) == ["sales.orders"]


@pytest.mark.parametrize("sql", ["SHOW COLUMNS", "SHOW TABLES IN information_schema", "SHOW VIEWS"])
def test_other_forms_of_show_are_stopped(sql: str) -> None:
    with pytest.raises((SqlRefused, InvalidInput)):
        gate(sql)


def test_a_statement_is_a_value() -> None:
    statement = gate("SELECT * FROM t")
    assert statement == gate("SELECT * FROM t")
    assert pickle.loads(pickle.dumps(statement)).tables == statement.tables
    assert statement.tables[0] == TableRef(statement.tables[0].name, None, None, "t0")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT TOP 5 * FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT a INTO x FROM t",
        "SELECT * REPLACE (1 AS a) FROM t",
        "SELECT DISTINCT ON (a) a FROM t",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (a) DEFINE a AS true)",
        "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW "
        "EXCLUDE TIES) FROM t",
        "SELECT a FROM t ORDER BY a WITH FILL",
    ],
)
def test_clauses_that_nobody_reads_are_refused(sql: str) -> None:
    with pytest.raises((SqlRefused, InvalidInput)):
        gate(sql)
