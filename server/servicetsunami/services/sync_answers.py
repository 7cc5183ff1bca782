"""What crosses a wire about Databricks: the workspace's health, what waits, and what was done."""

from typing import Annotated, Literal

from servicetsunami.domain.remote import WorkspaceHealth
from servicetsunami.domain.run import Run
from servicetsunami.services.answers import AS_OBJECT, Answer, follow

AssetSyncState = Literal["waiting", "synced", "parked", "off"]
SyncKind = Literal["dataset", "notebook", "job", "index", "endpoint"]
Action = Literal["initialise", "retry", "drop", "pull", "on", "off"]


class WorkspaceAnswer(Answer):
    """Whether a workspace is connected, and how it is; `breaker` open means it is left alone."""

    connected: bool
    host: str | None = None
    reachable: bool | None = None
    authenticated: bool | None = None
    user: str | None = None
    warehouse: str | None = None
    warehouse_state: str | None = None
    breaker: str | None = None
    error: str | None = None
    next_step: str | None = None
    checked_at: str | None = None

    @classmethod
    def of(cls, host: str, health: WorkspaceHealth) -> "WorkspaceAnswer":
        """Take over a health check."""
        return cls(
            connected=True,
            host=host,
            reachable=health.reachable,
            authenticated=health.authenticated,
            user=health.user,
            warehouse=health.warehouse_id,
            warehouse_state=health.warehouse_state,
            breaker=health.breaker_state,
            error=health.error,
            next_step=health.next_step,
            checked_at=health.checked_at.isoformat(),
        )


class AssetSyncAnswer(Answer):
    """How far one asset is on its way; `error` is why it is held up, and what to do."""

    kind: SyncKind
    name: str
    state: str
    version: int | None = None
    synced_version: int | None = None
    synced_at: str | None = None
    waiting: int
    parked: int
    oldest_at: str | None = None
    attempts: int | None = None
    next_try_at: str | None = None
    error: str | None = None
    pulled_from: str | None = None
    pulled_version: int | None = None
    version_there: int | None = None
    is_stale: bool | None = None


class SyncStatusAnswer(Answer):
    """What is on its way to Databricks, and what holds it up."""

    workspace: Annotated[WorkspaceAnswer, AS_OBJECT]
    catalog: str
    waiting: int
    parked: int
    oldest_at: str | None = None
    assets: list[Annotated[AssetSyncAnswer, AS_OBJECT]]
    total: int
    truncated: bool
    as_of: str
    next: str


class ManagedSync(Answer):
    """What an action on the sync did."""

    action: str
    kind: str | None = None
    name: str | None = None
    items: int | None = None
    row_count: int | None = None
    version: int | None = None
    pulled_from: str | None = None
    pulled_version: int | None = None
    done: str
    next: str

    @classmethod
    def going_on(cls, run: Run) -> "ManagedSync":
        """What took too long to wait for, such as the pull of a large table."""
        return cls(
            action=run.parameters["action"],
            name=run.name or None,
            done=run.reason,
            next=follow(run.id),
        )
