"""Owns a tenant's datasets: brings them in, finds, describes and deletes them."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.errors import Conflict, InvalidInput
from servicetsunami.services.answers import (
    AssetAnswer,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
    DescribedColumn,
    IngestAnswer,
    SyncAnswer,
    VersionAnswer,
)
from servicetsunami.services.catalog import Catalog, TableAsked, TableFound
from servicetsunami.services.ingesting import Ingested, Ingesting
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.paths import AllowedRoots
from servicetsunami.services.progress import Progress, Report
from servicetsunami.services.queries import Queries, Question
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import table_location
from servicetsunami.stores.tables.recover import delete
from servicetsunami.stores.tables.snapshot import TableReader

if TYPE_CHECKING:
    from servicetsunami.stores.tables.statistics import ColumnStatistics

PAGE_ITEMS: Final = 50
_LISTED_COLUMNS_MAX: Final = 40
_SAMPLE_ROWS: Final = 5
_VERSIONS_SHOWN: Final = 10
_DELETE_TIMEOUT_S: Final = 20.0


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
        roots: AllowedRoots,
        usage: UsageMeter,
        data_dir: Path,
    ) -> None:
        self._metadata = metadata
        self._reader = reader
        self._catalog = catalog
        self._queries = queries
        self._ingesting = ingesting
        self._roots = roots
        self._usage = usage
        self._data_dir = data_dir

    async def ingest(self, caller: Caller, request: IngestRequest, report: Report) -> IngestAnswer:
        """Store a file or rows as a new version of a dataset.

        Either all of it is done when this returns, or nothing: a failure leaves no trace.
        """
        started = time.monotonic()
        path = None
        if isinstance(request.source, str):
            locate = partial(self._roots.locate, request.source, private=self._data_dir)
            path = await to_thread.run_sync(locate)
        with self._usage.measure(caller, "ingest_dataset") as tally:
            done = await self._ingesting.ingest(caller, request, path, Progress(report))
            tally.rows = done.change.rows_written
            tally.size_bytes = done.dataset.size_bytes
        await self._usage.flush_when_due()
        return _ingest_answer(request, done, seconds=time.monotonic() - started)

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's datasets, in the order of their names."""
        after = DatasetName.parse(cursor, catalog=caller.catalog) if cursor else None
        async with self._metadata.read() as transaction:
            found = await transaction.datasets.list(
                caller.tenant, search=search, after=after, limit=PAGE_ITEMS + 1
            )
            total = await transaction.datasets.count(caller.tenant, search=search)
        shown, more = found[:PAGE_ITEMS], len(found) > PAGE_ITEMS
        return AssetsAnswer(
            assets=[_asset(dataset) for dataset in shown],
            total=total,
            truncated=more,
            cursor=str(shown[-1].name) if more else None,
            catalog=caller.catalog,
            next=None if shown else _nothing_found(search),
        )

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """All that helps to use one dataset well; raises NotFound with the nearest names."""
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
        return _described(caller, found, statistics, versions, await self._sample(caller, found))

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget a dataset, promise its removal to Databricks, and remove its files.

        Raises InvalidInput unless `confirm` is the name, as typed or in full.
        """
        parsed = DatasetName.parse(name, catalog=caller.catalog)
        if not confirm or confirm not in {name, str(parsed), f"{caller.catalog}.{parsed}"}:
            raise InvalidInput(
                f"Nothing was deleted: `confirm` is not the name {str(parsed)!r}.",
                "Ask the user whether it may go, then repeat its name in `confirm`.",
            )
        now = datetime.now(UTC)
        async with self._metadata.begin() as transaction:
            dataset = await transaction.datasets.delete(caller.tenant, parsed, at=now)
            await transaction.outbox.put(
                tenant=caller.tenant,
                kind=AssetKind.DATASET,
                asset_id=dataset.id,
                subject=str(parsed),
                change=Change.DELETE,
                payload={"version": dataset.version},
                at=now,
            )
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
        """Names of schemas, or of tables in a schema, that begin with the prefix."""
        async with self._metadata.read() as transaction:
            names = await transaction.datasets.names(caller.tenant)
        if part == "schema":
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
        answer = await self._queries.ask(caller, question, _silent)
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


async def _silent(_done: float, _total: float | None, _text: str) -> None:
    """Take progress that nobody asked for."""


def _nothing_found(search: str | None) -> str:
    if search:
        return f"Nothing is named like {search!r}: call list_assets without search."
    return "There are no datasets yet: call ingest_dataset with a file's path or with rows."


def _asset(dataset: Dataset) -> AssetAnswer:
    names = [column.name for column in dataset.columns]
    if len(names) > _LISTED_COLUMNS_MAX:
        rest = len(names) - _LISTED_COLUMNS_MAX
        names = [*names[:_LISTED_COLUMNS_MAX], f"... and {rest} more"]
    return AssetAnswer(
        kind="dataset",
        name=str(dataset.name),
        row_count=dataset.row_count,
        size_bytes=dataset.size_bytes,
        version=dataset.version,
        updated_at=dataset.updated_at.isoformat(),
        sync=dataset.sync_state.value,
        columns=names,
    )


def _described(
    caller: Caller,
    found: TableFound,
    statistics: Mapping[str, "ColumnStatistics"],
    versions: tuple[Any, ...],
    sample: list[list[Any]],
) -> DescribedAsset:
    dataset = found.dataset
    columns = []
    for column in found.snapshot.columns:
        known = statistics.get(column.name)
        columns.append(
            DescribedColumn(
                name=column.name,
                type=column.type,
                nulls=known.null_count if known else None,
                min=_json(known.minimum) if known else None,
                max=_json(known.maximum) if known else None,
            )
        )
    return DescribedAsset(
        kind="dataset",
        name=str(dataset.name),
        full_name=f"{caller.catalog}.{dataset.name}",
        origin=dataset.origin,
        row_count=dataset.row_count,
        size_bytes=dataset.size_bytes,
        columns=columns,
        sample=sample,
        version=dataset.version,
        versions=[VersionAnswer.of(version) for version in versions],
        created_at=dataset.created_at.isoformat(),
        updated_at=dataset.updated_at.isoformat(),
        sync=SyncAnswer.of(dataset),
        next=f"Ask with query_dataset: SELECT ... FROM {dataset.name}",  # noqa: S608
    )


def _json(value: object) -> str | int | float | bool | None:
    """Statistics as JSON can hold them; what it cannot hold becomes text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124
        return value
    return str(value)


def _ingest_answer(request: IngestRequest, done: Ingested, *, seconds: float) -> IngestAnswer:
    dataset, report = done.dataset, done.report or {}
    rejects = str(done.rejects.name) if done.rejects else None
    return IngestAnswer.model_validate(
        {
            "name": str(dataset.name),
            "mode": request.mode.value,
            "version": done.change.version,
            "rows_written": done.change.rows_written,
            "row_count": done.change.row_count,
            "size_bytes": dataset.size_bytes,
            "columns": _inferred(report, dataset),
            "format": report.get("format", "none"),
            "read_as": report.get("read_as", {}),
            "rejected_rows": report.get("rejected_rows", 0),
            "rejected_first": report.get("rejected_first") or None,
            "rejects_dataset": rejects,
            "changes": report.get("written", {}).get("details") or None,
            "warnings": _warnings(report),
            "seconds": round(seconds, 3),
            "sync": SyncAnswer.of(dataset),
            "next": _next_step(dataset, rejects),
        }
    )


def _inferred(report: Mapping[str, Any], dataset: Dataset) -> list[dict[str, Any]]:
    if not report:
        return [
            {"name": column.name, "type": column.type, "how": "known before"}
            for column in dataset.columns
        ]
    return [
        {
            "name": column["name"],
            "type": column["type"],
            "how": column["how"],
            "source_name": None
            if column["source_name"] == column["name"]
            else column["source_name"],
        }
        for column in report["columns"]
    ]


def _warnings(report: Mapping[str, Any]) -> list[str]:
    if not report:
        return ["This idempotency_key was applied before: nothing was written again."]
    return list(report["warnings"])


def _next_step(dataset: Dataset, rejects: str | None) -> str:
    ask = f"Ask with query_dataset: SELECT ... FROM {dataset.name}."  # noqa: S608
    if rejects is None:
        return ask
    return f"Tell the user about the rejected rows; all of them are in {rejects}. {ask}"
