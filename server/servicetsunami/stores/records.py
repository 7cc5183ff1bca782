"""How datasets and their versions are laid out in rows, in both directions."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from servicetsunami.domain.dataset import (
    Column,
    Dataset,
    DatasetName,
    DatasetVersion,
    SyncState,
)


def dataset_values(dataset: Dataset) -> Mapping[str, object]:
    """The row of a dataset that exists."""
    return {
        "id": dataset.id,
        "tenant": dataset.tenant,
        "schema_name": dataset.name.schema,
        "table_name": dataset.name.table,
        "columns": [
            {"name": each.name, "type": each.type, "nullable": each.nullable}
            for each in dataset.columns
        ],
        "version": dataset.version,
        "row_count": dataset.row_count,
        "size_bytes": dataset.size_bytes,
        "stored_bytes": dataset.stored_bytes,
        "origin": dataset.origin,
        "sync_state": dataset.sync_state.value,
        "synced_version": dataset.synced_version,
        "synced_at": dataset.synced_at,
        "sync_error": dataset.sync_error,
        "metadata_": dict(dataset.metadata),
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
    }


def to_dataset(row: Row[Any]) -> Dataset:
    """The dataset that a row stands for."""
    return Dataset(
        id=row.id,
        tenant=row.tenant,
        name=DatasetName(schema=row.schema_name, table=row.table_name),
        columns=tuple(Column(**each) for each in row.columns),
        version=row.version,
        row_count=row.row_count,
        size_bytes=row.size_bytes,
        stored_bytes=row.stored_bytes,
        origin=row.origin,
        sync_state=SyncState(row.sync_state),
        synced_version=row.synced_version,
        synced_at=row.synced_at,
        sync_error=row.sync_error,
        metadata=row.metadata_,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def version_values(dataset_id: str, version: DatasetVersion) -> Mapping[str, object]:
    """The row of an acknowledged version."""
    return {
        "dataset_id": dataset_id,
        "version": version.version,
        "operation": version.operation,
        "rows_written": version.rows_written,
        "row_count": version.row_count,
        "idempotency_key": version.idempotency_key,
        "created_at": version.created_at,
    }


def to_version(row: Row[Any]) -> DatasetVersion:
    """The acknowledged version that a row stands for."""
    return DatasetVersion(
        version=row.version,
        operation=row.operation,
        rows_written=row.rows_written,
        row_count=row.row_count,
        created_at=row.created_at,
        idempotency_key=row.idempotency_key,
    )
