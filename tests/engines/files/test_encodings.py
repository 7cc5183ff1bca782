from pathlib import Path

import pytest

from .reading import read_text

_TEXT = "name,city\nJosé,Málaga\nZoë,Köln\nÅsa,Malmö\nFrançois,Orléans\n"
_NAMES = ["José", "Zoë", "Åsa", "François"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
)
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    reading = read_text(tmp_path / "t.csv", _TEXT.encode(encoding))

    assert reading.types == {"name": "string", "city": "string"}
    assert reading.column("name") == _NAMES


def test_windows_1252_signs_are_kept_and_the_guess_is_told(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", "item,price\ncafé “crème”,5 €\n".encode("cp1252"))

    assert reading.rows == [{"item": "café “crème”", "price": "5 €"}]
    assert "taken as windows-1252" in reading.warned


def test_another_alphabet_can_be_named(tmp_path: Path) -> None:
    text = "名前,都市\n田中さん,東京都の中心です\n鈴木さん,大阪の近くにいます\n"
    reading = read_text(tmp_path / "t.csv", text.encode("shift_jis"), {"encoding": "shift_jis"})

    assert list(reading.types) == ["名前", "都市"]
    assert reading.rows[0] == {"名前": "田中さん", "都市": "東京都の中心です"}


def test_a_bad_byte_in_good_utf8_rejects_its_row(tmp_path: Path) -> None:
    text = "id,s\n" + "".join(f"{i},é\n" for i in range(50))
    reading = read_text(tmp_path / "t.csv", text.encode() + b"50,\xff\n51,x\n")

    assert len(reading.rows) == 51
    assert reading.reasons == [(52, "bytes that are not valid in the encoding of the file")]


def test_what_a_named_encoding_cannot_decode_is_counted(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", b"a\nx\x81y\n", {"encoding": "windows-1252"})

    assert reading.column("a") == ["x\ufffdy"]
    assert "1 characters are not valid windows-1252" in reading.warned


def test_null_characters_are_dropped_and_counted(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.csv", b"a,b\n1,x\x00y\n" + b"2,some text\n" * 50)

    assert reading.rows[0] == {"a": 1, "b": "xy"}
    assert "1 null characters were dropped" in reading.warned
