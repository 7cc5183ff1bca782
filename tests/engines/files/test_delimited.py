"""A matrix of clean and dirty delimited text: content in, types, rows and reports out."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from servicetsunami.errors import InvalidInput, LimitExceeded

from .reading import read_text


@pytest.mark.parametrize(
    ("content", "kind", "values"),
    [
        ("x\n1\n-2\n", "bigint", [1, -2]),
        ("x\n1\n2.5\n", "double", [1.0, 2.5]),
        ("x\ntrue\nFALSE\n", "boolean", [True, False]),
        ("x\n2024-02-29\n2024-03-01\n", "date", [date(2024, 2, 29), date(2024, 3, 1)]),
        ("x\n01234\n98765\n", "string", ["01234", "98765"]),
        ("x\n0\n10\n", "bigint", [0, 10]),
        ("x\n9223372036854775808\n1\n", "decimal(38,0)", [Decimal(2**63), Decimal(1)]),
        (f"x\n{'9' * 40}\n1\n", "string", ["9" * 40, "1"]),
        ("x\n1\ntwo\n", "string", ["1", "two"]),
        ("x,y\nNA,1\n-,2\n3,3\n", "bigint", [None, None, 3]),
        ("x,y\nNA,1\nb,2\n", "string", ["NA", "b"]),
        ("x,y\nNaN,1\n1.5,2\n", "double", [None, 1.5]),
        ("x,y\n,1\n,2\n", "string", [None, None]),
        ("x\n1.50\n2.25\n", "double", [1.5, 2.25]),
        ("x\n13/02/2024\n01/03/2024\n", "date", [date(2024, 2, 13), date(2024, 3, 1)]),
        ("x\n02/13/2024\n03/01/2024\n", "date", [date(2024, 2, 13), date(2024, 3, 1)]),
        ("x\n13.02.24\n01.03.24\n", "date", [date(2024, 2, 13), date(2024, 3, 1)]),
        ("x\n2024/02/13\n", "date", [date(2024, 2, 13)]),
        ("x\n13-Feb-2024\n", "date", [date(2024, 2, 13)]),
        ('x\n"a ""b"" c"\n"d\ne"\n', "string", ['a "b" c', "d\ne"]),
        ("x\n12:30\n", "string", ["12:30"]),
    ],
)
def test_a_column_gets_the_narrowest_type_that_loses_nothing(
    tmp_path: Path, content: str, kind: str, values: list[object]
) -> None:
    reading = read_text(tmp_path / "t.csv", content)

    assert reading.types["x"] == kind
    assert reading.column("x") == values
    assert reading.rejects.count == 0


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2024-01-02T03:04:05Z", 3),
        ("2024-01-02 03:04:05", 3),
        ("2024-01-02T03:04:05+02:00", 1),
        ("1/13/2024 3:04:05 PM", 15),
    ],
)
def test_timestamps_become_utc(tmp_path: Path, text: str, hour: int) -> None:
    reading = read_text(tmp_path / "t.csv", f"at\n{text}\n")

    assert reading.types == {"at": "timestamp"}
    [moment] = reading.column("at")
    assert isinstance(moment, datetime)
    assert moment.astimezone(UTC).hour == hour


def test_every_usual_delimiter_is_found(tmp_path: Path) -> None:
    for sign in ",;\t|~^":
        reading = read_text(tmp_path / "t.txt", f"a{sign}b\n1{sign}x y\n2{sign}z\n")
        assert reading.rows == [{"a": 1, "b": "x y"}, {"a": 2, "b": "z"}], repr(sign)
        assert reading.source.details.delimiter == sign


def test_a_decimal_comma_is_found_between_semicolons(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "price;n\n1,5;1\n22,75;2\n")

    assert reading.column("price") == [1.5, 22.75]
    assert reading.source.details.decimal_separator == ","


def test_three_digits_after_every_comma_are_not_taken_for_decimals(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "n;m\n1,500;1\n2,750;2\n")

    assert reading.types["n"] == "string"
    assert "thousands_separator" in reading.warned


def test_thousands_are_read_as_told(tmp_path: Path) -> None:
    text = 'n;m\n"1.500,25";1\n"2.750.000,5";2\n'
    options = {"thousands_separator": ".", "decimal_separator": ","}
    reading = read_text(tmp_path / "t.csv", text, options)

    assert reading.column("n") == [1500.25, 2750000.5]


def test_ragged_rows_are_rejected_with_line_and_reason(tmp_path: Path) -> None:
    good = "1,w,3\n" * 300
    reading = read_text(tmp_path / "t.csv", f'a,b,c\n1,"x\ny",3\n4,5\n6,7,8,9\n{good}')

    assert len(reading.rows) == 301
    assert reading.reasons == [
        (4, "too few cells: 2 instead of 3"),
        (5, "too many cells: 4 instead of 3"),
    ]
    assert reading.rejects.first[1]["raw"] == "6,7,8,9"
    assert reading.rejects.reader.read_all().num_rows == reading.rejects.count == 2


def test_a_few_bad_cells_are_rejected_and_the_type_stays(tmp_path: Path) -> None:
    rows = [f"{i},2024-01-01" for i in range(200)]
    rows[150] = "oops,2024-01-01"
    rows[160] = "160,2024-02-31"
    reading = read_text(tmp_path / "t.csv", "n,day\n" + "\n".join(rows))

    assert reading.types == {"n": "bigint", "day": "date"}
    assert len(reading.rows) == 198
    assert reading.reasons == [(152, "'oops' is not a bigint"), (162, "'2024-02-31' is not a date")]
    assert [row["column"] for row in reading.rejects.first] == ["n", "day"]


def test_many_bad_cells_make_the_column_text_and_say_so(tmp_path: Path) -> None:
    rows = [str(i) if i % 20 else "unknown" for i in range(200)]
    reading = read_text(tmp_path / "t.csv", "n\n" + "\n".join(rows))

    assert reading.types == {"n": "string"}
    assert reading.rejects.count == 0
    assert "95% of the sampled values are numbers" in reading.warned


def test_rows_that_are_all_short_are_filled_up(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "a,b,c\n" + "1,2\n1,2,3\n" * 50)

    assert len(reading.rows) == 100
    assert reading.rows[0] == {"a": 1, "b": 2, "c": None}
    assert "too few cells" in reading.warned


def test_a_footer_is_rejected(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "day,n\n2024-01-01,1\n2024-01-02,2\nTotal: 2 rows\n")

    assert reading.types == {"day": "date", "n": "bigint"}
    assert reading.reasons == [(4, "too few cells: 1 instead of 2")]


def test_lines_above_the_table_are_skipped_and_shown(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "Sales report\n\nid,n\n1,2\n3,oops\n")

    assert list(reading.types) == ["id", "n"]
    assert len(reading.rows) == 2
    assert "1 lines above the table were skipped: Sales report" in reading.warned


def test_a_missing_header_is_noticed(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "1,x\n2,y\n")

    assert reading.rows == [
        {"column_1": 1, "column_2": "x"},
        {"column_1": 2, "column_2": "y"},
    ]
    assert "no header" in reading.warned


def test_years_can_be_a_header(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "country,2019,2020\nFrance,1,2\nSpain,3,4\n")

    assert list(reading.types) == ["country", "_2019", "_2020"]


def test_names_are_made_safe_and_unique(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", 'id,ID, ,first name,a.b,"Größe (cm)"\n1,2,3,4,5,6\n')

    assert list(reading.types) == ["id", "ID_2", "column_3", "first_name", "a_b", "Größe_cm"]
    assert "'ID' occurs more than once" in reading.warned
    assert "'first name' is first_name" in reading.warned


def test_a_header_may_span_lines(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", '"unit\nprice",n\n1,2\n3,4,5\n6,7\n' + "1,1\n" * 5)

    assert list(reading.types) == ["unit_price", "n"]
    assert reading.rows[0] == {"unit_price": 1, "n": 2}
    assert reading.reasons == [(4, "too many cells: 3 instead of 2")]


def test_a_file_that_sniffs_to_one_column_is_called_out(tmp_path: Path) -> None:
    text = "some, text\nthird; with, more, and\nx\na, b, c, d\nno\nlast, one, of\n"
    reading = read_text(tmp_path / "t.csv", text)

    assert len(reading.types) == 1
    assert "ONE column" in reading.warned


def test_ambiguous_dates_are_said_to_be(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "d\n01/02/2024\n03/04/2024\n")
    told = read_text(tmp_path / "t.csv", "d\n01/02/2024\n", {"date_format": "dd/MM/yyyy"})

    assert "ambiguous, such as '01/02/2024': read as %m/%d/%Y" in reading.warned
    assert reading.source.details.date_formats == {"d": "%m/%d/%Y"}
    assert told.column("d") == [date(2024, 2, 1)]


def test_money_says_how_to_be_exact(tmp_path: Path) -> None:
    text = "price,total\n1.50,$1.00\n2.25,$2.00\n"
    guessed = read_text(tmp_path / "t.csv", text)
    told = read_text(tmp_path / "t.csv", text, {"columns": {"PRICE": "decimal(18,2)"}})

    assert "decimal(18,2)" in guessed.how["price"]
    assert "currency" in guessed.warned
    assert told.column("price") == [Decimal("1.50"), Decimal("2.25")]
    assert told.how["price"] == "given by you"


def test_given_types_reject_what_they_would_lose(tmp_path: Path) -> None:
    text = "n,day\n1,2024-01-01\n2.7,2024-01-02\n3,2024-01-03 10:00\n" + "4,2024-01-04\n" * 4
    reading = read_text(tmp_path / "t.csv", text, {"columns": {"n": "int", "day": "date"}})

    assert reading.types == {"n": "int", "day": "date"}
    assert reading.reasons == [
        (3, "'2.7' has a fraction, which int would lose"),
        (4, "'2024-01-03 10:00' has a time of day, which a date would lose"),
    ]


def test_a_type_for_an_unknown_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no column 'prise'.*Did you mean price\?"):
        read_text(tmp_path / "t.csv", "price\n1\n", {"columns": {"prise": "double"}})


def test_null_values_hold_for_text_as_well(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "s,n\nNA,1\nx,none\n", {"null_values": ["NA", "none"]})

    assert reading.rows == [{"s": None, "n": 1}, {"s": "x", "n": None}]


def test_nested_types_can_be_given_for_json_in_cells(tmp_path: Path) -> None:
    text = 'id,tags\n1,"[1,2]"\n2,"{""a"":1}"\n3,\n4,[]\n'
    reading = read_text(tmp_path / "t.csv", text, {"columns": {"tags": "array<bigint>"}})

    assert reading.column("tags") == [[1, 2], None, []]
    assert reading.rejects.first[0]["line"] == 3


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\r\n"])
def test_a_header_alone_is_an_empty_table(tmp_path: Path, content: str) -> None:
    reading = read_text(tmp_path / "t.csv", content)

    assert reading.rows == []
    assert reading.types == {"a": "string", "b": "string"}


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 50, b"%PDF-1.7 ...", b"\x00" * 999])
def test_what_is_no_data_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"t\.csv is "):
        read_text(tmp_path / "t.csv", content)


def test_a_file_of_mostly_broken_rows_is_refused(tmp_path: Path) -> None:
    options = {"columns": {"a": "int"}}
    with pytest.raises(InvalidInput, match=r"3 of 4 rows cannot be read; the first is line 2"):
        read_text(tmp_path / "t.csv", "a,b\nx,1\ny,1\nz,1\n1,1\n", options)


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="first line is longer"):
        read_text(tmp_path / "t.csv", "a," * 6_000_000)


def test_a_line_that_is_too_long_is_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", f"a,b\n1,x\n2,{'y' * 9_000_000}\n3,z\n")

    assert reading.column("a") == [1, 3]
    assert reading.reasons == [(3, "the line is too long")]


def test_characters_of_patterns_in_a_path_are_taken_literally(tmp_path: Path) -> None:
    (tmp_path / "week1.csv").write_text("a\n7\n")
    reading = read_text(tmp_path / "we[e]k*?'1.csv", "a\n1\n")

    assert reading.rows == [{"a": 1}]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(tmp_path: Path, ends: str) -> None:
    text = ends.join(["a,b", "1,x", "2,y", "3", "4,z", "5,z", ""])
    reading = read_text(tmp_path / "t.csv", text)

    assert reading.column("a") == [1, 2, 4, 5]
    assert reading.reasons == [(4, "too few cells: 1 instead of 2")]


def test_mixed_line_ends_are_read_and_reported(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", b"a,b\r\n1,x\n2,y\r\n3,z\r4,w\n")

    assert reading.column("a") == [1, 2, 3, 4]
    assert "Line ends are mixed" in reading.warned
