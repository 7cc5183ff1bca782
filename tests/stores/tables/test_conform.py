from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from servicetsunami.errors import InvalidInput
from tests.stores.tables.rows import put, snapshot, types, values

NOON = datetime(2026, 3, 1, 12, 30, 15, 123456)


@pytest.mark.parametrize(
    ("array", "stored", "value"),
    [
        (pa.array([200], pa.uint8()), "smallint", 200),
        (pa.array([2**16 - 1], pa.uint16()), "int", 2**16 - 1),
        (pa.array([2**32 - 1], pa.uint32()), "bigint", 2**32 - 1),
        (pa.array([2**64 - 1], pa.uint64()), "decimal(20,0)", Decimal(2**64 - 1)),
        (pa.array([-1], pa.int8()), "tinyint", -1),
        (pa.array([1.5], pa.float16()), "float", 1.5),
        (pa.array([Decimal("1.50")], pa.decimal32(5, 2)), "decimal(5,2)", Decimal("1.50")),
        (pa.array([Decimal("1.50")], pa.decimal256(38, 2)), "decimal(38,2)", Decimal("1.50")),
        (pa.array([time(1, 2, 3)]), "string", "01:02:03.000000"),
        (pa.nulls(1), "string", None),
        (pa.array(["x"]).dictionary_encode(), "string", "x"),
        (pa.array(["x"], pa.large_string()), "string", "x"),
        (pa.array(["x"], pa.string_view()), "string", "x"),
        (pa.array([b"ab"], pa.binary(2)), "binary", b"ab"),
        (pa.array([True]), "boolean", True),
        (pa.array([date(2026, 1, 2)]), "date", date(2026, 1, 2)),
        (pa.array([NOON], pa.timestamp("us")), "timestamp_ntz", NOON),
        (
            pa.array([NOON.replace(tzinfo=UTC)], pa.timestamp("ns", "Asia/Tokyo")),
            "timestamp",
            NOON.replace(tzinfo=UTC),
        ),
        (
            pa.array([1_001], pa.timestamp("ns", "UTC")),
            "timestamp",
            datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
        ),
        (pa.array([[1, 2]], pa.list_(pa.uint8(), 2)), "array<smallint>", [1, 2]),
        (pa.array([{"a": 1, "b c": "x"}]), "struct<a:bigint,`b c`:string>", {"a": 1, "b c": "x"}),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())), "map<string,int>", [("k", 1)]),
    ],
)
def test_a_type_is_kept_under_the_databricks_type_that_holds_its_values(
    location: Path, array: pa.Array, stored: str, value: object
) -> None:
    written = put(location, pa.table({"id": array}))
    assert types(written) == {"id": stored}
    [found] = values(location, written)
    assert found == value


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1], pa.duration("s")),
        pa.array([Decimal(1)], pa.decimal256(50, 0)),
        pa.array([pa.MonthDayNano([1, 2, 3])]),
        pa.array([{}], pa.struct([])),
    ],
)
def test_a_type_that_tables_cannot_keep_is_refused_by_name(location: Path, array: pa.Array) -> None:
    with pytest.raises(InvalidInput, match="The column 'odd' has the type"):
        put(location, pa.table({"id": [1], "odd": array}))


@pytest.mark.parametrize("name", ["", " ", "a b", "a,b", "a=b", "a\nb", "a(b)"])
def test_a_name_that_tables_cannot_have_is_refused(location: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="Rename it"):
        put(location, pa.table({name: [1]}))


def test_names_that_differ_only_in_case_are_refused(location: Path) -> None:
    with pytest.raises(InvalidInput, match="'Name' and 'NAME'"):
        put(location, pa.table({"Name": [1], "NAME": [2]}))


def test_unusual_but_possible_names_survive(location: Path) -> None:
    names = ["a.b", 'quo"te', "ü", "1st", "tick`"]
    created = put(location, pa.table({each: [1] for each in names}))
    grown = put(location, pa.table({each: [2] for each in names}), base=created)
    assert [each.name for each in snapshot(location, grown).columns] == names
    assert values(location, grown, "a.b") == [1, 2]


@pytest.mark.parametrize(
    ("column", "incoming", "expected"),
    [
        (pa.array([1], pa.int64()), pa.array([2], pa.int8()), 2),
        (pa.array([1], pa.int32()), pa.array([2], pa.int64()), 2),
        (pa.array([1.0], pa.float64()), pa.array([2], pa.int32()), 2.0),
        (pa.array([1], pa.int64()), pa.array([2.0]), 2),
        (pa.array([1.0], pa.float32()), pa.array([2.1]), pytest.approx(2.1)),
        (pa.array([Decimal("1.00")]), pa.array([2], pa.int16()), Decimal("2.00")),
        (pa.array([Decimal("1.00")], pa.decimal128(10, 2)), pa.array([2.25]), Decimal("2.25")),
        (
            pa.array([Decimal("1.00")], pa.decimal128(10, 2)),
            pa.array([Decimal("2.5")], pa.decimal128(20, 1)),
            Decimal("2.50"),
        ),
        (pa.array(["1"]), pa.array([2]), "2"),
        (pa.array(["1"]), pa.array([date(2026, 1, 2)]), "2026-01-02"),
        (
            pa.array([NOON.replace(tzinfo=UTC, year=2020)], pa.timestamp("us", "UTC")),
            pa.array([NOON], pa.timestamp("ms")),
            NOON.replace(tzinfo=UTC, microsecond=123000),
        ),
        (
            pa.array([NOON.replace(year=2020)], pa.timestamp("us")),
            pa.array([date(2026, 1, 2)]),
            datetime(2026, 1, 2),
        ),
        (pa.array([[1]], pa.list_(pa.int64())), pa.array([[2]], pa.list_(pa.int8())), [2]),
        (pa.array([{"a": 1}]), pa.array([{"a": 2}], pa.struct([("a", pa.int8())])), {"a": 2}),
    ],
)
def test_values_of_another_type_join_a_column_that_holds_them(
    location: Path, column: pa.Array, incoming: pa.Array, expected: object
) -> None:
    created = put(location, pa.table({"id": column}))
    grown = put(location, pa.table({"id": incoming}), base=created)
    assert types(grown) == types(created)
    new = set(snapshot(location, grown).files) - set(snapshot(location, created).files)
    assert len(new) == 1
    assert pq.read_table(new.pop()).column("id").to_pylist() == [expected]


@pytest.mark.parametrize(
    ("column", "incoming", "message"),
    [
        (
            pa.array([1]),
            pa.array(["2"]),
            "'id' is bigint in the dataset but string in",
        ),
        (pa.array(["1"]), pa.array([2.5]), "'id' is string in the dataset but double"),
        (pa.array([True]), pa.array([1]), "'id' is boolean in the dataset but bigint"),
        (pa.array([date(2026, 1, 1)]), pa.array([NOON]), "'id' is date .* but timestamp_ntz"),
        (pa.array([1]), pa.array([[1]]), r"'id' is bigint in the dataset but list"),
        (pa.array([{"a": 1}]), pa.array([{"b": 1}]), "'id' is struct"),
        (pa.array([1], pa.int8()), pa.array([300]), "'id' is tinyint .* does not fit"),
        (pa.array([1]), pa.array([2.5]), "'id' is bigint .* does not fit"),
        (pa.array([1.0], pa.float32()), pa.array([1e300]), "'id' is float .* too large"),
        (
            pa.array([Decimal("1.0")]),
            pa.array([Decimal("123.4")]),
            r"decimal\(2,1\) .* does not fit",
        ),
    ],
)
def test_values_that_a_column_cannot_hold_are_refused_with_both_types(
    location: Path, column: pa.Array, incoming: pa.Array, message: str
) -> None:
    created = put(location, pa.table({"id": column}))
    with pytest.raises(InvalidInput, match=message):
        put(location, pa.table({"id": incoming}), base=created)
    assert values(location, created) == column.to_pylist()


def test_a_column_of_nothing_but_null_joins_any_column(location: Path) -> None:
    created = put(location, pa.table({"id": [1]}))
    grown = put(location, pa.table({"id": pa.nulls(2)}), base=created)
    assert types(grown) == {"id": "bigint"}
    assert values(location, grown) == [None, None, 1]


def test_a_column_without_any_value_joins_a_column_of_any_type(location: Path) -> None:
    created = put(location, pa.table({"id": pa.array([1])}))
    grown = put(location, pa.table({"id": pa.array([None], pa.string())}), base=created)
    assert types(grown) == types(created)
