import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from servicetsunami.domain.dataset import WriteMode
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.location import lock_file, spool_dir
from servicetsunami.stores.tables.lock import lock
from servicetsunami.stores.tables.recover import Collected, collect_orphans, delete, recover
from tests.stores.tables.rows import put, snapshot, types, values


def interrupt(location: Path) -> None:
    """Leave the table's lock as a writer does that was killed."""
    lock(location, timeout_s=1).close()


def test_a_second_writer_is_told_of_the_first(location: Path) -> None:
    with (
        lock(location, timeout_s=0),
        pytest.raises(Conflict, match="Another writer held"),
    ):
        lock(location, timeout_s=0.05)
    lock(location, timeout_s=0).finish()


def test_a_child_keeps_the_lock_after_its_server_let_go(location: Path) -> None:
    held = lock(location, timeout_s=0)
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held.fileno()]
    )
    held.close()
    with pytest.raises(Conflict):
        lock(location, timeout_s=0)
    child.communicate(b"\n")
    with lock(location, timeout_s=5) as again:
        assert again.was_interrupted


def test_only_an_unfinished_writer_leaves_a_note(location: Path) -> None:
    with lock(location, timeout_s=0) as first:
        assert not first.was_interrupted
    with lock(location, timeout_s=0) as second:
        assert not second.was_interrupted
    with pytest.raises(RuntimeError), lock(location, timeout_s=0):
        raise RuntimeError
    with lock(location, timeout_s=0) as third:
        assert third.was_interrupted


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_not_taken(location: Path) -> None:
    held = lock(location, timeout_s=0)
    stale = os.open(lock_file(location), os.O_RDWR)
    held.remove()
    with lock(location, timeout_s=0):
        assert os.fstat(stale).st_nlink == 0
    os.close(stale)


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.OVERWRITE, WriteMode.MERGE])
def test_an_unacknowledged_commit_is_undone_and_its_number_never_used_again(
    location: Path, mode: WriteMode
) -> None:
    created = put(location, pa.table({"id": [1]}))
    lost = put(location, pa.table({"id": [1], "x": [2]}), base=created, mode=mode, keys=["id"])
    with lock(location, timeout_s=0) as held:
        recover(location, held, base_version=created.version)
        recover(location, held, base_version=created.version)

    assert log.latest_version(location) == lost.version + 1
    next_one = put(location, pa.table({"id": [3]}), base=created)
    assert next_one.version == lost.version + 2
    assert types(next_one) == {"id": "bigint"}
    assert values(location, next_one) == [1, 3]
    assert values(location, created) == [1]


def test_a_write_undoes_what_is_ahead_by_itself(location: Path) -> None:
    created = put(location, pa.table({"id": [1]}))
    put(location, pa.table({"id": [99]}), base=created)
    assert values(location, put(location, pa.table({"id": [2]}), base=created)) == [1, 2]


def test_a_table_that_was_never_acknowledged_disappears(location: Path) -> None:
    put(location, pa.table({"id": [1]}))
    with lock(location, timeout_s=0) as held:
        recover(location, held, base_version=None)
    assert not location.exists()
    assert values(location, put(location, pa.table({"id": [2]}))) == [2]


def test_a_table_that_is_behind_its_metadata_is_reported(location: Path) -> None:
    put(location, pa.table({"id": [1]}))
    with pytest.raises(NotFound, match="Version 5"):
        put(location, pa.table({"id": [1]}), base=5)


def test_files_that_no_commit_mentions_go_and_all_others_stay(location: Path) -> None:
    created = put(location, pa.table({"id": [1]}))
    replaced = put(location, pa.table({"id": [2]}), base=created, mode=WriteMode.OVERWRITE)
    (location / "part-torn.parquet").write_bytes(b"PAR1")
    (location / "sub").mkdir()
    (location / "sub" / "part-torn.parquet#1").write_bytes(b"PAR1")
    (log.log_dir(location) / "_commit_1.json.tmp").write_bytes(b"{")
    spool_dir(location).mkdir()

    interrupt(location)
    with lock(location, timeout_s=0) as held:
        assert recover(location, held, base_version=replaced.version) == 3
    assert values(location, created) == [1]
    assert values(location, replaced) == [2]
    assert not spool_dir(location).exists()


def test_files_that_only_a_checkpoint_still_mentions_stay(location: Path) -> None:
    created = put(location, pa.table({"id": [1]}))
    grown = put(location, pa.table({"id": [2]}), base=created)
    DeltaTable(str(location)).create_checkpoint()
    log.commit_file(location, created.version).unlink()
    interrupt(location)
    with lock(location, timeout_s=0) as held:
        assert recover(location, held, base_version=grown.version) == 0
    assert values(location, grown) == [1, 2]


def test_a_deleted_table_leaves_nothing(location: Path) -> None:
    put(location, pa.table({"id": [1]}))
    delete(location, timeout_s=0)
    delete(location, timeout_s=0)
    assert list(location.parent.iterdir()) == []


def test_collecting_touches_only_what_nobody_acknowledged(location: Path) -> None:
    tables = location.parent
    clean = put(tables / "clean", pa.table({"id": [1]}))
    ahead = put(tables / "ahead", pa.table({"id": [1]}))
    put(tables / "ahead", pa.table({"id": [2]}), base=ahead)
    put(tables / "failed", pa.table({"id": [1]}))
    interrupt(tables / "failed")
    put(tables / "torn", pa.table({"id": [1]}))
    (tables / "torn" / "part-torn.parquet").write_bytes(b"PAR1")
    interrupt(tables / "torn")
    interrupt(tables / "never-started")
    put(tables / "busy", pa.table({"id": [1]}))
    put(tables / "newer", pa.table({"id": [1]}))
    lock(tables / "newer", timeout_s=0).finish()
    known = {"clean": 0, "ahead": 0, "torn": 0}

    with lock(tables / "busy", timeout_s=0):
        done = collect_orphans(tables, known, acknowledged_version={**known, "newer": 0}.get)
    assert done == Collected(
        tables_removed=("failed", "never-started"),
        tables_rolled_back=("ahead", "newer", "torn"),
        files_removed=1,
        in_use=("busy",),
    )
    assert values(tables / "clean", clean) == [1]
    assert values(tables / "ahead", log.latest_version(tables / "ahead") or 0) == [1]
    assert snapshot(tables / "newer", 0).row_count == 1
    assert not (tables / "failed").exists()
    again = collect_orphans(
        tables, {**known, "newer": 0, "busy": 0}, acknowledged_version=known.get
    )
    assert again == Collected()


def test_collecting_where_there_are_no_tables_does_nothing(tmp_path: Path) -> None:
    assert collect_orphans(tmp_path / "none", {}, acknowledged_version={}.get) == Collected()
