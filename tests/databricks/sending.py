"""What tests of the sync have in common: send all, and compare both sides."""

from mcp.client import Client

from servicetsunami.app import App
from servicetsunami.sync.outcomes import Batch
from tests.databricks.connecting import CATALOG
from tests.fakes.databricks import FakeWorkspace
from tests.server.asking import ask, call


async def send(app: App) -> Batch:
    """Send what is due, however many batches it takes; the last batch."""
    assert app.worker is not None
    while True:
        app.worker.wake()
        batch = await app.worker.run_once(items_max=100)
        if not batch.done:
            return batch


async def retry(client: Client) -> None:
    await call(client, "manage_sync", action="retry")


async def same_on_both_sides(client: Client, workspace: FakeWorkspace, name: str) -> None:
    here = await ask(client, f"SELECT * FROM {name} ORDER BY ALL", max_rows=1000)
    there = workspace.rows(f"{CATALOG}.{name}")
    assert [tuple(row) for row in here] == there


async def depth(client: Client) -> tuple[int, int]:
    status = await call(client, "sync_status")
    return status["waiting"], status["parked"]
