"""What tools are given without the model seeing it: the caller, the services, progress.

One resolver gives all three: each costs a tenth of a millisecond of every call.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Protocol, cast

from mcp.server.mcpserver import Context, Resolve

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.run import Run
from servicetsunami.services.audit import Audit
from servicetsunami.services.catalogs import Catalogs
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.endpoint_sync import EndpointSync
from servicetsunami.services.index_sync import IndexSync
from servicetsunami.services.job_sync import JobSync
from servicetsunami.services.long_work import AnswerT, LongWork, Work
from servicetsunami.services.models import Models
from servicetsunami.services.notebook_sync import NotebookSync
from servicetsunami.services.notebooks import Notebooks
from servicetsunami.services.progress import Report
from servicetsunami.services.queries import Queries
from servicetsunami.services.remote_catalog import RemoteCatalog
from servicetsunami.services.resources import Resources
from servicetsunami.services.searching import Searching
from servicetsunami.services.sync import Sync
from servicetsunami.services.tenant_usage import TenantUsage
from servicetsunami.services.vectors import Vectors
from servicetsunami.services.watching import Watching

_TASKS: Final = "io.modelcontextprotocol/tasks"
_PATIENCE_S: Final = 20.0
_PATIENCE_WITH_TASKS_S: Final = 1.0
"""A client that knows tasks is better served by one than by waiting."""


if TYPE_CHECKING:
    from collections.abc import Callable

    from servicetsunami.services.jobs import Jobs
    from servicetsunami.services.runs import Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service a tool may call, built once by app.py."""

    datasets: Datasets
    queries: Queries
    notebooks: Notebooks
    notebook_sync: NotebookSync
    job_sync: JobSync
    endpoint_sync: EndpointSync
    index_sync: IndexSync
    sync: Sync
    tenant_usage: TenantUsage
    vectors: Vectors
    searching: Searching
    models: Models
    long_work: LongWork
    resources: Resources
    catalogs: Catalogs
    remote_catalog: RemoteCatalog
    audit: Audit
    watching: Watching
    make_jobs: "Callable[[], Jobs]"
    make_runs: "Callable[[], Runs]"
    """Build the services for jobs and runs when the first is asked for: a start must not wait."""

    @property
    def jobs(self) -> "Jobs":
        """Jobs and their runs."""
        return self.make_jobs()

    @property
    def runs(self) -> "Runs":
        """Runs of notebooks and jobs."""
        return self.make_runs()


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
    patience_s: float
    """How long the call may wait for a run, before it hands back what there is."""

    async def finish(
        self, work: "Work[AnswerT]", *, tool: str, about: Mapping[str, str]
    ) -> "AnswerT | Run":
        """What the work comes to in time, else the run that it goes on as."""
        return await self.services.long_work.finish(
            self.caller,
            work,
            tool=tool,
            about=about,
            report=self.report,
            patience_s=self.patience_s,
        )


async def _call(ctx: Context) -> Call:
    host = cast("LakeHost", ctx.mcp_server)
    capabilities = ctx.client_capabilities
    knows_tasks = _TASKS in ((capabilities.extensions if capabilities else None) or {})
    return Call(
        caller=host.caller(),
        services=host.services,
        report=ctx.report_progress,
        patience_s=_PATIENCE_WITH_TASKS_S if knows_tasks else _PATIENCE_S,
    )


CallOf = Annotated[Call, Resolve(_call)]
"""Filled in by the SDK for each call; a model never sees it."""
