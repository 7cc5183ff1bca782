from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import feather

from servicetsunami.engines.files.types import arrow_type
from servicetsunami.errors import InvalidInput

from .reading import read

_AT = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_ODD = {
    "u64": (pa.array([2**64 - 1, None], pa.uint64()), "decimal(20,0)", Decimal(2**64 - 1)),
    "u32": (pa.array([2**32 - 1, None], pa.uint32()), "bigint", 2**32 - 1),
    "u8": (pa.array([255, None], pa.uint8()), "smallint", 255),
    "day64": (pa.array([date(2024, 1, 2), None], pa.date64()), "date", date(2024, 1, 2)),
    "ms": (pa.array([_AT, None], pa.timestamp("ms", "UTC")), "timestamp", None),
    "naive": (
        pa.array([_AT.replace(tzinfo=None), None], pa.timestamp("us")),
        "timestamp_ntz",
        None,
    ),
    "clock": (pa.array([time(1, 2, 3), None], pa.time64("us")), "string", "01:02:03"),
    "words": (pa.array(["x", None]).dictionary_encode(), "string", "x"),
    "large": (pa.array(["x", None], pa.large_string()), "string", "x"),
    "view": (pa.array(["x", None], pa.string_view()), "string", "x"),
    "fixed": (pa.array([b"ab", None], pa.binary(2)), "binary", b"ab"),
    "money": (pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)), "decimal(10,2)", None),
    "list": (pa.array([[1, 2], None], pa.large_list(pa.uint8())), "array<smallint>", [1, 2]),
    "s": (
        pa.array(
            [{"a": 1, "A b": [2]}, None], pa.struct({"a": pa.uint32(), "A b": pa.list_(pa.int8())})
        ),
        "struct<a:bigint,A_b:array<tinyint>>",
        {"a": 1, "A_b": [2]},
    ),
    "m": (
        pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.uint16())),
        "map<string,int>",
        [("k", 1)],
    ),
    "none": (pa.nulls(2), "string", None),
}


def _table() -> pa.Table:
    return pa.table({name: array for name, (array, _, _) in _ODD.items()})


def _write(path: Path, table: pa.Table) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".feather":
        feather.write_feather(table, str(path))
    else:
        opener = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with opener(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.arrows", "t.feather"])
def test_every_type_is_made_fit_for_delta(tmp_path: Path, name: str) -> None:
    table = _table()
    if name == "t.parquet":
        table = table.drop_columns(["none"]).append_column("none", pa.nulls(2, pa.string()))
    reading = read(_write(tmp_path / name, table))

    expected = {name: kind for name, (_, kind, _) in _ODD.items()}
    # Parquet has no millisecond dates or unsigned bytes in lists of its own: same result.
    assert reading.types == expected
    for column, (_, _, value) in _ODD.items():
        assert reading.rows[1][column] is None
        if value is not None:
            assert reading.rows[0][column] == value, column
    assert "uint64 as decimal" in reading.how["u64"]


def test_what_is_read_can_be_written_as_delta(tmp_path: Path) -> None:
    reading = read(_write(tmp_path / "t.arrow", _table().drop_columns(["naive"])))
    schema = pa.schema([(name, arrow_type(kind)) for name, kind in reading.types.items()])
    write_deltalake(tmp_path / "delta", pa.Table.from_pylist(reading.rows, schema=schema))

    assert DeltaTable(tmp_path / "delta").count() == 2


def test_durations_and_half_floats_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "d": pa.array([timedelta(days=1, seconds=2)], pa.duration("us")),
            "h": pa.array([1.5], pa.float16()),
        }
    )
    reading = read(_write(tmp_path / "t.arrow", table))

    assert reading.types == {"d": "string", "h": "float"}
    assert reading.rows == [{"d": "1 day, 0:00:02", "h": 1.5}]


def test_nanoseconds_are_cut_and_it_is_said(tmp_path: Path) -> None:
    table = pa.table({"at": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns", "UTC"))})
    reading = read(_write(tmp_path / "t.parquet", table))

    assert reading.types == {"at": "timestamp"}
    assert "nanoseconds cut to microseconds" in reading.warned


def test_slices_of_nested_batches_stay_right(tmp_path: Path) -> None:
    values = [[i, i + 1] if i % 3 else None for i in range(40_000)]
    maps = [[(f"k{i}", i)] if i % 5 else None for i in range(40_000)]
    table = pa.table(
        {
            "v": pa.array(values, pa.list_(pa.uint32())),
            "m": pa.array(maps, pa.map_(pa.string(), pa.uint16())),
        }
    )
    reading = read(_write(tmp_path / "t.arrow", table))

    assert reading.column("v") == values
    assert reading.column("m") == maps


def test_names_equal_but_for_case_are_told_apart(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "A", "b c"])
    reading = read(_write(tmp_path / "t.parquet", table))

    assert reading.rows == [{"a": 1, "A_2": 2, "b_c": 3}]


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", pa.table({"a": [1]}))

    assert read(path.rename(tmp_path / "t.csv")).source.format == "parquet"


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.parquet", pa.table({"a": list(range(1000))}))
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(InvalidInput, match="cannot be read"):
        read(path)
