from collections.abc import Mapping, Sequence
from datetime import date

import pytest

from servicetsunami.engines.files import ReadOptions, open_rows
from servicetsunami.errors import InvalidInput


def _read(
    rows: Sequence[Mapping[str, object]], options: Mapping[str, object] | None = None
) -> tuple[dict[str, str], list[dict[str, object]], list[str]]:
    with open_rows(rows, ReadOptions.parse(options or {})) as source:
        values = source.reader.read_all().to_pylist()
        assert source.rejects().count == 0
        return {column.name: column.type for column in source.columns}, values, source.warnings


def test_rows_of_a_call_get_types_from_all_values() -> None:
    types, rows, _ = _read(
        [{"id": 1, "day": "2024-01-02", "zip": "01234"}, {"id": 2.5, "new": {"a": [1]}}]
    )

    assert types == {
        "id": "double",
        "day": "date",
        "zip": "string",
        "new": "struct<a:array<bigint>>",
    }
    assert rows[0] == {"id": 1.0, "day": date(2024, 1, 2), "zip": "01234", "new": None}


def test_mixed_types_become_text_and_are_reported() -> None:
    types, rows, warnings = _read([{"a": 1}, {"a": "x"}, {"a": True}])

    assert types == {"a": "string"}
    assert [row["a"] for row in rows] == ["1", "x", "true"]
    assert "several types (1 bigint, 1 boolean, 1 string)" in warnings[0]


def test_given_types_win() -> None:
    types, rows, _ = _read([{"a": "5"}, {"a": 6}], {"columns": {"a": "int"}})

    assert types == {"a": "int"}
    assert rows == [{"a": 5}, {"a": 6}]


def test_a_value_that_a_given_type_cannot_hold_rejects_its_row() -> None:
    with open_rows([{"a": 1}, {"a": "x"}], ReadOptions.parse({"columns": {"a": "int"}})) as source:
        assert source.reader.read_all().num_rows == 1
        rejects = source.rejects()

    assert rejects.first[0]["line"] == 2
    assert rejects.first[0]["reason"] == "'x' is not a int"


@pytest.mark.parametrize("rows", [[], [{}]])
def test_rows_without_values_are_refused(rows: list[dict[str, object]]) -> None:
    with (
        pytest.raises(InvalidInput, match="no rows with values"),
        open_rows(rows, ReadOptions()),
    ):
        pass
