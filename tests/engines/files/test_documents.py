import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from servicetsunami.errors import InvalidInput

from .reading import read_text


def test_an_array_of_objects_becomes_rows(tmp_path: Path) -> None:
    text = """[{"id": 1, "ok": true, "day": "2024-01-02", "at": "2024-01-02T03:04:05+01:00"},
               {"id": 2, "ok": null, "day": "2024-01-03", "at": "2024-01-02T03:04:05Z"}]"""
    reading = read_text(tmp_path / "t.json", text)

    assert reading.source.format == "json"
    assert reading.types == {"id": "bigint", "ok": "boolean", "day": "date", "at": "timestamp"}
    assert reading.rows[0]["day"] == date(2024, 1, 2)
    assert reading.rows[0]["at"] == datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert "ISO 8601 in strings" in reading.how["day"]


def test_strings_of_digits_stay_strings(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.json", '[{"zip": "01234", "n": "5"}]')

    assert reading.rows == [{"zip": "01234", "n": "5"}]


def test_nested_values_become_structs_and_arrays(tmp_path: Path) -> None:
    text = """[{"n": {"x": 1, "tags": ["a"]}, "e": []},
               {"n": {"x": 2.5, "late": {"y": true}}, "e": null}]"""
    reading = read_text(tmp_path / "t.json", text)

    assert reading.types == {
        "n": "struct<x:double,tags:array<string>,late:struct<y:boolean>>",
        "e": "array<string>",
    }
    assert reading.rows[1]["n"] == {"x": 2.5, "tags": None, "late": {"y": True}}


def test_objects_with_keys_like_data_become_maps(tmp_path: Path) -> None:
    rows = [{"counts": {f"k{i}": i}} for i in range(150)]
    reading = read_text(tmp_path / "t.json", json.dumps(rows))

    assert reading.types == {"counts": "map<string,bigint>"}
    assert reading.rows[7]["counts"] == [("k7", 7)]


def test_mixed_types_become_text_and_are_reported(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.json", '[{"a": 1}, {"a": "x"}, {"a": {"b": 1}}]')

    assert reading.column("a") == ["1", "x", '{"b":1}']
    assert "several types (1 bigint, 1 string, 1 struct)" in reading.warned


def test_broken_lines_are_rejected_with_their_numbers(tmp_path: Path) -> None:
    good = '{"a": 5, "b": "x"}\n' * 300
    text = f'{{"a": 1}}\n\n{{"a": 2, "b":\n[1]\n{{"a": "x"}}\n{good}'
    reading = read_text(tmp_path / "t.ndjson", text)

    assert reading.source.format == "ndjson"
    assert len(reading.rows) == 301
    assert reading.reasons == [
        (3, "not a JSON object"),
        (4, "not a JSON object"),
        (5, "'\"x\"' is not a bigint"),
    ]


@pytest.mark.slow
def test_keys_and_types_of_late_documents_are_found(tmp_path: Path) -> None:
    late = '{"n": {"x": "text", "late": 1}, "new": 7}\n'
    text = '{"n": {"x": 1}, "fill": "some words to make it long"}\n' * 60_000 + late
    reading = read_text(tmp_path / "t.ndjson", text)

    assert reading.types == {
        "n": "struct<x:string,late:bigint>",
        "fill": "string",
        "new": "bigint",
    }
    assert reading.rows[-1] == {"n": {"x": "text", "late": 1}, "fill": None, "new": 7}
    assert len(reading.rows) == 60_001
    assert reading.rejects.count == 0


def test_a_late_fraction_widens_whole_numbers(tmp_path: Path) -> None:
    text = '{"n": 1, "fill": "some words to make it long"}\n' * 60_000 + '{"n": 1.5}\n'
    reading = read_text(tmp_path / "t.ndjson", text)

    assert reading.types["n"] == "double"
    assert reading.rows[-1]["n"] == 1.5


def test_one_object_is_one_row_and_says_where_rows_may_be(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.json", '{\n "data": [{"a": 1}, {"a": 2}],\n "total": 2\n}')

    assert reading.rows == [{"data": [{"a": 1}, {"a": 2}], "total": 2}]
    assert "its rows may be the list 'data'" in reading.warned


def test_objects_one_after_the_other_are_rows(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.json", '{\n"a": 1}\n{\n"a": 2}\n')

    assert reading.rows == [{"a": 1}, {"a": 2}]


def test_odd_keys_are_found_and_renamed(tmp_path: Path) -> None:
    text = '[{"a/b": 1, "c~d": 2, "e.f g": 3, "": 4, "A/B": 5}]'
    reading = read_text(tmp_path / "t.json", text)

    assert reading.rows == [{"a_b": 1, "c_d": 2, "e_f_g": 3, "column_4": 4, "A_B_2": 5}]


def test_numbers_beyond_bigint_are_kept(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.json", '[{"n": 18446744073709551615}, {"n": 1}]')

    assert reading.types == {"n": "decimal(38,0)"}
    assert [int(str(n)) for n in reading.column("n")] == [18446744073709551615, 1]


@pytest.mark.parametrize("text", ['[{"a": 1}, {"a": 2', '[{"a": 1} {"a": 2}]', "[]", '{"a": '])
def test_broken_json_is_refused_without_our_own_paths(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_text(tmp_path / "t.json", text)

    assert str(tmp_path) not in str(caught.value)
    assert "source" not in caught.value.what


def test_json_in_another_encoding_is_read(tmp_path: Path) -> None:
    reading = read_text(tmp_path / "t.json", '[{"name": "José"}]'.encode("utf-16"))

    assert reading.rows == [{"name": "José"}]
