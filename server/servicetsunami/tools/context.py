"""What tools are given without the model seeing it: the caller, the services, progress.

One resolver gives all three: each costs a tenth of a millisecond of every call.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol, cast

from mcp.server.mcpserver import Context, Resolve

from servicetsunami.domain.caller import Caller
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.progress import Report
from servicetsunami.services.queries import Queries
from servicetsunami.services.remote_catalog import RemoteCatalog
from servicetsunami.services.sync import Sync
from servicetsunami.services.tenant_usage import TenantUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service a tool may call, built once by app.py."""

    datasets: Datasets
    queries: Queries
    sync: Sync
    tenant_usage: TenantUsage
    remote_catalog: RemoteCatalog


class LakeHost(Protocol):
    """The server object that a tool's context belongs to."""

    services: Services

    def caller(self) -> Caller:
        """Return who calls, from the credential of this request."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, what can be done for them, and whom to tell how far it is."""

    caller: Caller
    services: Services
    report: Report


async def _call(ctx: Context) -> Call:
    host = cast("LakeHost", ctx.mcp_server)
    return Call(caller=host.caller(), services=host.services, report=ctx.report_progress)


CallOf = Annotated[Call, Resolve(_call)]
"""Filled in by the SDK for each call; a model never sees it."""
