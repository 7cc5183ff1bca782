import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from servicetsunami.domain.dataset import WriteMode
from servicetsunami.errors import InvalidInput
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.location import spool_dir
from servicetsunami.stores.tables.write import Written
from tests.stores.tables.rows import put, snapshot, types, values

NOON = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)


def merge(
    location: Path, rows: dict[str, Any], *, base: Written | None, keys: list[str]
) -> Written:
    return put(location, pa.table(rows), base=base, mode=WriteMode.MERGE, keys=keys)


def test_rows_with_a_known_key_are_replaced_and_the_others_added(location: Path) -> None:
    created = put(location, pa.table({"id": [1, 2], "v": ["a", "b"]}))
    merged = merge(location, {"id": [2, 3], "v": ["B", "C"]}, base=created, keys=["id"])

    assert merged.details == {"rows_inserted": 1, "rows_updated": 1}
    assert (merged.rows_written, merged.row_count) == (2, 3)
    assert values(location, merged) == [1, 2, 3]
    assert values(location, merged, "v") == ["B", "C", "a"]
    assert values(location, created, "v") == ["a", "b"]


def test_merging_the_same_rows_again_changes_nothing(location: Path) -> None:
    rows = {"id": [1, 2], "v": ["a", "b"]}
    first = merge(location, rows, base=None, keys=["id"])
    again = merge(location, rows, base=first, keys=["id"])
    assert again.details == {"rows_inserted": 0, "rows_updated": 2}
    assert values(location, again) == [1, 2]


def test_keys_may_be_several_and_of_any_case(location: Path) -> None:
    created = put(location, pa.table({"Shop": ["a", "a"], "day.no": [1, 2], "n": [10, 20]}))
    merged = merge(
        location,
        {"SHOP": ["a", "b"], "day.no": [2, 2], "n": [99, 30]},
        base=created,
        keys=["shop", "Day.No"],
    )
    assert types(merged) == {"Shop": "string", "day.no": "bigint", "n": "bigint"}
    assert values(location, merged, "n") == [10, 30, 99]


def test_a_missing_column_keeps_its_values_and_a_new_one_starts_with_null(location: Path) -> None:
    created = put(location, pa.table({"id": [1, 2], "kept": ["a", "b"]}))
    merged = merge(location, {"id": [2, 3], "new": [1.5, 2.5]}, base=created, keys=["id"])

    assert types(merged) == {"id": "bigint", "kept": "string", "new": "double"}
    assert values(location, merged, "kept") == [None, "a", "b"]
    assert values(location, merged, "new") == [None, 1.5, 2.5]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_row_without_a_key_is_refused(location: Path, is_new: bool) -> None:
    base = None if is_new else put(location, pa.table({"id": [1], "v": ["a"]}))
    with pytest.raises(InvalidInput, match=r"2 of the new rows have no value .*\(id\)"):
        merge(location, {"id": [None, 2, None], "v": ["a", "b", "c"]}, base=base, keys=["id"])
    assert log.latest_version(location) == (None if is_new else 0)
    assert not spool_dir(location).exists()


def test_two_rows_with_the_same_key_are_refused_with_examples(location: Path) -> None:
    created = put(location, pa.table({"id": [1], "k": ["x"]}))
    with pytest.raises(InvalidInput, match=r"the same key: id=7, k=x \(3 times\)"):
        merge(
            location,
            {"id": [7, 7, 7, 8, 7], "k": ["x", "x", "x", "x", "y"]},
            base=created,
            keys=["id", "k"],
        )


def test_times_can_be_keys(location: Path) -> None:
    at = pa.array([NOON, NOON], pa.timestamp("us", "UTC"))
    with pytest.raises(InvalidInput, match=r"at=2026-03-01 12:30:15.123456\+00 \(2 times\)"):
        put(location, pa.table({"at": at}), mode=WriteMode.MERGE, keys=["at"])
    created = put(location, pa.table({"at": at[:1], "v": [1]}), mode=WriteMode.MERGE, keys=["at"])
    merged = merge(location, {"at": at[:1], "v": [2]}, base=created, keys=["at"])
    assert values(location, merged, "v") == [2]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "needs key columns"),
        (["nope"], "'nope' is not a column of the new rows.*Its columns are id, new"),
        (["new"], "'new' is not a column of the dataset"),
    ],
)
def test_keys_must_be_columns_on_both_sides(location: Path, keys: list[str], message: str) -> None:
    created = put(location, pa.table({"id": [1]}))
    with pytest.raises(InvalidInput, match=message):
        merge(location, {"id": [1], "new": [2]}, base=created, keys=keys)


def test_a_merge_of_no_rows_is_a_version_without_changes(location: Path) -> None:
    created = put(location, pa.table({"id": [1], "v": ["a"]}))
    empty = pa.table({"id": pa.array([], pa.int64())})
    merged = put(location, empty, base=created, mode=WriteMode.MERGE, keys=["id"])
    assert merged.details == {"rows_inserted": 0, "rows_updated": 0}
    assert values(location, merged) == [1]


def test_values_of_every_type_survive_a_merge_that_rewrites_them(location: Path) -> None:
    rows = pa.table(
        {
            "id": [1, 2],
            "tiny": pa.array([1, None], pa.int8()),
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(20, 2)),
            "blob": [b"\x00\xff", None],
            "day": [date(2026, 1, 2), None],
            "at": pa.array([NOON, None], pa.timestamp("us", "UTC")),
            "wall": pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("us")),
            "real": pa.array([float("nan"), None], pa.float32()),
            "list": [[1, None], None],
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
            "nested": [{"a": [{"b": "x"}]}, None],
        }
    )
    created = put(location, rows)
    merged = merge(location, {"id": [2, 3]}, base=created, keys=["id"])
    assert types(merged) == types(created)
    for column in rows.column_names[1:]:
        [*nulls, value] = values(location, merged, column)
        assert nulls == [None, None]
        assert repr(value) == repr(rows.column(column)[0].as_py())


def test_a_merge_into_an_empty_table_adds_the_rows(location: Path) -> None:
    created = put(location, pa.table({"id": pa.array([], pa.int64()), "v": pa.nulls(0)}))
    merged = merge(location, {"id": [1]}, base=created, keys=["id"])
    assert merged.details == {"rows_inserted": 1, "rows_updated": 0}
    assert values(location, merged, "v") == [None]


def test_a_merge_without_known_keys_rewrites_nothing(location: Path) -> None:
    created = put(location, pa.table({"id": [1]}))
    merged = merge(location, {"id": [2]}, base=created, keys=["id"])
    assert set(snapshot(location, created).files) < set(snapshot(location, merged).files)


@pytest.mark.slow
def test_memory_stays_flat_when_the_table_and_the_rows_grow(location: Path) -> None:
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "import pyarrow as pa\n"
        "from servicetsunami.domain.dataset import WriteMode\n"
        "from servicetsunami.stores.tables.write import write\n"
        "schema = pa.schema([('id', pa.int64()), ('text', pa.string())])\n"
        "def rows(count, step):\n"
        "    for start in range(0, count, 16384):\n"
        "        ids = [each * step for each in range(start, min(start + 16384, count))]\n"
        "        texts = [f'{each * 7919 % 1000003:060d}' for each in ids]\n"
        "        yield pa.record_batch([ids, texts], schema=schema)\n"
        "def put(mode, base, count, step):\n"
        "    reader = pa.RecordBatchReader.from_batches(schema, rows(count, step))\n"
        "    return write(Path(sys.argv[1]), reader, mode=mode, keys=['id'], base_version=base,\n"
        "                 commit_info={})\n"
        "count = int(sys.argv[2])\n"
        "put(WriteMode.CREATE, None, count, 1)\n"
        "merged = put(WriteMode.MERGE, 0, count // 4, 8)\n"
        "assert merged.row_count == count + count // 8, merged\n"
        # Not ru_maxrss, which begins with the size of the process that started this one.
        "status = Path('/proc/self/status').read_text()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]) // 1024)\n"
    )
    peaks_mb = []
    for count in (1_000_000, 4_000_000):
        done = subprocess.run(
            [sys.executable, "-c", script, str(location.with_name(str(count))), str(count)],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks_mb.append(int(done.stdout))
    assert max(peaks_mb) < 700, peaks_mb
    assert peaks_mb[1] - peaks_mb[0] < 200, peaks_mb
