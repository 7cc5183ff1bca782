"""A server in miniature: it writes tables in the sequence that the package's docstring shows.

A second process does the Delta part under the lock of the first, as in the product, and either
may be killed at any moment. Everything is started by `multiprocessing`'s fork server, which has
done the imports, so that a start costs milliseconds.
"""

import multiprocessing as mp
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import pyarrow as pa
import pyarrow.parquet as pq

from servicetsunami.domain.dataset import Dataset, DatasetName, DatasetVersion, WriteMode
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.stores.database import Database
from servicetsunami.stores.tables.location import table_location, tables_dir
from servicetsunami.stores.tables.lock import lock
from servicetsunami.stores.tables.recover import collect_orphans, recover
from servicetsunami.stores.tables.snapshot import TableReader
from servicetsunami.stores.tables.write import Written, write

TENANT = "acme"
NAME = DatasetName(schema="default", table="events")
DATASET_ID = "d1"
ROWS = 4_000
LOCK_TIMEOUT_S = 60

CHILDREN = mp.get_context("fork")
FORKS = mp.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.stores.tables.small_server"])


@dataclass(frozen=True)
class Lake:
    """Where everything is, and where a server notes what it has acknowledged."""

    data_dir: Path
    url: str

    @property
    def location(self) -> Path:
        return table_location(self.data_dir, TENANT, DATASET_ID)

    def acknowledged(self) -> list[str]:
        """The keys of all writes that any server said were done."""
        file = self.data_dir / "acknowledged"
        return file.read_text().split() if file.exists() else []

    def acknowledge(self, key: str) -> None:
        file = self.data_dir / "acknowledged"
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{key}\n".encode())
        os.close(descriptor)


def ids_of(key: str) -> range:
    """The rows that the write with this key brings: nobody else brings them."""
    first = int(key) * ROWS
    return range(first, first + ROWS)


def rows_of(key: str) -> pa.RecordBatchReader:
    ids = ids_of(key)
    return pa.table({"id": pa.array(ids), "key": [key] * len(ids)}).to_reader(ROWS // 8)


def write_tables(requests: Connection, servers_end: Connection) -> None:
    """The child: gets a write and the lock, does it, answers, lets go of the lock."""
    servers_end.close()
    while True:
        try:
            location, key, base_version = requests.recv()
            held = recv_handle(requests)
        except EOFError:
            return
        try:
            written = write(
                location,
                rows_of(key),
                mode=WriteMode.CREATE if base_version is None else WriteMode.APPEND,
                base_version=base_version,
                commit_info={"key": key},
            )
        finally:
            os.close(held)
        try:
            requests.send(written)
        except BrokenPipeError:
            return


@contextmanager
def writer_process(lake: Lake) -> Generator[tuple[Connection, int]]:
    """Fork the child, while this process has no threads yet."""
    ours, theirs = CHILDREN.Pipe()
    process = CHILDREN.Process(target=write_tables, args=(theirs, ours))
    process.start()
    theirs.close()
    assert process.pid is not None
    (lake.data_dir / f"child-of-{os.getpid()}").write_text(str(process.pid))
    try:
        yield ours, process.pid
    finally:
        ours.close()
        process.join()


class SmallServer:
    def __init__(self, lake: Lake, database: Database, writer: Connection, pid: int) -> None:
        self.lake = lake
        self.database = database
        self.writer = writer
        self.writer_pid = pid

    async def start(self) -> None:
        """Undo whatever other servers left behind."""

        async def version(dataset_id: str) -> int | None:
            async with self.database.read() as transaction:
                return await transaction.datasets.acknowledged_version(TENANT, dataset_id)

        async with self.database.read() as transaction:
            datasets = await transaction.datasets.list(TENANT)
        known = {each.id: each.version for each in datasets}
        await anyio.to_thread.run_sync(
            lambda: collect_orphans(
                tables_dir(self.lake.data_dir, TENANT),
                known,
                acknowledged_version=lambda each: anyio.from_thread.run(version, each),
            )
        )

    async def append(self, key: str) -> None:
        """One write, once, whatever happened to an earlier try with the same key."""
        location = self.lake.location
        held = await anyio.to_thread.run_sync(lambda: lock(location, timeout_s=LOCK_TIMEOUT_S))
        with held:
            async with self.database.read() as transaction:
                dataset = await transaction.datasets.find(TENANT, NAME)
                is_done = (
                    dataset is not None
                    and await transaction.datasets.find_by_idempotency_key(TENANT, dataset.id, key)
                )
            if not is_done:
                base = None if dataset is None else dataset.version
                recover(location, held, base_version=base)
                written = await anyio.to_thread.run_sync(self._write, key, base, held.fileno())
                await self._commit(dataset, written, key)
        self.lake.acknowledge(key)

    def _write(self, key: str, base_version: int | None, descriptor: int) -> Written:
        self.writer.send((self.lake.location, key, base_version))
        send_handle(self.writer, descriptor, self.writer_pid)
        return self.writer.recv()

    async def _commit(self, before: Dataset | None, written: Written, key: str) -> None:
        dataset = after(before, written)
        change = DatasetVersion(
            version=written.version,
            operation="append",
            rows_written=written.rows_written,
            row_count=written.row_count,
            created_at=written.committed_at,
            idempotency_key=key,
        )
        async with self.database.begin() as transaction:
            if before is None:
                await transaction.datasets.register(dataset, change)
            else:
                await transaction.datasets.update(dataset, change, base_version=before.version)
            await transaction.outbox.put(
                tenant=TENANT,
                kind=AssetKind.DATASET,
                asset_id=dataset.id,
                subject=str(NAME),
                change=Change.UPSERT,
                payload={"version": written.version},
                at=written.committed_at,
            )


def after(before: Dataset | None, written: Written) -> Dataset:
    now = datetime.now(UTC)
    if before is None:
        before = Dataset(
            id=DATASET_ID,
            tenant=TENANT,
            name=NAME,
            columns=written.columns,
            version=written.version,
            row_count=0,
            size_bytes=0,
            origin="test",
            created_at=now,
            updated_at=now,
        )
    return replace(
        before,
        columns=written.columns,
        version=written.version,
        row_count=written.row_count,
        size_bytes=written.size_bytes,
        updated_at=now,
    )


def serve(lake: Lake, keys: list[str]) -> None:
    """A whole server process: start, write every key in turn, stop."""

    async def run(writer: Connection, pid: int) -> None:
        database = await Database.open(lake.url)
        server = SmallServer(lake, database, writer, pid)
        await server.start()
        for key in keys:
            await server.append(key)
        await database.close()

    with writer_process(lake) as (writer, pid):
        try:
            anyio.run(run, writer, pid)
        except (EOFError, BrokenPipeError):
            raise SystemExit("the child was killed") from None


async def check(lake: Lake, database: Database) -> None:
    """Nothing acknowledged is missing, nothing is there twice, and every file is whole."""
    async with database.read() as transaction:
        dataset = await transaction.datasets.find(TENANT, NAME)
        if dataset is None:
            assert lake.acknowledged() == []
            return
        versions = await transaction.datasets.versions(TENANT, dataset.id, limit=10_000)
        promises = await transaction.outbox.pending(TENANT, limit=10_000)
    keys = [str(each.idempotency_key) for each in versions]
    assert set(lake.acknowledged()) <= set(keys)
    assert len(set(keys)) == len(keys)
    promised = [each.payload["version"] for each in promises]
    assert promised == [each.version for each in reversed(versions)]
    snapshot = TableReader().snapshot(lake.location, version=dataset.version)
    found = pa.concat_tables(map(_read, snapshot.files)) if snapshot.files else pa.table({"id": []})
    expected = [each for key in sorted(keys, key=int) for each in ids_of(key)]
    assert sorted(found.column("id").to_pylist()) == expected
    assert dataset.row_count == snapshot.row_count == len(expected)


def _read(file: str) -> pa.Table:
    return pq.ParquetFile(file).read(columns=["id"])
