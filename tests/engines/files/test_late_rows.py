"""What the sample did not show: the file is read again with what all rows taught."""

from pathlib import Path

import pytest

from servicetsunami.engines.files import ReadOptions, TypesMisjudged, open_path

from .reading import read_text

pytestmark = pytest.mark.slow

# More than the sample's head, and one odd row that no block of the sample holds.
_ROWS = 250_000
_MANY = "".join(f"{i},2024-01-01,2024-01-01 00:00:00\n" for i in range(_ROWS))
_HEADER = "n,day,at\n"


@pytest.mark.parametrize(
    ("late", "column", "kind"),
    [
        ("3.7,2024-01-01,2024-01-01 00:00:00", "n", "double"),
        ("007,2024-01-01,2024-01-01 00:00:00", "n", "string"),
        ("9223372036854775808,2024-01-01,2024-01-01 00:00:00", "n", "decimal(38,0)"),
        ("1,2024-01-01 10:30:00,2024-01-01 00:00:00", "day", "timestamp"),
    ],
)
def test_a_late_value_that_would_lose_something_widens_its_column(
    tmp_path: Path, late: str, column: str, kind: str
) -> None:
    reading = read_text(tmp_path / "t.csv", f"{_HEADER}{_MANY}{late}\n")

    assert reading.types[column] == kind
    assert len(reading.rows) == _ROWS + 1
    assert reading.rejects.count == 0
    assert f"1 of {_ROWS + 1:,} rows have a value that" in reading.how[column]


def test_a_late_time_zone_is_kept(tmp_path: Path) -> None:
    late = "1,2024-01-01,2024-01-01T12:00:00+02:00\n"
    reading = read_text(tmp_path / "t.csv", f"{_HEADER}{_MANY}{late}")

    assert str(reading.rows[-1]["at"]) == "2024-01-01 10:00:00+00:00"


def test_a_few_late_misfits_are_rejected_with_their_lines(tmp_path: Path) -> None:
    late = "oops,2024-01-01,2024-01-01 00:00:00\n1,2\n-,2024-01-01,2024-01-01 00:00:00\n"
    reading = read_text(tmp_path / "t.csv", f"{_HEADER}{_MANY}{late}")

    assert reading.types["n"] == "bigint"
    assert reading.reasons == [
        (_ROWS + 2, "'oops' is not a bigint"),
        (_ROWS + 3, "too few cells: 2 instead of 3"),
    ]
    assert reading.rows[-1]["n"] is None


def test_many_late_misfits_make_the_column_text(tmp_path: Path) -> None:
    head = "".join(f"{i},x\n" for i in range(300_000))
    odd = "none of it,x\n" * 6_000
    path = tmp_path / "t.csv"
    path.write_text(f"n,s\n{head}{odd}")
    options = ReadOptions()
    with (
        pytest.raises(TypesMisjudged) as caught,
        open_path(
            path, options, temp_dir=tmp_path / "work", memory_limit_mb=200, threads=2
        ) as source,
    ):
        source.reader.read_all()

    assert caught.value.corrections.columns[0].type == "string"
    assert len(read_text(path, path.read_bytes()).rows) == 306_000


def test_late_letters_beyond_ascii_tell_the_encoding(tmp_path: Path) -> None:
    rows = "abc,1\n" * 800_000 + "José,2\nZoë,3\n"
    reading = read_text(tmp_path / "t.csv", f"name,n\n{rows}".encode("windows-1252"))

    assert reading.column("name")[-2:] == ["José", "Zoë"]
    assert reading.source.details.encoding == "windows-1252"


def test_late_mixed_line_ends_are_found(tmp_path: Path) -> None:
    rows = b"1,x\n" * 800_000 + b"2,y\r\n3,z\r4,w\n"
    reading = read_text(tmp_path / "t.csv", b"a,b\n" + rows)

    assert reading.column("a")[-3:] == [2, 3, 4]
    assert "Line ends are mixed" in reading.warned


def test_progress_counts_rows_and_ends_at_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(_HEADER + _MANY)
    told: list[tuple[int, float | None]] = []
    with open_path(
        path,
        ReadOptions(),
        temp_dir=tmp_path / "work",
        memory_limit_mb=200,
        threads=2,
        on_progress=lambda rows, fraction: told.append((rows, fraction)),
    ) as source:
        source.reader.read_all()

    assert told[-1] == (_ROWS, 1.0)
    assert told == sorted(told, key=lambda each: each[0])
    assert 0.3 < next(fraction or 0 for rows, fraction in told if rows >= _ROWS // 2) < 0.8
