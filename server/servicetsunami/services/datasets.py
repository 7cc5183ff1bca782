"""Owns a tenant's datasets: brings them in, finds, describes and deletes them."""

import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName, SyncState, WriteMode
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import Conflict
from servicetsunami.services.answers import (
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
    IngestAnswer,
    RemoteAssetAnswer,
    SyncAnswer,
)
from servicetsunami.services.asset_pages import (
    FETCHED_ITEMS,
    PAGE_ITEMS,
    asset_page,
    check_confirmed,
)
from servicetsunami.services.catalog import Catalog, TableAsked, TableFound
from servicetsunami.services.describing import (
    asset_line,
    described,
    described_there,
    ingest_answer,
    nothing_found,
)
from servicetsunami.services.ingesting import Ingesting
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.progress import Progress, Report, silent
from servicetsunami.services.promises import forget_index_of, promise
from servicetsunami.services.pulling import Pulling
from servicetsunami.services.queries import Queries, Question
from servicetsunami.services.remote_catalog import RemoteCatalog
from servicetsunami.services.sources import LocalSource, Source
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import table_location
from servicetsunami.stores.tables.recover import delete
from servicetsunami.stores.tables.snapshot import TableReader

if TYPE_CHECKING:
    from servicetsunami.gateway.fetching import Fetcher
    from servicetsunami.stores.database import Transaction

_SAMPLE_ROWS: Final = 5
_VERSIONS_SHOWN: Final = 10
_TRACES_SHOWN: Final = 20
_DELETE_TIMEOUT_S: Final = 20.0
_FULL_PARTS: Final = 3


class Datasets:
    """Owns what a tenant has ingested."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        reader: TableReader,
        catalog: Catalog,
        queries: Queries,
        ingesting: Ingesting,
        pulling: Pulling,
        remote_catalog: RemoteCatalog,
        roots: AllowedRoots,
        usage: UsageMeter,
        data_dir: Path,
        on_change: Callable[[], None],
        make_fetcher: "Callable[[], Fetcher]",
    ) -> None:
        self._metadata = metadata
        self._reader = reader
        self._catalog = catalog
        self._queries = queries
        self._ingesting = ingesting
        self._pulling = pulling
        self._remote_catalog = remote_catalog
        self._on_change = on_change
        self._roots = roots
        self._usage = usage
        self._data_dir = data_dir
        self._make_fetcher = make_fetcher

    async def ingest(
        self,
        caller: Caller,
        request: IngestRequest,
        report: Report,
        *,
        source: Source | None = None,
    ) -> IngestAnswer:
        """Store a file or rows as a new version of a dataset.

        Either all of it is done when this returns, or nothing: a failure leaves no trace. A
        `source` is given where the request only words it: rows that the server has at hand.
        """
        started = time.monotonic()
        with self._usage.measure(caller, "ingest_dataset") as tally:
            async with AsyncExitStack() as until_done:
                source = source or await self._source(caller, request, until_done)
                done = await self._ingesting.ingest(caller, request, source, Progress(report))
            tally.rows = done.change.rows_written
            tally.size_bytes = done.dataset.size_bytes
        await self._usage.flush_when_due()
        return ingest_answer(request, done, seconds=time.monotonic() - started)

    async def _source(
        self, caller: Caller, request: IngestRequest, until_done: AsyncExitStack
    ) -> Source:
        """Where the rows come from: a file, an address, a table there, or the call itself."""
        table = request.remote_table
        if table is not None:
            name = request.target(caller.catalog)
            return await self._pulling.open(
                caller,
                table,
                is_own=str(table) == f"{caller.catalog}.{name}",
                replaces=request.mode in {WriteMode.CREATE, WriteMode.OVERWRITE},
            )
        path = None
        if request.address is not None:
            fetched = self._make_fetcher().fetched(request.address)
            path = await until_done.enter_async_context(fetched)
        elif isinstance(request.source, str):
            locate = partial(self._roots.locate, request.source, private=self._data_dir)
            path = await to_thread.run_sync(locate)
        return LocalSource(path=path, rows=request.source, options=request.reader_options)

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's datasets, in the order of their names."""
        after = DatasetName.parse(cursor, catalog=caller.catalog) if cursor else None
        async with self._metadata.read() as transaction:
            found = await transaction.datasets.list(
                caller.tenant, search=search, after=after, limit=FETCHED_ITEMS
            )
            total = len(found)
            if after is not None or total > PAGE_ITEMS:
                total = await transaction.datasets.count(caller.tenant, search=search)
            names: Collection[DatasetName] = ()
            if caller.has_databricks:
                names = await transaction.datasets.names(caller.tenant)
        return asset_page(
            caller,
            found,
            [asset_line(dataset) for dataset in found[:PAGE_ITEMS]],
            total=total,
            nothing=nothing_found(search),
            **self._elsewhere(caller, names, search=search, is_first=after is None),
        )

    def _elsewhere(
        self, caller: Caller, names: Collection[DatasetName], *, search: str | None, is_first: bool
    ) -> dict[str, Any]:
        """The tables of the caller's catalog on Databricks that are not here, as last seen."""
        if not caller.has_databricks or not is_first:
            return {}
        listed, here = self._remote_catalog.known(caller), set(map(str, names))
        found = [
            RemoteAssetAnswer(name=name, kind=table.kind)
            for table in listed.tables
            if (name := f"{table.address.schema}.{table.address.table}") not in here
            and (search or "").lower() in name
        ]
        return {
            "on_databricks": found[:PAGE_ITEMS],
            "on_databricks_as_of": listed.at.isoformat() if listed.at else None,
            "on_databricks_error": listed.error,
        }

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """All that helps to use one dataset well; raises NotFound with the nearest names.

        A table that is only on Databricks is described as the workspace knows it.
        """
        elsewhere = await self._describe_elsewhere(caller, name)
        if elsewhere is not None:
            return elsewhere
        asked = TableAsked(name=DatasetName.parse(name, catalog=caller.catalog))
        [found] = await self._catalog.find(caller, [asked])
        location = table_location(self._data_dir, caller.tenant, found.dataset.id)
        statistics = await to_thread.run_sync(
            partial(self._reader.statistics, location, version=found.version.version)
        )
        async with self._metadata.read() as transaction:
            versions = await transaction.datasets.versions(
                caller.tenant, found.dataset.id, limit=_VERSIONS_SHOWN
            )
            traces = await transaction.lineage.of(
                caller.tenant, found.dataset.id, limit=_TRACES_SHOWN
            )
        sample = await self._sample(caller, found)
        return described(
            caller,
            found,
            statistics,
            versions,
            sample=sample,
            location=location,
            traces=traces,
        )

    async def _describe_elsewhere(self, caller: Caller, name: str) -> DescribedAsset | None:
        """A table of Databricks that is not here; None for what is to be looked for here."""
        if not caller.has_databricks:
            return None
        parts = name.split(".")
        if len(parts) == _FULL_PARTS and parts[0].strip("`").lower() != caller.catalog:
            address = TableAddress.parse(name)
        else:
            parsed = DatasetName.parse(name, catalog=caller.catalog)
            async with self._metadata.read() as transaction:
                if await transaction.datasets.find(caller.tenant, parsed) is not None:
                    return None
            known = self._remote_catalog.known(caller).tables
            address = TableAddress(catalog=caller.catalog, schema=parsed.schema, table=parsed.table)
            if address not in {table.address for table in known}:
                return None
        return described_there(await self._pulling.look(caller, address))

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget a dataset, promise its removal to Databricks, and remove its files.

        Raises InvalidInput unless `confirm` is the name, as typed or in full.
        """
        parsed = DatasetName.parse(name, catalog=caller.catalog)
        check_confirmed(str(parsed), confirm, also={name, f"{caller.catalog}.{parsed}"})
        now = datetime.now(UTC)
        async with self._metadata.begin() as transaction:
            dataset = await transaction.datasets.delete(caller.tenant, parsed, at=now)
            await _promise_removal(transaction, dataset, at=now)
            await forget_index_of(transaction, caller.tenant, parsed, at=now)
        self._on_change()
        await self._remove_files(dataset)
        return DeletedAsset(
            kind="dataset",
            name=str(parsed),
            row_count=dataset.row_count,
            size_bytes=dataset.size_bytes,
            sync=SyncAnswer.of(dataset),
        )

    async def complete(
        self, caller: Caller, *, part: str, prefix: str, schema: str | None
    ) -> list[str]:
        """Names of datasets, of schemas, or of tables in a schema, that begin with the prefix."""
        async with self._metadata.read() as transaction:
            names = await transaction.datasets.names(caller.tenant)
        if part == "dataset":
            values = {str(name) for name in names}
        elif part == "schema":
            values = {name.schema for name in names}
        else:
            values = {name.table for name in names if schema in (None, name.schema)}
        return sorted(value for value in values if value.startswith(prefix.lower()))

    async def _sample(self, caller: Caller, found: TableFound) -> list[list[Any]]:
        name = found.dataset.name
        question = Question(
            sql=f"SELECT * FROM `{name.schema}`.`{name.table}` VERSION AS OF "  # noqa: S608
            f"{found.version.version} LIMIT {_SAMPLE_ROWS}",
            parameters={},
            rows_max=_SAMPLE_ROWS,
            timeout_s=None,
            form="concise",
        )
        answer = await self._queries.ask(caller, question, silent)
        return [list(row) for row in answer.rows]

    async def _remove_files(self, dataset: Dataset) -> None:
        """Remove the files now if nobody is writing; else the next start collects them."""
        location = table_location(self._data_dir, dataset.tenant, dataset.id)
        self._reader.forget(location)
        with anyio.CancelScope(shield=True):
            try:
                await to_thread.run_sync(partial(delete, location, timeout_s=_DELETE_TIMEOUT_S))
            except Conflict:
                return


async def _promise_removal(transaction: "Transaction", dataset: Dataset, *, at: datetime) -> None:
    """Have Databricks forget it too, unless it is not sent there; what waited is pointless now."""
    await transaction.outbox.supersede(
        dataset.tenant,
        kind=AssetKind.DATASET,
        asset_id=dataset.id,
        reason="the dataset was deleted",
        at=at,
    )
    if dataset.sync_state is SyncState.OFF:
        return
    await promise(transaction, dataset, Change.DELETE, {"version": dataset.version}, at=at)
