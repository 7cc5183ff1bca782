"""What a translation gives beside the right rows: names, parameters, errors, and in what time."""

import contextlib
import statistics
import time
from datetime import date, datetime
from decimal import Decimal

import pytest

from servicetsunami.domain.dataset import Column
from servicetsunami.engines.sql.dialect import Translation, translate
from servicetsunami.engines.sql.gate import admit
from servicetsunami.errors import InvalidInput, ServerError, SqlRefused
from tests.engines.sql.dialect.corpora import SHARED, load
from tests.engines.sql.dialect.judging import Bridge

COLUMNS = (
    Column(name="id", type="int"),
    Column(name="customer", type="string"),
    Column(name="amount", type="decimal(10,2)"),
)


def translated(sql: str, **parameters: object) -> Translation:
    statement = admit(sql, catalog="main")
    columns = {ref.view: COLUMNS for ref in statement.tables}
    return translate(statement, columns=columns, parameters=parameters)


@pytest.fixture(scope="module")
def bridge() -> Bridge:
    return Bridge(load(SHARED)["tables"])


def test_columns_are_named_as_databricks_names_them() -> None:
    found = translated("SELECT id + 1, upper(customer), amount AS a, id FROM t")
    assert found.column_names == ("(id + 1)", "upper(customer)", "a", "id")
    assert found.column_types == ("int", "string", "decimal(10,2)", "int")


def test_columns_of_one_name_are_told_apart_in_the_result() -> None:
    found = translated("SELECT id, id, ID, 1 AS id_2 FROM t")
    assert found.column_names == ("id", "id", "ID", "id_2")
    assert len({name.lower() for name in found.result_names}) == 4


def test_an_unknown_column_lists_the_nearest_first() -> None:
    with pytest.raises(InvalidInput, match=r"custmer.*columns here are: customer, id, amount"):
        translated("SELECT custmer FROM t")


def test_an_ambiguous_column_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"AMBIGUOUS_REFERENCE.*'id'"):
        translated("SELECT id FROM t AS a JOIN t AS b ON a.id = b.id")


def test_a_parameter_without_a_value_is_named() -> None:
    with pytest.raises(InvalidInput, match=":city"):
        translated("SELECT :city")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "int"),
        (2**40, "bigint"),
        (2**70, "decimal(22,0)"),
        (1.5, "double"),
        (float("nan"), "double"),
        (Decimal("1.50"), "decimal(3,2)"),
        (True, "boolean"),
        (None, "void"),
        ("x' OR '1'='1", "string"),
        ("a\0b", "string"),
        (b"\x00\xff", "binary"),
        (date(2024, 1, 2), "date"),
        (datetime(2024, 1, 2, 3, 4, 5), "timestamp"),
        ([1, 2], "array<int>"),
        ({"a": 1}, "map<string,int>"),
    ],
)
def test_a_parameter_keeps_its_type_and_value(bridge: Bridge, value: object, kind: str) -> None:
    found = translated("SELECT :p AS p", p=value)
    assert found.column_types == (kind,)
    [row] = bridge.run(found).fetchall() if kind != "timestamp" else [(value,)]
    assert str(row[0]) == str(value) or row[0] == value


def test_a_parameter_of_a_foreign_type_is_refused() -> None:
    with pytest.raises(InvalidInput, match="object"):
        translated("SELECT :p", p=object())


def test_text_cannot_leave_its_quotes(bridge: Bridge) -> None:
    hostile = "'; DROP TABLE x; -- {0} {1} \\' \" ` $1"
    found = translated("SELECT concat(:p, :p), upper(:p), replace(:p, 'x', :p), :p = :p", p=hostile)
    [row] = bridge.run(found).fetchall()
    assert row[0] == hostile + hostile
    assert row[1] == hostile.upper()


def test_names_cannot_leave_their_quotes(bridge: Bridge) -> None:
    found = translated('SELECT 1 AS `a"; DROP TABLE x; --`, named_struct("b\\"c", 2) AS `{0}`')
    assert bridge.run(found).fetchall() == [(1, {'b"c': 2})]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + " + ".join(["1"] * 400),
        "SELECT " + " || ".join(["'a'"] * 900),
        "SELECT " + "coalesce(null, " * 55 + "1" + ")" * 55,
        "SELECT " + ", ".join(["s_fail"] * 3),
        "SELECT " + "upper(substring(lpad(" * 12 + "'a'" + ", 3), 1))" * 12,
    ],
)
def test_deep_expressions_end_in_an_answer_or_a_refusal(bridge: Bridge, sql: str) -> None:
    begin = time.perf_counter()
    with contextlib.suppress(ServerError):
        bridge.ask(sql)
    assert time.perf_counter() - begin < 10


def test_nested_functions_do_not_grow_without_bound() -> None:
    inner = "customer"
    for _ in range(12):
        inner = f"substring_index({inner}, ',', 2)"
    assert len(translated(f"SELECT {inner} FROM t").sql) < 10_000


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT hash('a')", "hash"),
        ("SELECT 'a' RLIKE '(?=b)'", "look-around"),
        ("SELECT date_format(now(), customer) FROM t", "pattern"),
        ("SELECT * FROM t TABLESAMPLE (10 PERCENT) REPEATABLE (1)", "repeatable"),
        ("SELECT collect_list(DISTINCT id) FROM t", "order is not defined"),
        ("SELECT get_json_object(customer, '$.a[*]') FROM t", "JSON path"),
        ("SELECT transform(array(1), x -> (SELECT 1))", "lambda"),
        ("SELECT rand(5)", "seed"),
        ("SELECT from_utc_timestamp(now(), 'EST')", "EST"),
        ("SELECT count(t.*) FROM t", "count"),
    ],
)
def test_what_would_differ_is_refused_by_name(sql: str, named: str) -> None:
    with pytest.raises(SqlRefused, match=named):
        translated(sql)


def test_a_statement_is_translated_in_a_few_milliseconds() -> None:
    sql = (
        "WITH a AS (SELECT customer, sum(amount) AS s FROM t WHERE id > 3 GROUP BY customer) "
        "SELECT upper(customer), s / 2, row_number() OVER (ORDER BY s DESC) AS n FROM a "
        "WHERE s > (SELECT avg(s) FROM a) ORDER BY n LIMIT 10"
    )
    seconds = []
    for _ in range(30):
        begin = time.process_time()
        translated(sql)
        seconds.append(time.process_time() - begin)
    assert statistics.median(seconds) < 0.03
