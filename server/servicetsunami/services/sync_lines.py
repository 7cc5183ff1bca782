"""Words how far assets are on their way to Databricks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from servicetsunami.domain.dataset import Dataset, DatasetName
from servicetsunami.domain.endpoint import Endpoint
from servicetsunami.domain.index import Index
from servicetsunami.domain.job import Job
from servicetsunami.domain.notebook import Notebook, NotebookName
from servicetsunami.domain.outbox import AssetKind, Queue
from servicetsunami.services.sync_answers import AssetSyncAnswer, SyncKind, WorkspaceAnswer

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

Sent: TypeAlias = Dataset | Notebook | Job | Index | Endpoint
"""What may be on its way to Databricks."""
_NAMED: Final[dict[AssetKind, SyncKind]] = {
    AssetKind.NOTEBOOK: "notebook",
    AssetKind.JOB: "job",
    AssetKind.INDEX: "index",
    AssetKind.ENDPOINT: "endpoint",
}


async def find_asset(
    transaction: "Transaction", tenant: str, kind: AssetKind, subject: str
) -> Sent | None:
    """The asset that a queue belongs to, unless it was deleted."""
    if kind is AssetKind.NOTEBOOK:
        return await transaction.notebooks.find(tenant, NotebookName(subject))
    if kind is AssetKind.JOB:
        return await transaction.jobs.find(tenant, subject)
    if kind is AssetKind.ENDPOINT:
        return await transaction.endpoints.find(tenant, subject)
    if kind is AssetKind.INDEX:
        return await transaction.indexes.find(tenant, DatasetName.of(subject))
    return await transaction.datasets.find(tenant, DatasetName.of(subject))


def asset_line(
    kind: AssetKind, subject: str, asset: Sent | None, queue: Queue | None
) -> AssetSyncAnswer:
    """How far one asset is."""
    state = asset.sync_state.value if asset else "waiting" if queue else "unknown"
    if queue is not None and queue.parked:
        state = "parked"
    elif queue is not None and queue.is_held:
        state = "held"
    error = (queue.last_error if queue else None) or (asset.sync_error if asset else None)
    version, synced_version = _versions(asset)
    pulled = asset.pulled if isinstance(asset, Dataset) else None
    return AssetSyncAnswer(
        kind=_NAMED.get(kind, "dataset"),
        name=subject,
        state=state,
        version=version,
        synced_version=synced_version,
        synced_at=asset.synced_at.isoformat() if asset and asset.synced_at else None,
        waiting=queue.waiting if queue else 0,
        parked=queue.parked if queue else 0,
        oldest_at=queue.oldest_at.isoformat() if queue else None,
        attempts=queue.attempts if queue else None,
        next_try_at=queue.next_at.isoformat() if queue and queue.next_at else None,
        error=error,
        pulled_from=pulled.table if pulled else None,
        pulled_version=pulled.version if pulled else None,
    )


def _versions(asset: Sent | None) -> tuple[int | None, int | None]:
    """The version here and the one there; of all but datasets, revisions."""
    if asset is None:
        return None, None
    if isinstance(asset, Notebook | Job | Endpoint):
        return asset.revision, asset.synced_revision
    return asset.version, asset.synced_version


def next_step(workspace: WorkspaceAnswer, queues: Sequence[Queue]) -> str:
    """What to do about the way to Databricks as it stands."""
    if not workspace.connected:
        return "No workspace is connected; changes wait until one is. Local work needs none."
    if workspace.error:
        return f"Local work goes on, and nothing is lost. {workspace.next_step or ''}".strip()
    if any(queue.parked for queue in queues):
        return "Do what the error of each parked asset says, then manage_sync with action retry."
    held = sum(queue.is_held for queue in queues)
    if held:
        return (
            f"{held} of them are held by the month's budget, which tenant_usage shows: they go on "
            "by themselves once it allows. Local work goes on, and nothing is lost."
        )
    if any(queue.waiting for queue in queues):
        return "They are being sent; call again to see how far it is."
    return "Everything has reached Databricks."
