"""Indexes are on Databricks as they are here, and are searched there as well as here."""

import time
from typing import Any

from mcp.client import Client

from servicetsunami.app import App
from tests.databricks.connecting import CATALOG
from tests.databricks.sending import depth, send
from tests.fakes.databricks import FakeWorkspace
from tests.fakes.databricks.vectors import Index
from tests.server.asking import call

THERE = f"{CATALOG}.default.help_index"
DOCUMENTS = [
    {"id": "pw", "text": "To reset a forgotten password, open the account page.", "n": 1},
    {"id": "bill", "text": "Invoices are sent on the first day of every month.", "n": 2},
    {"id": "E42", "text": "Error E42 means that the disk of the printer is full.", "n": 3},
]
LATEST_S = 60.0


async def index_documents(client: Client, *documents: dict[str, Any], name: str = "help") -> None:
    await call(client, "index_documents", index=name, source=list(documents) or DOCUMENTS)


async def status(client: Client, name: str = "help") -> dict[str, Any]:
    answer = await call(client, "sync_status", kind="index", name=name)
    return answer["assets"][0]


async def manage(client: Client, action: str, name: str | None = "help") -> dict[str, Any]:
    return await call(client, "manage_sync", action=action, kind="index", name=name)


async def arrive(client: Client, app: App, *, parked: int = 0) -> None:
    """Send, and look again at what Databricks is at work on, until nothing waits any more."""
    ends_at = time.monotonic() + LATEST_S
    while True:
        await send(app)
        waiting = await depth(client)
        if waiting == (0, parked):
            return
        assert waiting[1] <= parked, await call(client, "sync_status")
        assert time.monotonic() < ends_at, await call(client, "sync_status")
        await look_again(app)


async def look_again(app: App) -> None:
    """Have what waits be due, as it would be a little later."""
    async with app.metadata.begin() as transaction:
        items = await transaction.outbox.pending("local")
        for item in items:
            await transaction.outbox.requeue(
                "local", kind=item.kind, subject=item.subject, at=item.created_at
            )


def there(workspace: FakeWorkspace) -> Index:
    return workspace.vectors.indexes[THERE]


async def test_an_index_follows_its_table_changes_and_is_deleted(
    client: Client, app: App, workspace: FakeWorkspace
) -> None:
    await index_documents(client)
    assert (await status(client))["state"] == "waiting"
    await arrive(client, app)

    made = there(workspace)
    assert made.spec["index_type"] == "DELTA_SYNC"
    assert made.inner["source_table"] == f"{CATALOG}.default.help"
    assert sorted(made.rows) == ["E42", "bill", "pw"]
    synced = await status(client)
    assert (synced["state"], synced["version"], synced["synced_version"]) == ("synced", 0, 0)

    await index_documents(client, {"id": "pw", "text": "Call us.", "n": 4}, {"text": "New."})
    await arrive(client, app)
    assert len(there(workspace).rows) == 4
    assert there(workspace).rows["pw"]["text"] == "Call us."
    assert there(workspace) is made
    usage = await call(client, "tenant_usage")
    [kind] = [each for each in usage["assets"] if each["kind"] == "index"]
    assert (kind["count"], kind["synced"], kind["synced_percent"]) == (1, 1, 100.0)

    await call(client, "delete_asset", kind="index", name="help", confirm="help")
    await arrive(client, app)
    assert workspace.vectors.indexes == {}
    assert f"{CATALOG}.default.help" not in workspace.tables
