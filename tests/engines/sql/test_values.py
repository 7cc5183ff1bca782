import json

import duckdb
import pytest

from servicetsunami.engines.sql.values import encode

SCALARS = [
    ("CAST(NULL AS INTEGER)", None),
    ("NULL", None),
    ("true", True),
    ("CAST(255 AS UTINYINT)", 255),
    ("-2147483648", -2147483648),
    ("9007199254740992", 9007199254740992),
    ("9007199254740993", "9007199254740993"),
    ("-9007199254740993", "-9007199254740993"),
    ("CAST('18446744073709551615' AS UBIGINT)", "18446744073709551615"),
    ("CAST(7 AS BIGINT)", 7),
    ("CAST('170141183460469231731687303715884105727' AS HUGEINT)", f"{2**127 - 1}"),
    ("CAST('1.50' AS DECIMAL(10, 2))", "1.50"),
    ("CAST('0.00000000000000000001' AS DECIMAL(38, 20))", "0.00000000000000000001"),
    (
        "CAST('12345678901234567890123456789012345678' AS DECIMAL(38, 0))",
        "1234567890" * 3 + "12345678",
    ),
    ("CAST(0.1 AS FLOAT)", 0.1),
    ("CAST(0.1 AS DOUBLE)", 0.1),
    ("CAST('nan' AS DOUBLE)", "NaN"),
    ("CAST('inf' AS FLOAT)", "Infinity"),
    ("CAST('-inf' AS DOUBLE)", "-Infinity"),
    ("'Grüße 🌍'", "Grüße 🌍"),
    ("CAST('\\xFF\\x00' AS BLOB)", "/wA="),
    ("DATE '2024-02-29'", "2024-02-29"),
    ("DATE '0001-01-01'", "0001-01-01"),
    ("DATE '0044-03-15 (BC)'", "-0043-03-15"),
    ("DATE '12024-01-31'", "+12024-01-31"),
    ("CAST('infinity' AS DATE)", "infinity"),
    ("TIMESTAMP '2024-02-29 12:34:56'", "2024-02-29T12:34:56"),
    ("TIMESTAMP '2024-02-29 12:34:56.000120'", "2024-02-29T12:34:56.00012"),
    ("TIMESTAMP '1969-12-31 23:59:59.5'", "1969-12-31T23:59:59.5"),
    ("TIMESTAMP '290000-01-01 01:01:01'", "+290000-01-01T01:01:01"),
    ("CAST('-infinity' AS TIMESTAMP)", "-infinity"),
    ("TIMESTAMPTZ '2024-02-29 12:00:00+02'", "2024-02-29T10:00:00Z"),
    ("TIMESTAMP_NS '2024-01-01 00:00:00.123456789'", "2024-01-01T00:00:00.123456789"),
    ("TIME '01:02:03.5'", "01:02:03.5"),
    ("INTERVAL '14 months'", "1-2"),
    ("INTERVAL '-14 months'", "-1-2"),
    ("INTERVAL '1 day 2 hours'", "1 02:00:00"),
    ("INTERVAL '-36 hours'", "-1 12:00:00"),
    ("INTERVAL '0 days'", "0 00:00:00"),
    ("INTERVAL '1 month 3 days'", "0-1 3 00:00:00"),
    ("CAST('b' AS ENUM ('a', 'b'))", "b"),
    ("CAST('{\"a\": [1]}' AS JSON)", '{"a": [1]}'),
]
NESTED = [
    ("[1, NULL, 3]", [1, None, 3]),
    ("CAST([] AS INTEGER[])", []),
    ("CAST([1, 2] AS INTEGER[2])", [1, 2]),
    ("{'a': 1, 'b': [DATE '2024-01-01']}", {"a": 1, "b": ["2024-01-01"]}),
    ("MAP {'x': 1.5, 'y': NULL}", {"x": "1.5", "y": None}),
    ("MAP {1: 'a', 2: 'b'}", [[1, "a"], [2, "b"]]),
    ("[MAP {'k': {'n': CAST('nan' AS DOUBLE)}}]", [{"k": {"n": "NaN"}}]),
    ("CAST(NULL AS STRUCT(a INTEGER))", None),
    ("CAST(NULL AS MAP(VARCHAR, INTEGER))", None),
]


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def shown(database, sql):
    [column] = database.sql(sql).to_arrow_table().combine_chunks().columns
    return encode(column.chunk(0))


@pytest.mark.parametrize(("sql", "value"), SCALARS + NESTED)
def test_a_value_is_shown_exactly_and_as_json(database, sql, value):
    [found] = shown(database, f"SELECT {sql} AS x")

    assert found == value
    assert type(found) is type(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == value


@pytest.mark.parametrize(
    ("element", "turn"),
    [
        ("CASE WHEN i % 3 > 0 THEN [i, i + 1] END", lambda i: [i, i + 1] if i % 3 else None),
        ("CASE WHEN i % 2 > 0 THEN {'a': i} END", lambda i: {"a": i} if i % 2 else None),
        ("CASE WHEN i % 5 > 0 THEN MAP {'k': i} END", lambda i: {"k": i} if i % 5 else None),
        ("CAST([i, i] AS BIGINT[2])", lambda i: [i, i]),
        ("{'a': [{'b': i}]}", lambda i: {"a": [{"b": i}]}),
    ],
)
def test_a_slice_of_nested_values_shows_its_own_rows(database, element, turn):
    table = database.sql(f"SELECT {element} AS x FROM range(100) t(i) ORDER BY i").to_arrow_table()
    batch = table.combine_chunks().to_batches()[0]

    assert encode(batch.slice(37, 20).column(0)) == [turn(i) for i in range(37, 57)]
