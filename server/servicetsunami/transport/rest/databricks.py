"""How a tenant stands with Databricks: status, set-up, usage, health."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Query, Response
from pydantic import Field

from servicetsunami import __version__
from servicetsunami.domain.outbox import AssetKind
from servicetsunami.services.answers import Answer
from servicetsunami.services.resources import ResourceUsage
from servicetsunami.services.sync_answers import (
    Action,
    ManagedSync,
    SyncKind,
    SyncStatusAnswer,
    WorkspaceAnswer,
)
from servicetsunami.transport.rest.admitted import AdmittedRoute, CallOf, RestCall
from servicetsunami.transport.rest.arguments import Body
from servicetsunami.transport.rest.assets import does

if TYPE_CHECKING:
    from servicetsunami.services.long_work import Work

_HEALTH_S = 1.0
"""How long a health check may wait for what the workspace says."""
_MANAGE = does("manage_sync")


class Steering(Body):
    """What is to be done about the way to Databricks; see the tool manage_sync."""

    action: Action = Field(examples=["retry"])
    kind: SyncKind = "dataset"
    name: Annotated[str, Field(min_length=1, max_length=1000, examples=["sales"])] | None = None


class HealthAnswer(Answer):
    """That this server answers, and whether the workspace does."""

    status: Literal["healthy"]
    version: str
    databricks: Literal["connected", "unreachable", "unknown", "not configured"]
    databricks_connected: bool


def databricks(prefix: str) -> APIRouter:
    """The routes about Databricks below a prefix."""
    router = APIRouter(
        prefix=f"{prefix}/databricks", tags=["databricks"], route_class=AdmittedRoute
    )

    @router.get("/status", name="sync_status", openapi_extra=does("sync_status"))
    async def status(
        call: CallOf,
        kind: Annotated[SyncKind, Query(description="What kind of asset.")] = "dataset",
        name: Annotated[str | None, Query(description="Of one asset.", max_length=1000)] = None,
    ) -> SyncStatusAnswer:
        """Show the workspace's health, what waits to be sent, and what is held up and why."""
        return await call.services.sync.status(call.caller, name=name, kind=AssetKind(kind))

    @router.post("/initialize", name="initialize", openapi_extra=_MANAGE)
    async def initialize(call: CallOf, response: Response) -> ManagedSync:
        """Create the tenant's catalog on Databricks, then send what waits."""
        return await manage(call, Steering(action="initialise"), response)

    @router.post("/sync", name="manage_sync", openapi_extra=_MANAGE)
    async def steer(call: CallOf, steering: Steering, response: Response) -> ManagedSync:
        """Try again, give up, copy back from Databricks, or switch the sync of an asset."""
        return await manage(call, steering, response)

    @router.get("/usage", name="usage", openapi_extra=does("tenant_usage"))
    async def usage(
        call: CallOf,
        costs: Annotated[
            bool, Query(description="Also what Databricks billed in 30 days, and the budget.")
        ] = False,
    ) -> ResourceUsage:
        """Count what there is, and how much of it has reached Databricks."""
        return await call.services.resources.of(call.caller, with_costs=costs)

    @router.get("/health", name="health", openapi_extra=does("sync_status"))
    async def health(call: CallOf) -> HealthAnswer:
        """Tell in a second whether this server answers, and whether the workspace does."""
        return await _health(call)

    return router


async def manage(call: RestCall, steering: Steering, response: Response) -> ManagedSync:
    """Steer the sync; what takes long, such as the copy of a large table, goes on as a run."""
    services, name = call.services, steering.name
    by_kind: dict[str, Any] = {
        "notebook": services.notebook_sync,
        "job": services.job_sync,
        "endpoint": services.endpoint_sync,
        "index": services.index_sync,
    }
    if steering.kind in by_kind:
        return await by_kind[steering.kind].manage(call.caller, steering.action, name)
    work: Work[ManagedSync] = partial(services.sync.manage, call.caller, steering.action, name)
    about = {"name": name or "", "action": steering.action}
    done = await call.finish(work, tool="manage_sync", about=about)
    if isinstance(done, ManagedSync):
        return done
    call.accepted(response, done.id)
    return ManagedSync.going_on(done)


async def _health(call: RestCall) -> HealthAnswer:
    workspace: WorkspaceAnswer | None = None
    with anyio.move_on_after(_HEALTH_S):
        workspace = await call.services.sync.workspace(call.caller)
    if workspace is None:
        state = "unknown"
    elif not workspace.connected:
        state = "not configured"
    else:
        state = "connected" if workspace.authenticated else "unreachable"
    return HealthAnswer(
        status="healthy",
        version=__version__,
        databricks=state,
        databricks_connected=state == "connected",
    )
