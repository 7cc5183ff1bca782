"""What goes into an index elsewhere: the rows that differ, in the types that it has."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from servicetsunami.domain.dataset import Column
from servicetsunami.domain.index_there import columns_there
from servicetsunami.engines.vectors.rows import Changes, read_changes

TYPES = {"id": "string", "text": "string", "vector": "array<float>", "n": "integer"}


def write(table: Path, *rows: dict[str, Any]) -> None:
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("vector", pa.list_(pa.float32())),
            ("n", pa.int32()),
        ]
    )
    write_deltalake(table, pa.Table.from_pylist(list(rows), schema=schema), mode="overwrite")


def row(name: str | None, n: int = 0, vector: list[float] | None = None) -> dict[str, Any]:
    return {"id": name, "text": f"text of {name}", "vector": vector or [1.0, 0.0], "n": n}


def changes(table: Path, version: int, base: int | None = None, *touched: int) -> Changes:
    return read_changes(table, version, base=base, touched=touched, types=TYPES, dimension=2)


def put(found: Changes) -> dict[str, int]:
    return {each["id"]: each["n"] for batch in found.batches() for each in batch}


def test_only_what_differs_is_sent(tmp_path: Path) -> None:
    write(tmp_path, row("a"), row("b"), row("c"))
    write(tmp_path, row("a"), row("b", 2), row("d"))
    write(tmp_path, row("a", vector=[0.0, 1.0]), row("b", 2), row("d"))

    assert put(changes(tmp_path, 0)) == {"a": 0, "b": 0, "c": 0}
    second = changes(tmp_path, 1, 0)
    assert (put(second), second.removed) == ({"b": 2, "d": 0}, ["c"])
    assert second.ids == {"a", "b", "d"}
    assert put(changes(tmp_path, 2, 1)) == {"a": 0}
    assert put(changes(tmp_path, 1, 1)) == {}
    assert changes(tmp_path, 2, None, 0, 1).removed == ["c"]


def test_rows_that_no_index_can_hold_are_counted_and_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        row("a", 1),
        row(None),
        row("short", vector=[1.0]),
        {**row("none"), "vector": None},
        row("a", 2),
    )
    found = changes(tmp_path, 0)
    assert put(found) == {"a": 2}
    assert found.left_out == 3


def test_batches_are_short_enough_for_a_request(tmp_path: Path) -> None:
    many = [row(f"{n:04}", n) for n in range(450)]
    write(tmp_path, *many, {**row("long"), "text": "x" * 2**21})
    batches = list(changes(tmp_path, 0).batches())
    assert [len(each) for each in batches] == [200, 200, 50, 1]
    only = list(changes(tmp_path, 0).batches({"0007"}))
    assert [[each["id"] for each in batch] for batch in only] == [["0007"]]


@pytest.mark.parametrize(
    ("kind", "value", "type_there", "shown"),
    [
        (pa.decimal128(6, 2), Decimal("1.50"), "string", "1.50"),
        (pa.date32(), date(2026, 1, 31), "date", "2026-01-31"),
        (
            pa.timestamp("us", "UTC"),
            datetime(2026, 1, 31, tzinfo=UTC),
            "timestamp",
            "2026-01-31T00:00:00+00:00",
        ),
        (pa.float64(), float("nan"), "double", None),
        (pa.float64(), 1.5, "double", 1.5),
        (pa.int64(), 2**40, "long", 2**40),
        (pa.bool_(), True, "boolean", True),
        (pa.list_(pa.string()), ["a"], "string", '["a"]'),
        (pa.struct([("a", pa.int32())]), {"a": 1}, "string", '{"a": 1}'),
        (pa.string(), None, "string", None),
    ],
    ids=str,
)
def test_columns_of_any_type_have_one_there(
    tmp_path: Path, kind: pa.DataType, value: Any, type_there: str, shown: Any
) -> None:
    names = {pa.float64(): "double", pa.int64(): "bigint", pa.bool_(): "boolean"}
    names |= {pa.date32(): "date", pa.timestamp("us", "UTC"): "timestamp"}
    vector = pa.array([[1.0, 0.0]], pa.list_(pa.float32()))
    table = pa.table({"id": ["a"], "text": ["t"], "vector": vector, "x": pa.array([value], kind)})
    write_deltalake(tmp_path, table)
    types = columns_there([Column(name="x", type=names.get(kind, "decimal(6,2)"))])
    assert types["x"] == type_there
    found = read_changes(tmp_path, 0, base=None, touched=(), types=types, dimension=2)
    [[row_there]] = found.batches()
    assert row_there["x"] == shown
