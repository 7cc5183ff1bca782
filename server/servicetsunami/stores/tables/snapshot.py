"""The read side of tables: which files hold one version, and what the log says of them."""

import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from servicetsunami.domain.dataset import DeletionVector, Snapshot
from servicetsunami.errors import SqlRefused
from servicetsunami.stores.tables import log
from servicetsunami.stores.tables.columns import columns_of
from servicetsunami.stores.tables.statistics import ColumnStatistics, column_statistics

if TYPE_CHECKING:
    from deltalake import DeltaTable

K = TypeVar("K")
V = TypeVar("V")

_READABLE = frozenset({"deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})
"""The reader features that a reader of Parquet files plus `Snapshot` gets right."""


class TableReader:
    """Opens tables for reading, and remembers what it opened. Call it in threads: it blocks.

    Versions never change once they are acknowledged, so whatever is remembered by location and
    version stays right, whichever process writes.
    """

    def __init__(self, *, handles_max: int = 32, snapshots_max: int = 256) -> None:
        self._handles: OrderedDict[Path, DeltaTable] = OrderedDict()
        self._snapshots: OrderedDict[tuple[Path, int], Snapshot] = OrderedDict()
        self._handles_max = handles_max
        self._snapshots_max = snapshots_max
        self._guard = threading.Lock()

    def snapshot(self, location: Path, *, version: int) -> Snapshot:
        """One acknowledged version of a table.

        Raises NotFound when the version or one of its files is gone, and SqlRefused, with the
        feature's name, for a table that needs more than this reader understands.
        """
        key = (location, version)
        with self._guard:
            known = self._snapshots.get(key)
            if known is not None:
                self._snapshots.move_to_end(key)
                return known
        with self._loaded(location, version) as table:
            snapshot = _snapshot(table, location)
        with self._guard:
            _remember(self._snapshots, key, snapshot, items_max=self._snapshots_max)
        return snapshot

    def statistics(self, location: Path, *, version: int) -> dict[str, ColumnStatistics]:
        """What the log knows of each column of a version, by its name; costs no data access."""
        with self._loaded(location, version) as table:
            return column_statistics(table)

    def history(self, location: Path, *, version: int, limit: int = 100) -> tuple[log.Commit, ...]:
        """The commits up to `version`, newest first, as the log describes them.

        Among them are versions that were never acknowledged, and those that undid them.
        """
        there = [each for each in log.versions(location) if each <= version]
        return tuple(log.commit(location, each) for each in there[: -limit - 1 : -1])

    def forget(self, location: Path) -> None:
        """Drop what is remembered of a deleted table."""
        with self._guard:
            self._handles.pop(location, None)
            for key in [each for each in self._snapshots if each[0] == location]:
                del self._snapshots[key]

    @contextmanager
    def _loaded(self, location: Path, version: int) -> "Generator[DeltaTable]":
        """A handle at the version; while in use it is out of the cache, so never shared."""
        with self._guard:
            handle = self._handles.pop(location, None)
        if handle is not None and handle.version() > version:
            table, newest = _open(location, version), handle
        else:
            table = newest = _at(handle, location, version)
        yield table
        with self._guard:
            _remember(self._handles, location, newest, items_max=self._handles_max)


def _remember(cache: "OrderedDict[K, V]", key: K, value: V, *, items_max: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > items_max:
        cache.popitem(last=False)


def _at(handle: "DeltaTable | None", location: Path, version: int) -> "DeltaTable":
    if handle is None:
        return _open(location, version)
    if handle.version() < version:
        handle.update_incremental()
    if handle.version() == version:
        return handle
    return _open(location, version)


def _open(location: Path, version: int) -> "DeltaTable":
    # The server lists its tools without it, so the 20 MB come with the first table.
    from deltalake import DeltaTable  # noqa: PLC0415
    from deltalake.exceptions import DeltaError, TableNotFoundError  # noqa: PLC0415

    try:
        return DeltaTable(str(location), version=version)
    except (DeltaError, TableNotFoundError) as error:
        if version not in log.versions(location):
            raise log.missing_version(location, version) from error
    # A later version that was never acknowledged may have been undone while the log was listed.
    return DeltaTable(str(location), version=version)


def _snapshot(table: "DeltaTable", location: Path) -> Snapshot:
    _refuse_unreadable(table)
    version = table.version()
    adds = table.get_add_actions()
    files = [log.local_file(location, path) for path in adds.column("path").to_pylist()]
    if not all(each.exists() for each in files):
        raise log.missing_version(location, version)
    vectors = _deletion_vectors(table)
    deleted = sum(len(each.rows) for each in vectors)
    return Snapshot(
        version=version,
        created_at=log.commit(location, version).committed_at,
        columns=columns_of(table),
        files=tuple(map(str, files)),
        row_count=sum(adds.column("num_records").to_pylist()) - deleted,
        size_bytes=sum(adds.column("size_bytes").to_pylist()),
        partition_columns=tuple(table.metadata().partition_columns),
        deletion_vectors=vectors,
    )


def _refuse_unreadable(table: "DeltaTable") -> None:
    unknown = set(table.protocol().reader_features or ()) - _READABLE
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        unknown.add("columnMapping")
    if unknown:
        raise SqlRefused(
            f"This table uses a feature of Delta that is not supported: {', '.join(unknown)}.",
            "Ingest a copy that was written without it.",
        )


def _deletion_vectors(table: "DeltaTable") -> tuple[DeletionVector, ...]:
    if "deletionVectors" not in (table.protocol().reader_features or ()):
        return ()
    found = table.deletion_vectors().read_all()
    pairs = zip(
        found.column("filepath").to_pylist(),
        found.column("selection_vector").to_pylist(),
        strict=True,
    )
    return tuple(
        DeletionVector(
            file=unquote(urlsplit(url).path),
            rows=tuple(row for row, is_kept in enumerate(kept) if not is_kept),
        )
        for url, kept in pairs
    )
