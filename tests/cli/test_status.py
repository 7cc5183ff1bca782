"""The status adds up what is stored, what waits and what was used."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from servicetsunami.cli.status import look
from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.domain.dataset import Column, Dataset, DatasetName, DatasetVersion
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.domain.usage import UsageEvent
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata

NOW = datetime.now(UTC)


def _dataset(table: str, rows: int) -> Dataset:
    return Dataset(
        id=table,
        tenant=LOCAL_TENANT,
        name=DatasetName(schema="default", table=table),
        columns=(Column(name="a", type="int"),),
        version=0,
        row_count=rows,
        size_bytes=rows * 10,
        origin="rows",
        created_at=NOW,
        updated_at=NOW,
    )


def _usage(*, ok: bool) -> UsageEvent:
    return UsageEvent(
        tenant=LOCAL_TENANT,
        subject=LOCAL_TENANT,
        tool="query_dataset",
        ok=ok,
        rows=5,
        size_bytes=100,
        seconds=0.5,
        created_at=NOW,
    )


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path)
    metadata = Metadata(settings.metadata_url)
    first = DatasetVersion(
        version=0, operation="create", rows_written=1, row_count=1, created_at=NOW
    )
    async with metadata.begin() as transaction:
        for table, rows in (("orders", 3), ("sales", 4)):
            await transaction.datasets.register(_dataset(table, rows), first)
            await transaction.outbox.put(
                tenant=LOCAL_TENANT,
                kind=AssetKind.DATASET,
                asset_id=table,
                subject=f"default.{table}",
                change=Change.UPSERT,
                payload={},
                at=NOW - timedelta(minutes=rows),
            )
        await transaction.usage.add([_usage(ok=True), _usage(ok=False)])
    await metadata.close()
    return settings


async def test_datasets_outbox_and_usage_are_added_up(settings: Settings) -> None:
    status = await look(settings)

    assert (status.datasets, status.row_count, status.size_bytes) == (2, 7, 70)
    assert status.outbox_items == 2
    assert status.outbox_oldest_at == NOW - timedelta(minutes=4)
    [usage] = status.usage
    assert (usage.calls, usage.failures, usage.rows) == (2, 1, 10)


async def test_the_status_as_json_has_times_with_their_zone(settings: Settings) -> None:
    status = json.loads(json.dumps((await look(settings)).as_json()))

    assert status["outbox"]["oldest_at"].endswith("+00:00")
    assert status["usage"][0]["tool"] == "query_dataset"


async def test_an_unused_directory_is_not_touched(tmp_path: Path) -> None:
    status = await look(Settings(data_dir=tmp_path / "unused"))

    assert not status.exists
    assert not (tmp_path / "unused").exists()
