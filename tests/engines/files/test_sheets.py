from datetime import date
from pathlib import Path

import pytest

from servicetsunami.errors import InvalidInput

from .reading import read
from .workbooks import write_workbook

_ROWS = [
    ["id", "name", "price", "day", "paid"],
    [1, "x", 1.5, date(2024, 1, 2), True],
    [2, None, 2, date(2024, 1, 3), False],
]


def test_a_sheet_gets_types_from_all_its_cells(tmp_path: Path) -> None:
    reading = read(write_workbook(tmp_path / "t.xlsx", {"Sheet1": _ROWS}))

    assert reading.source.format == "excel"
    assert reading.types == {
        "id": "bigint",
        "name": "string",
        "price": "double",
        "day": "date",
        "paid": "boolean",
    }
    assert reading.rows[1] == {
        "id": 2,
        "name": None,
        "price": 2.0,
        "day": date(2024, 1, 3),
        "paid": False,
    }


def test_titles_and_empty_rows_above_the_table_are_skipped(tmp_path: Path) -> None:
    rows = [["Sales 2024"], [None], [None, None, "in EUR"], *_ROWS, [None], [3, "y", 1, None, None]]
    reading = read(write_workbook(tmp_path / "t.xlsx", {"S": rows}))

    assert list(reading.types) == ["id", "name", "price", "day", "paid"]
    assert reading.column("id") == [1, 2, 3]
    assert "Rows above the table were skipped: Sales 2024; in EUR" in reading.warned


def test_the_sheet_that_was_taken_is_told_and_can_be_chosen(tmp_path: Path) -> None:
    path = write_workbook(
        tmp_path / "t.xlsx", {"Empty": [], "Q1": [["a"], [1]], "Q2": [["a"], [2]]}
    )

    first = read(path)
    assert first.column("a") == [1]
    assert "The sheet 'Q1' was read; there are also 'Empty', 'Q2'" in first.warned
    assert read(path, {"sheet": "Q2"}).column("a") == [2]
    assert read(path, {"sheet": 3}).column("a") == [2]
    with pytest.raises(InvalidInput, match="Its sheets are Empty, Q1, Q2"):
        read(path, {"sheet": "Q9"})


def test_a_few_bad_cells_are_rejected_by_row_number(tmp_path: Path) -> None:
    rows = [["n"], *([i] for i in range(1, 201)), ["total"]]
    reading = read(write_workbook(tmp_path / "t.xlsx", {"S": rows}))

    assert reading.types == {"n": "bigint"}
    assert reading.reasons == [(202, "'total' is not a bigint")]


def test_mixed_cells_become_text(tmp_path: Path) -> None:
    rows = [["n", "d"], [1, "x"], ["two", "y"], [3.5, "z"]]
    reading = read(write_workbook(tmp_path / "t.xlsx", {"S": rows}))

    assert reading.column("n") == ["1", "two", "3.5"]
    assert "several types" in reading.warned


def test_a_sheet_without_a_header_gets_names(tmp_path: Path) -> None:
    reading = read(write_workbook(tmp_path / "t.xlsx", {"S": [[1, "x"], [2, "y"]]}))

    assert reading.rows == [
        {"column_1": 1, "column_2": "x"},
        {"column_1": 2, "column_2": "y"},
    ]


def test_a_damaged_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 2000)

    with pytest.raises(InvalidInput, match="workbook cannot be opened"):
        read(path)
