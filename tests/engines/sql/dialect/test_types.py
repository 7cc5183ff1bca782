"""Types in both notations."""

import pytest

from servicetsunami.engines.sql.types import databricks_type, duckdb_type, parse_type
from servicetsunami.errors import InvalidInput


@pytest.mark.parametrize(
    ("databricks", "duckdb"),
    [
        ("boolean", "BOOLEAN"),
        ("tinyint", "TINYINT"),
        ("smallint", "SMALLINT"),
        ("int", "INTEGER"),
        ("bigint", "BIGINT"),
        ("float", "FLOAT"),
        ("double", "DOUBLE"),
        ("decimal(10,2)", "DECIMAL(10,2)"),
        ("string", "VARCHAR"),
        ("binary", "BLOB"),
        ("date", "DATE"),
        ("timestamp", "TIMESTAMP WITH TIME ZONE"),
        ("timestamp_ntz", "TIMESTAMP"),
        ("interval day to second", "INTERVAL"),
        ("array<int>", "INTEGER[]"),
        ("array<array<string>>", "VARCHAR[][]"),
        ("map<string,array<int>>", "MAP(VARCHAR, INTEGER[])"),
        ("struct<a:int,`b c`:map<string,decimal(5,1)>>", None),
    ],
)
def test_a_type_has_one_counterpart(databricks: str, duckdb: str | None) -> None:
    found = duckdb_type(databricks)
    assert duckdb is None or found == duckdb
    assert databricks_type(found) == databricks


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("INTEGER", "int"),
        ("long", "bigint"),
        (" Decimal ( 10 , 2 ) ", "decimal(10,2)"),
        ("decimal", "decimal(10,0)"),
        ("numeric(5)", "decimal(5,0)"),
        ("varchar(20)", "string"),
        ("timestamp_ltz", "timestamp"),
        ("STRUCT<a INT, b: STRING>", "struct<a:int,b:string>"),
        ("interval year", "interval year to month"),
        ("interval day", "interval day"),
        ("void", "void"),
        ("variant", "variant"),
    ],
)
def test_other_spellings_mean_the_same(given: str, meant: str) -> None:
    assert str(parse_type(given)) == meant


@pytest.mark.parametrize(
    ("duckdb", "databricks"),
    [
        ("HUGEINT", "decimal(38,0)"),
        ("UBIGINT", "decimal(20,0)"),
        ("UINTEGER", "bigint"),
        ("TIMESTAMP_NS", "timestamp_ntz"),
        ("UUID", "string"),
        ("JSON", "string"),
        ("TIME", "string"),
        ("ENUM('a', 'b')", "string"),
        ("INTEGER[3]", "array<int>"),
        ('STRUCT("a ""b" INTEGER, c VARCHAR[])[]', 'array<struct<`a "b`:int,c:array<string>>>'),
        ("TUPLE(INTEGER, VARCHAR)", "struct<col1:int,col2:string>"),
    ],
)
def test_every_type_of_the_engine_has_a_name(duckdb: str, databricks: str) -> None:
    assert databricks_type(duckdb) == databricks


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "nope",
            "decimal(40,2)",
            "decimal(2,3)",
            "decimal(a)",
            "array",
            "array<int",
            "map<int>",
        ),
        *(
            "array<int,int>",
            "int)",
            "struct<a>",
            "array<" * 60 + "int" + ">" * 60,
            "int; drop",
            "struct<`{0}`:int>",
        ),
    ],
)
def test_what_is_no_type_is_named(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_type(text)


@pytest.mark.parametrize("text", ["", "NOPE", "STRUCT(a", "DECIMAL(x,1)"])
def test_what_is_no_type_of_the_engine_is_named(text: str) -> None:
    with pytest.raises(InvalidInput):
        databricks_type(text)
