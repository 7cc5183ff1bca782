import dataclasses

import duckdb
import pytest

from servicetsunami.engines.sql.results import (
    BATCH_ROWS,
    PageRequest,
    Spilled,
    keep,
    partial_of,
    read_page,
)
from servicetsunami.errors import NotFound

ALL = {"rows_max": 1_000_000, "bytes_max": 1_000_000_000}


FIRST = PageRequest(offset=0, rows_max=1_000, tokens_max=2_000, form="concise")


def page_request(**changes):
    return dataclasses.replace(FIRST, **changes)


def kept(sql, path, *, limits=ALL, **changes) -> Spilled:
    with duckdb.connect() as connection:
        relation = connection.sql(sql)
        columns = [
            {"name": name, "type": str(kind), "key": name}
            for name, kind in zip(relation.columns, relation.types, strict=True)
        ]
        reader = relation.to_arrow_reader(BATCH_ROWS)
        return keep(reader, columns, path, **limits, request=page_request(**changes))


def all_rows(path, **changes):
    offset, rows = 0, []
    while offset is not None:
        page = read_page(path, page_request(offset=offset, **changes))
        rows += page["rows"]
        offset = page["next_offset"]
    return rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "result.arrow"


def test_a_result_that_fits_its_first_page_leaves_nothing_on_disk(path):
    spilled = kept("SELECT i, 'x' || i AS t FROM range(3) r(i)", path)

    assert spilled.page["rows"] == [[0, "x0"], [1, "x1"], [2, "x2"]]
    assert (spilled.row_count, spilled.on_disk, spilled.limit) == (3, False, None)
    assert spilled.page["next_offset"] is None
    assert not list(path.parent.iterdir())


def test_an_empty_result_has_columns_and_no_rows(path):
    spilled = kept("SELECT 1 AS a WHERE false", path)

    assert (spilled.row_count, spilled.page["rows"], spilled.on_disk) == (0, [], False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "row_count", [5, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1, 3 * BATCH_ROWS]
)
def test_paging_returns_every_row_exactly_once(path, row_count):
    spilled = kept(f"SELECT i FROM range({row_count}) r(i) ORDER BY i", path, rows_max=3)
    rows = all_rows(path, rows_max=997, tokens_max=10_000)

    assert spilled.on_disk
    assert spilled.row_count == row_count
    assert rows == [[i] for i in range(row_count)]


@pytest.mark.slow
def test_batches_of_any_length_are_paged_exactly(path):
    # A filter on several threads makes batches short and uneven.
    sql = "SELECT i FROM range(300000) r(i) WHERE hash(i) % 7 < 3"
    spilled = kept(sql, path, rows_max=3)
    rows = [i for [i] in all_rows(path, rows_max=5_000, tokens_max=50_000)]

    assert len(rows) == len(set(rows)) == spilled.row_count
    with duckdb.connect() as connection:
        assert sorted(rows) == [i for [i] in connection.execute(f"{sql} ORDER BY i").fetchall()]


def test_a_page_keeps_to_its_token_budget(path):
    spilled = kept("SELECT i, repeat('word ', 20) AS t FROM range(10000) r(i)", path)

    assert spilled.page["tokens"] <= 2_000
    assert spilled.page["next_offset"] == len(spilled.page["rows"]) > 10


def test_detailed_rows_name_their_columns(path):
    spilled = kept("SELECT 1 AS a, [2] AS b", path, form="detailed")

    assert spilled.page["rows"] == [{"a": 1, "b": [2]}]


def test_too_many_rows_are_cut_and_the_cut_is_flagged(path):
    cut = kept("FROM range(20000)", path, limits={**ALL, "rows_max": 5_000}, rows_max=3)
    assert (cut.row_count, cut.limit) == (5_000, "rows")
    assert len(all_rows(path, tokens_max=100_000)) == 5_000

    whole = kept("FROM range(5000)", path, limits={**ALL, "rows_max": 5_000}, rows_max=3)
    assert (whole.row_count, whole.limit) == (5_000, None)


def test_a_small_result_over_the_row_limit_is_cut_as_well(path):
    cut = kept("FROM range(10)", path, limits={**ALL, "rows_max": 4})

    assert (cut.row_count, cut.limit, cut.page["rows"]) == (4, "rows", [[0], [1], [2], [3]])


def test_too_many_bytes_are_cut_and_the_cut_is_flagged(path):
    sql = "SELECT uuid() AS u FROM range(200000)"
    cut = kept(sql, path, limits={**ALL, "bytes_max": 500_000}, rows_max=3)

    assert cut.limit == "bytes"
    assert 0 < cut.row_count < 200_000
    assert path.stat().st_size < 1_500_000


def test_a_row_over_the_budget_is_shown_with_its_cells_cut_and_counted(path):
    spilled = kept("SELECT 1 AS a, repeat('x', 3000000) AS t, 'y' AS z FROM range(2)", path)

    [[a, text, z]] = spilled.page["rows"]
    assert (a, z) == (1, "y")
    assert text.endswith("… (cut: 3000000 characters)")
    assert len(text) < 10_000
    assert spilled.page["cut_cells"] == 1
    assert spilled.page["next_offset"] == 1


def test_columns_of_the_same_name_stay_apart(path):
    kept("SELECT i AS a, -i AS a FROM range(10000) r(i)", path, rows_max=3)
    page = read_page(path, page_request(offset=9_999))

    assert page["rows"] == [[9_999, -9_999]]
    assert (page["row_count"], page["next_offset"]) == (10_000, None)


def test_a_page_behind_the_end_is_empty(path):
    kept("FROM range(10000)", path, rows_max=3)

    assert read_page(path, page_request(offset=10_000))["rows"] == []
    assert read_page(path, page_request(offset=99_999))["rows"] == []


def test_a_result_that_was_cleared_away_says_so(path):
    with pytest.raises(NotFound, match="Ask the question again"):
        read_page(path, page_request())


def test_a_failing_result_is_never_taken_for_a_complete_one(path):
    sql = "SELECT CAST(if(i = 50000, 'x', '1') AS INTEGER) FROM range(60000) r(i)"
    with pytest.raises((duckdb.Error, OSError), match="Conversion"):
        kept(sql, path, rows_max=3)

    assert not path.exists()
    partial_of(path).unlink(missing_ok=True)
