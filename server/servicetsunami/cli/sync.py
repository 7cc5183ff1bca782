"""Does what the commands `servicetsunami sync …` ask, in a server without a client."""

import signal
from dataclasses import dataclass
from typing import Literal

import anyio

from servicetsunami.app import App, open_app
from servicetsunami.errors import ConfigurationError
from servicetsunami.services.progress import silent
from servicetsunami.services.sync_answers import ManagedSync, SyncStatusAnswer
from servicetsunami.settings import Settings
from servicetsunami.sync.worker import SyncWorker

_BATCH_ITEMS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What `sync run` did."""

    text: str
    is_complete: bool


async def status(settings: Settings, name: str | None) -> SyncStatusAnswer:
    """What `sync_status` tells a model, for a person."""
    async with open_app(settings) as app:
        return await app.services.sync.status(app.caller(), name=name)


async def manage(
    settings: Settings, action: Literal["retry", "drop"], name: str | None
) -> ManagedSync:
    """What `manage_sync` does for a model, for a person."""
    async with open_app(settings) as app:
        return await app.services.sync.manage(app.caller(), action, name, silent)


async def run(settings: Settings, once: bool) -> Sent:
    """Send what waits: all that is due now, or whatever comes until a signal.

    Raises ConfigurationError without a workspace.
    """
    async with open_app(settings) as app:
        if app.worker is None:
            raise ConfigurationError(
                "No Databricks workspace is connected, so nothing can be sent.",
                "Set DATABRICKS_ENABLED=true and its companions; see "
                "docs/how-to/connect-databricks.md.",
            )
        sent = await (_once(app.worker) if once else _until_signal(app.worker))
        return await _told(app, sent, app.worker)


async def _once(worker: SyncWorker) -> int:
    sent = 0
    while True:
        batch = await worker.run_once(items_max=_BATCH_ITEMS)
        sent += batch.done
        if batch.unavailable is not None or not batch.done:
            return sent


async def _until_signal(worker: SyncWorker) -> int:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run)
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
        tasks.cancel_scope.cancel()
    return worker.done_count


async def _told(app: App, sent: int, worker: SyncWorker) -> Sent:
    async with app.metadata.read() as transaction:
        depth = await transaction.outbox.depth(app.caller().tenant)
    text = f"{sent} sent, {depth.items} waiting, {depth.parked} parked"
    if worker.unavailable_reason:
        text += f"; {worker.unavailable_reason}"
    return Sent(text=text, is_complete=not depth.items and not depth.parked)
