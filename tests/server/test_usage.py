"""What calls use is counted, and counting never gets in the way of a call."""

from datetime import UTC, datetime
from pathlib import Path

from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.domain.caller import LOCAL_TENANT, Caller
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.services.usage import UsageMeter
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import ask, call, failure

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def test_counts_wait_for_a_database_that_is_away_and_fail_no_call(tmp_path: Path) -> None:
    file = tmp_path / "metadata.db"
    file.mkdir()
    metadata = Metadata(f"sqlite+aiosqlite:///{file}")
    meter = UsageMeter(metadata)
    caller = Caller(tenant=LOCAL_TENANT, subject=LOCAL_TENANT, catalog="main")
    for _ in range(150):
        with meter.measure(caller, "query_dataset"):
            pass
        await meter.flush_when_due()

    file.rmdir()
    await meter.flush()

    async with metadata.read() as transaction:
        [totals] = await transaction.usage.totals(LOCAL_TENANT, since=LONG_AGO)
    assert (totals.tool, totals.calls, totals.failures) == ("query_dataset", 150, 0)
    await metadata.close()


async def test_calls_are_counted_with_their_rows_and_failures(
    settings: Settings, zygote: Zygote
) -> None:
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        await call(client, "ingest_dataset", source=[{"a": 1}, {"a": 2}], name="t")
        await failure(client, "ingest_dataset", source=[{"a": 1}], name="t")
        await ask(client, "SELECT a FROM t")
        await failure(client, "query_dataset", sql="SELECT nope FROM t")

    metadata = Metadata(settings.metadata_url)
    async with metadata.read() as transaction:
        totals = await transaction.usage.totals(LOCAL_TENANT, since=LONG_AGO)
    await metadata.close()

    counted = {each.tool: (each.calls, each.failures, each.rows) for each in totals}
    assert counted == {"ingest_dataset": (2, 1, 2), "query_dataset": (2, 1, 2)}


async def test_an_ingest_that_takes_too_long_is_stopped_without_a_trace(
    tmp_path: Path, files: Path, zygote: Zygote
) -> None:
    (files / "big.csv").write_text("a,b\n" + "1,some text\n" * 500_000)
    settings = Settings(data_dir=tmp_path / "d", allowed_roots=(files,), ingest_timeout_s=0.05)
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        message = await failure(client, "ingest_dataset", source="big.csv")

        assert "nothing was written" in message
        assert "SERVICETSUNAMI_INGEST_TIMEOUT_S" in message
        assert (await call(client, "list_assets"))["total"] == 0
