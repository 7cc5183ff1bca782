"""Failures are told in Databricks' words."""

import duckdb
import pytest

from servicetsunami.engines.sql.dialect import explain_failure
from servicetsunami.engines.sql.gate import admit
from servicetsunami.errors import InvalidInput, LimitExceeded, ServerError, SqlFailed
from tests.engines.sql.dialect.corpora import SHARED, load
from tests.engines.sql.dialect.judging import Bridge


@pytest.fixture(scope="module")
def bridge() -> Bridge:
    return Bridge(load(SHARED)["tables"])


@pytest.mark.parametrize(
    ("sql", "condition"),
    [
        ("SELECT cast('abc' AS int)", "CAST_INVALID_INPUT"),
        ("SELECT cast(customer AS int) FROM main.sales.orders", "CAST_INVALID_INPUT"),
        ("SELECT cast('2024-13-01' AS date)", "DATETIME_FIELD_OUT_OF_BOUNDS|CAST_INVALID_INPUT"),
        ("SELECT qty / 0 FROM main.sales.orders", "DIVIDE_BY_ZERO"),
        ("SELECT amount / 0 FROM main.sales.orders", "DIVIDE_BY_ZERO"),
        ("SELECT f / 0 FROM main.sales.orders", "DIVIDE_BY_ZERO"),
        ("SELECT qty % 0 FROM main.sales.orders", "REMAINDER_BY_ZERO"),
        ("SELECT qty div 0 FROM main.sales.orders", "DIVIDE_BY_ZERO"),
        ("SELECT 2147483647 + 1", "ARITHMETIC_OVERFLOW"),
        ("SELECT cast(3000000000 AS int)", "CAST_OVERFLOW"),
        ("SELECT cast(123.4 AS decimal(3,2))", "NUMERIC_VALUE_OUT_OF_RANGE|ARITHMETIC_OVERFLOW"),
        ("SELECT array(1)[3]", "INVALID_ARRAY_INDEX"),
        ("SELECT element_at(array(1), 0)", "INVALID_INDEX_OF_ZERO"),
        ("SELECT map('a', 1, 'a', 2)", "DUPLICATED_MAP_KEY"),
        ("SELECT (SELECT id FROM main.sales.orders)", "SCALAR_SUBQUERY_TOO_MANY_ROWS"),
        ("SELECT raise_error('boom')", "USER_RAISED_EXCEPTION.*boom"),
        ("SELECT CASE WHEN true THEN raise_error('boom') ELSE 1 END", "USER_RAISED.*boom"),
        ("SELECT 'x' || raise_error('boom')", "USER_RAISED_EXCEPTION.*boom"),
        ("SELECT to_date('x', 'yyyy')", "CANNOT_PARSE_TIMESTAMP"),
        ("SELECT parse_json('{')", "MALFORMED_RECORD_IN_PARSING"),
    ],
)
def test_data_that_does_not_fit_names_its_error_class(
    bridge: Bridge, sql: str, condition: str
) -> None:
    with pytest.raises(SqlFailed, match=condition) as caught:
        bridge.ask(sql)
    assert caught.value.next_step


def test_a_column_outside_the_grouping_is_the_statements_fault(bridge: Bridge) -> None:
    with pytest.raises(InvalidInput, match="MISSING_AGGREGATION"):
        bridge.ask("SELECT customer, qty FROM main.sales.orders GROUP BY customer")


def explained(error: duckdb.Error) -> ServerError:
    return explain_failure(error, admit("SELECT 1", catalog="main"))


def test_memory_that_ran_out_is_a_limit() -> None:
    assert isinstance(explained(duckdb.OutOfMemoryException("/data/x is full")), LimitExceeded)


def test_paths_are_never_shown() -> None:
    found = explained(
        duckdb.IOException("IO Error: cannot open /data/tenants/secret/part-0.parquet")
    )
    assert isinstance(found, SqlFailed)
    assert "secret" not in str(found)


def test_an_engine_that_does_not_understand_says_so() -> None:
    found = explained(duckdb.BinderException("Binder Error: types differ\n\nLINE 1: SELECT"))
    assert isinstance(found, InvalidInput)
    assert "types differ" in str(found)
