"""Words what is known of datasets: lines, descriptions, and what an ingest did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset
from servicetsunami.domain.remote import RemoteTable
from servicetsunami.services.answers import (
    AssetAnswer,
    DescribedAsset,
    DescribedColumn,
    IngestAnswer,
    PulledAnswer,
    SyncAnswer,
    TraceAnswer,
    VersionAnswer,
)
from servicetsunami.services.catalog import TableFound
from servicetsunami.services.ingesting import Ingested
from servicetsunami.services.ingestion import IngestRequest

if TYPE_CHECKING:
    from servicetsunami.stores.lineage import Trace
    from servicetsunami.stores.tables.statistics import ColumnStatistics

_LISTED_COLUMNS_MAX: Final = 40


def nothing_found(search: str | None) -> str:
    """What to do when a list is empty."""
    if search:
        return f"Nothing is named like {search!r}: call list_assets without search."
    return "There are no datasets yet: call ingest_dataset with a file's path or with rows."


def asset_line(dataset: Dataset) -> AssetAnswer:
    """One line of a list of assets."""
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


def described(
    caller: Caller,
    found: TableFound,
    statistics: Mapping[str, "ColumnStatistics"],
    versions: tuple[Any, ...],
    *,
    sample: list[list[Any]],
    location: Path,
    traces: "Sequence[Trace]",
) -> DescribedAsset:
    """All that helps to use one dataset well."""
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
        where="here" if dataset.synced_version is None else "here and on databricks",
        table_path=str(location),
        row_count=dataset.row_count,
        size_bytes=dataset.size_bytes,
        columns=columns,
        sample=sample,
        version=dataset.version,
        versions=[VersionAnswer.of(version) for version in versions],
        created_at=dataset.created_at.isoformat(),
        updated_at=dataset.updated_at.isoformat(),
        sync=SyncAnswer.of(dataset),
        pulled=PulledAnswer.of(dataset.pulled) if dataset.pulled else None,
        runs=[_trace(each) for each in traces] or None,
        next=f"Ask with query_dataset: SELECT ... FROM {dataset.name}",  # noqa: S608
    )


def _trace(found: "Trace") -> TraceAnswer:
    return TraceAnswer(
        run_id=found.run_id,
        name=found.name,
        did="wrote" if found.is_write else "read",
        version=found.version,
        at=found.at.isoformat(),
    )


def described_there(table: RemoteTable) -> DescribedAsset:
    """A table that is only on Databricks, as Unity Catalog knows it."""
    return DescribedAsset(
        kind="dataset",
        name=f"{table.address.schema}.{table.address.table}",
        full_name=str(table.address),
        origin=f"{table.kind} on Databricks",
        where="databricks",
        columns=[DescribedColumn(name=c.name, type=c.type) for c in table.columns],
        updated_at=table.updated_at.isoformat() if table.updated_at else None,
        next=f"Ask with query_dataset by its full name, {table.address}; or copy it here: "
        f"ingest_dataset with source 'databricks:{table.address}'.",
    )


def _json(value: object) -> str | int | float | bool | None:
    """Statistics as JSON can hold them; what it cannot hold becomes text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124
        return value
    return str(value)


def ingest_answer(request: IngestRequest, done: Ingested, *, seconds: float) -> IngestAnswer:
    """What an ingest did, with what its reader should know of the types."""
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
