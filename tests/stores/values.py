"""Values that the tests of the metadata store."""

import uuid
from datetime import UTC, datetime, timedelta

from servicetsunami.domain.dataset import Column, Dataset, DatasetName, DatasetVersion

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_dataset(table: str = "orders", *, tenant: str = "acme", schema: str = "sales") -> Dataset:
    return Dataset(
        id=uuid.uuid4().hex,
        tenant=tenant,
        name=DatasetName(schema=schema, table=table),
        columns=(
            Column(name="id", type="bigint", nullable=False),
            Column(name="price", type="decimal(10,2)"),
        ),
        version=0,
        row_count=3,
        size_bytes=5_000_000_000,
        origin="orders.csv",
        created_at=NOON,
        updated_at=NOON,
        metadata={"owner": {"team": "sales"}, "tags": ["a", "b"]},
    )


def a_version(number: int, *, key: str | None = None) -> DatasetVersion:
    return DatasetVersion(
        version=number,
        operation="create" if number == 0 else "append",
        rows_written=3,
        row_count=3 * (number + 1),
        created_at=NOON + timedelta(minutes=number),
        idempotency_key=key,
    )
