import stat
from pathlib import Path

import pyarrow as pa
import pytest

from servicetsunami.domain.dataset import Column, WriteMode
from servicetsunami.errors import ConfigurationError, Conflict, InvalidInput
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.location import table_location
from servicetsunami.stores.tables.write import write
from tests.stores.tables.rows import put, snapshot, types, values


def test_a_new_table_says_what_was_written(location: Path) -> None:
    written = put(location, pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]}))

    assert (written.version, written.rows_written, written.row_count) == (0, 3, 3)
    assert written.size_bytes > 0
    assert written.columns == (
        Column(name="id", type="bigint"),
        Column(name="name", type="string"),
    )
    found = snapshot(location, written)
    assert found.columns == written.columns
    assert found.row_count == 3
    assert found.size_bytes == written.size_bytes
    assert found.created_at == written.committed_at
    assert values(location, written) == [1, 2, 3]


def test_the_commit_carries_the_information_it_was_given(location: Path) -> None:
    written = put(location, pa.table({"id": [1]}))
    assert log.commit(location, written.version).info["subject"] == "ann"


def test_data_files_cannot_be_written_to_again(location: Path) -> None:
    written = put(location, pa.table({"id": [1]}))
    [file] = snapshot(location, written).files
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o444


def test_creating_what_exists_conflicts(location: Path) -> None:
    written = put(location, pa.table({"id": [1]}))
    with pytest.raises(Conflict, match="exists already"):
        put(location, pa.table({"id": [2]}), base=written, mode=WriteMode.CREATE)
    assert values(location, written) == [1]


def test_every_version_can_be_read_after_each_kind_of_change(location: Path) -> None:
    created = put(location, pa.table({"id": [1, 2]}))
    appended = put(location, pa.table({"id": [3]}), base=created)
    merged = put(
        location,
        pa.table({"id": [3, 4], "note": ["x", "y"]}),
        base=appended,
        mode=WriteMode.MERGE,
        keys=["id"],
    )
    replaced = put(location, pa.table({"other": ["z"]}), base=merged, mode=WriteMode.OVERWRITE)

    assert [each.version for each in (created, appended, merged, replaced)] == [0, 1, 2, 3]
    assert values(location, created) == [1, 2]
    assert values(location, appended) == [1, 2, 3]
    assert values(location, merged) == [1, 2, 3, 4]
    assert values(location, merged, "note") == [None, None, "x", "y"]
    assert values(location, replaced, "other") == ["z"]
    assert [each.name for each in snapshot(location, replaced).columns] == ["other"]
    assert [each.name for each in snapshot(location, appended).columns] == ["id"]


def test_appending_adds_new_columns_and_leaves_missing_ones_null(location: Path) -> None:
    created = put(location, pa.table({"id": [1], "a": ["x"]}))
    grown = put(location, pa.table({"ID": [2], "b": [2.5]}), base=created)

    assert types(grown) == {"id": "bigint", "a": "string", "b": "double"}
    assert grown.row_count == 2
    assert values(location, grown) == [1, 2]
    assert values(location, grown, "a") == [None, "x"]
    assert values(location, grown, "b") == [None, 2.5]


@pytest.mark.parametrize("mode", [WriteMode.CREATE, WriteMode.APPEND, WriteMode.OVERWRITE])
def test_no_rows_still_make_a_table(location: Path, mode: WriteMode) -> None:
    empty = pa.table({"id": pa.array([], pa.int64())})
    base = None if mode is WriteMode.CREATE else put(location, pa.table({"id": [1]}))
    written = put(location, empty, base=base, mode=mode)
    assert written.rows_written == 0
    assert values(location, written) == ([1] if mode is WriteMode.APPEND else [])
    assert types(written) == {"id": "bigint"}


def test_a_source_that_fails_half_way_commits_nothing(location: Path) -> None:
    created = put(location, pa.table({"id": pa.array([1], pa.int32())}))
    batches = pa.table({"id": pa.array([2] * 50_000 + [2**40], pa.int64())})

    with pytest.raises(InvalidInput, match=r"'id' is int in the dataset.* does not fit"):
        put(location, batches, base=created)
    assert log.latest_version(location) == created.version


def test_an_error_of_the_source_itself_is_not_hidden(location: Path) -> None:
    def broken():
        yield pa.record_batch({"id": [1]})
        raise InvalidInput("Line 7 is torn.", "Mend it.")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("id", pa.int64())]), broken())
    with pytest.raises(InvalidInput, match=r"Line 7 is torn\."):
        write(location, reader, mode=WriteMode.CREATE, base_version=None, commit_info={})
    assert log.latest_version(location) is None


def test_a_data_directory_that_delta_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has a % in its path"):
        table_location(tmp_path / "100%41", "acme", "d1")
