"""What tests of indexes on Databricks have in common: documents, and waiting until they arrive."""

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
TABLE = f"{CATALOG}.default.help"
DOCUMENTS: list[dict[str, Any]] = [
    {"id": "pw", "text": "To reset a forgotten password, open the account page.", "n": 1},
    {"id": "bill", "text": "Invoices are sent on the first day of every month.", "n": 2},
    {"id": "E42", "text": "Error E42 means that the disk of the printer is full.", "n": 3},
]
_LATEST_S = 60.0


async def index_documents(client: Client, *documents: dict[str, Any]) -> None:
    await call(client, "index_documents", index="help", source=list(documents) or DOCUMENTS)


async def status(client: Client) -> dict[str, Any]:
    answer = await call(client, "sync_status", kind="index", name="help")
    return answer["assets"][0]


async def manage(client: Client, action: str, kind: str = "index") -> dict[str, Any]:
    return await call(client, "manage_sync", action=action, kind=kind, name="help")


async def arrive(client: Client, app: App, *, parked: int = 0) -> None:
    """Send, and look again at what Databricks is at work on, until nothing waits any more."""
    ends_at = time.monotonic() + _LATEST_S
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
        for item in await transaction.outbox.pending("local"):
            await transaction.outbox.requeue(
                "local", kind=item.kind, subject=item.subject, at=item.created_at
            )


async def find(client: Client, query: str, **more: Any) -> dict[str, Any]:
    return await call(client, "search_vectors", index="help", query=query, **more)


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def there(workspace: FakeWorkspace) -> Index:
    return workspace.vectors.indexes[THERE]
