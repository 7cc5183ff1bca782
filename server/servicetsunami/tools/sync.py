"""The tools that show and steer the way to Databricks."""

from functools import partial
from typing import Annotated

from pydantic import Field

from servicetsunami.domain.outbox import AssetKind
from servicetsunami.services.sync_answers import Action, ManagedSync, SyncKind, SyncStatusAnswer
from servicetsunami.tools.assets import AssetName
from servicetsunami.tools.context import CallOf

OfKind = Annotated[SyncKind, Field(description="What kind of asset.")]
Acting = Annotated[
    Action,
    Field(
        description="initialise: create the catalog, then send what waits. retry: try again now. "
        "drop: forget waiting changes of one asset. pull: copy from Databricks. on, off: whether "
        "an asset is sent."
    ),
]


async def sync_status(
    call: CallOf,
    kind: OfKind = "dataset",
    name: AssetName | None = None,
) -> SyncStatusAnswer:
    """Show the Databricks workspace's health, what waits to be sent, and what is held up and why.

    With `name`, also whether a pulled copy is older than its table. Local work never waits for
    any of this. A parked asset says what to do; then call manage_sync.
    """
    return await call.services.sync.status(call.caller, name=name, kind=AssetKind(kind))


async def manage_sync(
    call: CallOf,
    action: Acting,
    *,
    kind: OfKind = "dataset",
    name: AssetName | None = None,
) -> ManagedSync:
    """Steer the way to Databricks: set it up, try again, give up, copy back, or switch it off.

    All but initialise and retry need `name`. Dropped changes stay here as versions, they are only
    not sent; pull replaces what is current here, and earlier versions and revisions stay. For
    notebooks, pull without a name brings all that was edited there.
    """
    if kind == "notebook":
        return await call.services.notebook_sync.manage(call.caller, action, name)
    if kind == "job":
        return await call.services.job_sync.manage(call.caller, action, name)
    if kind == "endpoint":
        return await call.services.endpoint_sync.manage(call.caller, action, name)
    if kind == "index":
        return await call.services.index_sync.manage(call.caller, action, name)
    work = partial(call.services.sync.manage, call.caller, action, name)
    done = await call.finish(work, tool="manage_sync", about={"name": name or "", "action": action})
    return done if isinstance(done, ManagedSync) else ManagedSync.going_on(done)
