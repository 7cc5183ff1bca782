"""Carries one ingest through: locks, the child that reads and writes, one commit at the end.

Until the commit nothing has happened: see stores/tables for what a crash leaves, and who undoes it.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from anyio import CancelScope, to_thread
from anyio.lowlevel import checkpoint

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Column, Dataset, DatasetName, DatasetVersion, WriteMode
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.engines.workers.frames import ChannelError
from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    LimitExceeded,
    TimedOut,
)
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.progress import Progress
from servicetsunami.services.promises import promise, promise_index_of
from servicetsunami.services.quotas import Quotas
from servicetsunami.services.sources import Settled, Source, Work, as_own_change
from servicetsunami.stores.locks import FileLock
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import lock_file, table_location
from servicetsunami.stores.tables.recover import discard, recover, roll_back

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

REJECTS_SUFFIX = "__rejects"
_NAME_CHARS_MAX = 128
_ATTEMPTS_MAX = 5
_LOCK_TIMEOUT_S = 20.0
_LOCK_STEP_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table that this ingest may write, locked: `dataset` is None when it is to be created."""

    name: DatasetName
    dataset: Dataset | None
    dataset_id: str
    location: Path
    lock: FileLock

    @property
    def base_version(self) -> int | None:
        """The acknowledged version that the new one builds on."""
        return None if self.dataset is None else self.dataset.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What came of it: the dataset as it is now, and what the child reported."""

    dataset: Dataset
    change: DatasetVersion
    rejects: Dataset | None
    report: Mapping[str, Any] | None
    """None when the same idempotency key had been applied before."""


class _NameTaken(Conflict):
    """Somebody else created the dataset while this ingest was writing it."""


class Ingesting:
    """Owns the way from a source to an acknowledged version."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        data_dir: Path,
        pool: WorkerPool,
        quotas: Quotas,
        timeout_s: float,
        on_change: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._data_dir = data_dir
        self._pool = pool
        self._quotas = quotas
        self._timeout_s = timeout_s
        self._on_change = on_change

    async def ingest(
        self, caller: Caller, request: IngestRequest, source: Source, progress: Progress
    ) -> Ingested:
        """Store the source, and promise the change to Databricks, in one commit.

        Raises Conflict, with nothing changed, when another writer holds the table for long or
        has changed it meanwhile, and LimitExceeded for more than the tenant may keep.
        """
        name = request.target(caller.catalog)
        if name.table.endswith(REJECTS_SUFFIX):
            raise InvalidInput(
                f"Names that end in {REJECTS_SUFFIX} are kept for rows that did not fit.",
                "Choose another name.",
            )
        async with self._metadata.read() as transaction:
            await self._quotas.check_not_full(transaction, caller.tenant)
        for _ in range(_ATTEMPTS_MAX):
            # Once it exists, the mode says what to do, or the key that it was done already.
            with suppress(_NameTaken):
                return await self._attempt(caller, name, request, source, progress)
        raise Conflict(
            f"The dataset {name} was created and deleted by others all the while.",
            "Nothing was written. Call again when they have ended.",
        )

    async def _attempt(
        self,
        caller: Caller,
        name: DatasetName,
        request: IngestRequest,
        source: Source,
        progress: Progress,
    ) -> Ingested:
        rejects_name = DatasetName(schema=name.schema, table=_rejects_table(name.table))
        async with self._locked(caller, name) as target:
            earlier = await self._applied_before(caller, target, request)
            if earlier is not None:
                return earlier
            request.check_against(target.dataset, name)
            # Always in this order, so that two ingests cannot wait for each other.
            async with self._locked(caller, rejects_name) as rejects:
                report = await self._work(caller.tenant, target, rejects, request, source, progress)
                written = ((target, report["written"]), (rejects, report["rejects_written"]))
                async with _discarded_when_refused(*written):
                    return await self._commit(
                        caller, request, source, target=target, rejects=rejects, report=report
                    )

    @asynccontextmanager
    async def _locked(self, caller: Caller, name: DatasetName) -> AsyncGenerator[Target]:
        """Hold the table's lock, with what a crash has left there undone."""
        dataset = await self._find(caller, name)
        dataset_id = dataset.id if dataset else uuid4().hex
        location = table_location(self._data_dir, caller.tenant, dataset_id)
        lock = await _acquire(lock_file(location))
        target = Target(
            name=name, dataset=dataset, dataset_id=dataset_id, location=location, lock=lock
        )
        with lock:
            if dataset is None:
                async with _removed_unless_committed(self._metadata, caller, target):
                    yield target
                return
            # It may have changed while we waited for the lock.
            current = await self._find(caller, name)
            if current is None or current.id != dataset_id:
                raise Conflict(
                    f"The dataset {name} was deleted meanwhile.", "Look again, then decide."
                )
            await to_thread.run_sync(partial(recover, location, lock, base_version=current.version))
            yield replace(target, dataset=current)

    async def _find(self, caller: Caller, name: DatasetName) -> Dataset | None:
        async with self._metadata.read() as transaction:
            return await transaction.datasets.find(caller.tenant, name)

    async def _applied_before(
        self, caller: Caller, target: Target, request: IngestRequest
    ) -> Ingested | None:
        key = request.idempotency_key
        if key is None or target.dataset is None:
            return None
        async with self._metadata.read() as transaction:
            change = await transaction.datasets.find_by_idempotency_key(
                caller.tenant, target.dataset.id, key
            )
        if change is None:
            return None
        return Ingested(dataset=target.dataset, change=change, rejects=None, report=None)

    async def _work(  # noqa: PLR0917 - what a child is told
        self,
        tenant: str,
        target: Target,
        rejects: Target,
        request: IngestRequest,
        source: Source,
        progress: Progress,
    ) -> Mapping[str, Any]:
        mode = request.mode
        if target.dataset is None and mode is not WriteMode.MERGE:
            mode = WriteMode.CREATE
        arguments = {
            "location": str(target.location),
            "mode": mode.value,
            "keys": list(request.keys),
            "base_version": target.base_version,
            "rejects_location": str(rejects.location),
            "rejects_base_version": rejects.base_version,
            "commit_info": {"dataset": str(target.name), **request.commit_info},
        }
        work = Work(
            arguments=arguments,
            fds=[target.lock.fileno(), rejects.lock.fileno()],
            timeout_s=self._timeout_s,
            on_progress=progress.pass_on,
        )
        async with self._pool.acquire(affinity=tenant) as worker:
            with _explained(self._timeout_s):
                return await source.read(worker, work)

    async def _commit(
        self,
        caller: Caller,
        request: IngestRequest,
        source: Source,
        *,
        target: Target,
        rejects: Target,
        report: Mapping[str, Any],
    ) -> Ingested:
        """Acknowledge both tables and promise them, all or nothing."""
        now = datetime.now(UTC)
        origin = request.origin
        change = _change(report["written"], request, now, key=request.idempotency_key)
        dataset = _dataset(caller, target, report["written"], origin, now)
        settled = source.settle(target.dataset, dataset, at=now)
        keys = tuple(request.keys)
        kept: Dataset | None = None
        async with self._metadata.begin() as transaction:
            if target.base_version is None:
                await self._quotas.check_room(transaction, caller.tenant, AssetKind.DATASET)
            await _acknowledge(transaction, target, settled, change, keys=keys)
            if request.run_id is not None:
                await transaction.lineage.note(
                    dataset.id, version=change.version, run_id=request.run_id, is_write=True, at=now
                )
            if report["rejects_written"] is not None:
                kept = _dataset(
                    caller, rejects, report["rejects_written"], f"rejects of {target.name}", now
                )
                rejected = _change(report["rejects_written"], request, now, key=None)
                await _acknowledge(transaction, rejects, as_own_change(kept), rejected)
            await self._quotas.check_data(transaction, caller.tenant)
        self._on_change()
        return Ingested(dataset=settled.dataset, change=change, rejects=kept, report=report)


def _rejects_table(table: str) -> str:
    """Where the rejected rows go: a name that can be asked for like any other."""
    return table[: _NAME_CHARS_MAX - len(REJECTS_SUFFIX)] + REJECTS_SUFFIX


@contextmanager
def _explained(timeout_s: float) -> Generator[None]:
    """Say what a child's end means for an ingest, and what helps: a pool speaks of queries."""
    try:
        yield
    except TimedOut as error:
        raise TimedOut(
            f"The ingest did not end within {timeout_s:g} s, and was stopped: nothing was written.",
            "Ingest the data in parts, or have SERVICETSUNAMI_INGEST_TIMEOUT_S raised.",
        ) from error
    except LimitExceeded as error:
        if not isinstance(error.__cause__, ChannelError):
            raise
        raise LimitExceeded(
            "The process that read the source ended before it was done: nothing was written.",
            "Call again. If it happens again, it needs too much memory: ingest the data in parts.",
        ) from error


@asynccontextmanager
async def _removed_unless_committed(
    metadata: Metadata, caller: Caller, target: Target
) -> AsyncGenerator[None]:
    """Leave no trace of a new table that did not come to be."""
    try:
        yield
    finally:
        with CancelScope(shield=True):
            async with metadata.read() as transaction:
                known = await transaction.datasets.find_by_id(caller.tenant, target.dataset_id)
            if known is None:
                await to_thread.run_sync(partial(roll_back, target.location, base_version=None))
                target.lock.remove()


@asynccontextmanager
async def _discarded_when_refused(*written: tuple[Target, Any]) -> AsyncGenerator[None]:
    """Keep no files of what the tenant may not keep: each refused ingest would leave some."""
    try:
        yield
    except LimitExceeded:
        with CancelScope(shield=True):
            for target, commit in written:
                if target.dataset is not None and commit is not None:
                    remove = partial(discard, target.location, version=commit["version"])
                    await to_thread.run_sync(remove)
        raise


async def _acquire(path: Path) -> FileLock:
    """Wait for a lock in short steps, so that a caller who gives up need not be waited for."""
    attempt = partial(FileLock.acquire, path, timeout_s=_LOCK_STEP_S)
    for _ in range(int(_LOCK_TIMEOUT_S / _LOCK_STEP_S)):
        await checkpoint()
        # Shielded: a lock that was got for a cancelled caller would never be let go.
        with CancelScope(shield=True), suppress(Conflict):
            try:
                return await to_thread.run_sync(attempt)
            except OSError as error:
                raise ConfigurationError(
                    f"The data directory cannot be written: {error.strerror}.",
                    "Free some space, have its permissions changed, or set "
                    "SERVICETSUNAMI_DATA_DIR to another directory; nothing was changed.",
                ) from error
    raise Conflict(
        f"Another writer has held this dataset for more than {_LOCK_TIMEOUT_S:g} s.",
        "Nothing was written. Call again when the other write has ended.",
    )


def _dataset(
    caller: Caller, target: Target, written: Mapping[str, Any], origin: str, now: datetime
) -> Dataset:
    columns = tuple(Column(**column) for column in written["columns"])
    before = 0 if target.dataset is None else target.dataset.stored_bytes
    facts: dict[str, Any] = {
        "columns": columns,
        "version": written["version"],
        "row_count": written["row_count"],
        "size_bytes": written["size_bytes"],
        "stored_bytes": before + written["added_bytes"],
        "updated_at": now,
    }
    if target.dataset is not None:
        return replace(target.dataset, **facts)
    return Dataset(
        id=target.dataset_id,
        tenant=caller.tenant,
        name=target.name,
        origin=origin,
        created_at=now,
        **facts,
    )


def _change(
    written: Mapping[str, Any], request: IngestRequest, now: datetime, *, key: str | None
) -> DatasetVersion:
    return DatasetVersion(
        version=written["version"],
        operation=request.mode.value,
        rows_written=written["rows_written"],
        row_count=written["row_count"],
        created_at=now,
        idempotency_key=key,
    )


async def _acknowledge(
    transaction: "Transaction",
    target: Target,
    settled: Settled,
    change: DatasetVersion,
    *,
    keys: Sequence[str] = (),
) -> None:
    dataset = settled.dataset
    if target.base_version is None:
        try:
            await transaction.datasets.register(dataset, change)
        except Conflict as error:
            raise _NameTaken(error.what, error.next_step) from error
    else:
        await transaction.datasets.update(dataset, change, base_version=target.base_version)
    if settled.is_synced:
        await transaction.datasets.mark_synced(
            dataset.tenant, dataset.id, version=change.version, at=change.created_at
        )
    if settled.is_promised:
        payload = {
            "version": change.version,
            "operation": change.operation,
            "rows_written": change.rows_written,
            **({"keys": list(keys)} if keys else {}),
        }
        await promise(transaction, dataset, Change.UPSERT, payload, at=change.created_at)
    await promise_index_of(transaction, dataset.tenant, dataset.name, at=change.created_at)
