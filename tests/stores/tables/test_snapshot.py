import base64
import json
import struct
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from servicetsunami.domain.dataset import DeletionVector, WriteMode
from servicetsunami.errors import NotFound, SqlRefused
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.snapshot import TableReader
from servicetsunami.stores.tables.statistics import INDEXED_COLUMNS_MAX, ColumnStatistics
from tests.stores.tables.rows import put, snapshot, values


def test_a_reader_follows_writers_and_still_reads_the_past(location: Path) -> None:
    reader = TableReader(handles_max=1, snapshots_max=1)
    written = put(location, pa.table({"id": [0]}))
    assert reader.snapshot(location, version=0).row_count == 1
    for number in range(1, 5):
        written = put(location, pa.table({"id": [number]}), base=written)
    for version in (4, 2, 4, 0, 3):
        assert reader.snapshot(location, version=version).row_count == version + 1


def test_a_version_that_is_ahead_is_not_shown(location: Path) -> None:
    acknowledged = put(location, pa.table({"id": [1]}))
    reader = TableReader()
    put(location, pa.table({"id": [2]}), base=acknowledged)
    assert reader.snapshot(location, version=0).row_count == 1


def test_a_missing_version_names_those_that_exist(location: Path) -> None:
    put(location, pa.table({"id": [1]}), base=put(location, pa.table({"id": [1]})))
    with pytest.raises(NotFound, match=r"Version 7 .* from version 0 to 1\."):
        snapshot(location, 7)


def test_a_version_whose_files_are_gone_is_missing(location: Path) -> None:
    created = put(location, pa.table({"id": [1]}))
    replaced = put(location, pa.table({"id": [2]}), base=created, mode=WriteMode.OVERWRITE)
    for file in snapshot(location, created).files:
        Path(file).unlink()
    with pytest.raises(NotFound, match="Version 0 of this dataset can no longer be read"):
        snapshot(location, created)
    assert values(location, replaced) == [2]


def test_a_table_that_is_gone_says_so(location: Path) -> None:
    with pytest.raises(NotFound, match="files of this dataset are gone"):
        snapshot(location, 0)


def test_what_was_remembered_of_a_deleted_table_can_be_forgotten(location: Path) -> None:
    reader = TableReader()
    put(location, pa.table({"id": [1]}))
    reader.snapshot(location, version=0)
    log.commit_file(location, 0).unlink()
    reader.forget(location)
    with pytest.raises(NotFound):
        reader.snapshot(location, version=0)


def test_history_describes_versions_up_to_the_acknowledged_one(location: Path) -> None:
    created = put(location, pa.table({"id": [1]}))
    appended = put(location, pa.table({"id": [2, 3]}), base=created)
    put(location, pa.table({"id": [9]}), base=appended)

    newest, oldest = TableReader().history(location, version=appended.version)
    assert (newest.version, oldest.version) == (1, 0)
    assert newest.operation == "WRITE"
    assert newest.parameters["mode"] == "Append"
    assert newest.metrics["num_added_rows"] == 2
    assert newest.committed_at == appended.committed_at
    assert TableReader().history(location, version=1, limit=1) == (newest,)


def test_partitioned_tables_of_others_name_their_files_as_they_are_on_disk(location: Path) -> None:
    location.parent.mkdir(parents=True)
    rows = pa.table({"k": ["a b", "c%d", None], "id": [1, 2, 3]})
    write_deltalake(str(location), rows, partition_by=["k"])
    found = snapshot(location, 0)
    assert found.partition_columns == ("k",)
    assert values(location, 0) == [1, 2, 3]


def inline_deletion_vector(rows: list[int]) -> dict[str, object]:
    """A deletion vector as the Delta protocol defines it: a 64-bit roaring bitmap in base 85."""
    container = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16)
    bitmap = container + struct.pack(f"<{len(rows)}H", *rows)
    blob = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = blob + b"\0" * (-len(blob) % 4)
    alphabet = (
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    )
    z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    encoded = base64.b85encode(padded).decode().translate(str.maketrans(alphabet, z85))
    return {
        "storageType": "i",
        "pathOrInlineDv": encoded,
        "sizeInBytes": len(blob),
        "cardinality": len(rows),
    }


def rewrite(location: Path, change) -> None:
    """Change the actions of version 0, as another writer might have written them."""
    actions = list(log.actions(location, 0))
    for action in actions:
        change(action)
    text = "\n".join(map(json.dumps, actions))
    log.commit_file(location, 0).write_text(text, encoding="utf-8")


def require(*features: str):
    def change(action: dict) -> None:
        if "protocol" in action:
            action["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": list(features),
                "writerFeatures": list(features),
            }

    return change


def test_rows_under_a_deletion_vector_are_named_and_not_counted(location: Path) -> None:
    put(location, pa.table({"id": [10, 11, 12, 13]}))
    rewrite(location, require("deletionVectors"))
    rewrite(
        location,
        lambda action: action.get("add", {}).update(deletionVector=inline_deletion_vector([1, 3])),
    )
    found = snapshot(location, 0)
    assert found.deletion_vectors == (DeletionVector(file=found.files[0], rows=(1, 3)),)
    assert found.row_count == 2


def test_a_feature_that_no_reader_of_files_gets_right_is_refused_by_name(location: Path) -> None:
    put(location, pa.table({"id": [1]}))

    def map_columns(action: dict) -> None:
        if "metaData" in action:
            action["metaData"]["configuration"]["delta.columnMapping.mode"] = "name"
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"]):
                field["metadata"] = {
                    "delta.columnMapping.id": number,
                    "delta.columnMapping.physicalName": f"col-{number}",
                }
            action["metaData"]["schemaString"] = json.dumps(schema)

    rewrite(location, map_columns)
    rewrite(location, require("columnMapping"))
    with pytest.raises(SqlRefused, match="not supported: columnMapping"):
        snapshot(location, 0)


def test_statistics_come_from_the_log_alone(location: Path) -> None:
    created = put(
        location,
        pa.table(
            {
                "id": [3, 1, None],
                "text": ["b", "a", "c"],
                "price": pa.array([Decimal("1.50"), Decimal("-2.00"), None]),
                "day": [date(2026, 1, 2), None, None],
                "blob": [b"x", None, None],
                "empty": pa.array([None] * 3, pa.float64()),
                "nested": [{"a": 1}] * 3,
            }
        ),
    )
    grown = put(location, pa.table({"id": [9, 8], "late": [0.5, None]}), base=created)
    for file in snapshot(location, grown).files:
        Path(file).unlink()

    found = TableReader().statistics(location, version=grown.version)
    assert found["id"] == ColumnStatistics(null_count=1, minimum=1, maximum=9)
    assert found["text"] == ColumnStatistics(null_count=2, minimum="a", maximum="c")
    assert found["price"] == ColumnStatistics(
        null_count=3, minimum=Decimal("-2.00"), maximum=Decimal("1.50")
    )
    assert found["day"] == ColumnStatistics(
        null_count=4, minimum=date(2026, 1, 2), maximum=date(2026, 1, 2)
    )
    assert found["blob"] == found["nested"] == ColumnStatistics()
    assert found["empty"] == ColumnStatistics(null_count=5)
    assert found["late"] == ColumnStatistics(null_count=4, minimum=0.5, maximum=0.5)


def test_columns_beyond_the_indexed_ones_are_unknown_rather_than_wrong(location: Path) -> None:
    names = [f"c{number}" for number in range(INDEXED_COLUMNS_MAX + 1)]
    put(location, pa.table({each: [1] for each in names}))
    put(location, pa.table({each: [1] for each in names}), base=0, mode=WriteMode.OVERWRITE)
    found = TableReader().statistics(location, version=1)
    assert found[names[-2]] == ColumnStatistics(null_count=0, minimum=1, maximum=1)
    assert found[names[-1]] == ColumnStatistics()


def test_an_empty_table_has_no_statistics(location: Path) -> None:
    put(location, pa.table({"id": pa.array([], pa.int64())}))
    assert TableReader().statistics(location, version=0) == {"id": ColumnStatistics(null_count=0)}


def test_the_servers_side_does_not_import_what_the_writers_need() -> None:
    script = (
        "import sys\n"
        "from servicetsunami.stores.tables import lock, log, recover, snapshot\n"
        "heavy = {'deltalake', 'pyarrow', 'duckdb', 'pandas', 'sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_reading_a_table_needs_no_pyarrow(location: Path) -> None:
    put(location, pa.table({"id": [1], "t": ["x"]}))
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from servicetsunami.stores.tables.snapshot import TableReader\n"
        "reader = TableReader()\n"
        "reader.snapshot(Path(sys.argv[1]), version=0)\n"
        "reader.statistics(Path(sys.argv[1]), version=0)\n"
        "print(sorted({'pyarrow', 'duckdb', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(location)], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
