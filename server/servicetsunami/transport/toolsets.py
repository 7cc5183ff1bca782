"""Which tools there are, and which of them a server offers: the one table of the surface."""

from collections.abc import Collection
from dataclasses import dataclass
from types import FunctionType
from typing import Final, Literal

from servicetsunami.tools import (
    assets,
    datasets,
    jobs,
    models,
    notebooks,
    queries,
    runs,
    sync,
    usage,
    vectors,
)

Kind = Literal["read", "write", "execute", "destroy"]
"""What a tool may do."""

_WORK: Final = frozenset({"data", "notebooks", "jobs", "vectors", "models"})
_RUNS: Final = frozenset({"data", "notebooks", "jobs", "models", "ops"})
"""Whatever can take long goes on as a run."""


@dataclass(frozen=True, slots=True)
class ToolLine:
    """One tool; it is offered where any of its toolsets is."""

    function: FunctionType
    title: str
    kind: Kind
    toolsets: frozenset[str]

    @property
    def name(self) -> str:
        """What it is called by."""
        return self.function.__name__


def _line(function: FunctionType, title: str, kind: Kind, *toolsets: str) -> ToolLine:
    return ToolLine(function, title, kind, frozenset(toolsets))


TOOLS: Final = (
    _line(assets.list_assets, "List assets", "read", *_WORK),
    _line(assets.describe_asset, "Describe an asset", "read", *_WORK),
    _line(queries.query_dataset, "Query datasets", "read", "data"),
    _line(datasets.ingest_dataset, "Ingest a dataset", "write", "data"),
    _line(notebooks.save_notebook, "Save a notebook", "write", "notebooks"),
    _line(notebooks.run_notebook, "Run a notebook", "execute", "notebooks"),
    _line(jobs.create_job, "Create a job", "write", "jobs"),
    _line(jobs.run_job, "Run a job", "execute", "jobs"),
    _line(runs.get_run, "Follow a run", "read", *_RUNS),
    _line(vectors.index_documents, "Index documents", "write", "vectors"),
    _line(vectors.search_vectors, "Search documents", "read", "vectors"),
    _line(models.deploy_model, "Deploy a model", "write", "models"),
    _line(models.invoke_model, "Ask a model", "execute", "models"),
    _line(runs.cancel_run, "Stop a run", "execute", *_RUNS),
    _line(sync.sync_status, "Show the sync with Databricks", "read", "ops"),
    _line(sync.manage_sync, "Manage the sync with Databricks", "write", "ops"),
    _line(usage.tenant_usage, "Show usage", "read", "ops"),
    _line(assets.delete_asset, "Delete an asset", "destroy", *_WORK),
)
"""Every tool, in the order in which a model meets them."""

TOOLSETS: Final = _WORK | _RUNS


def offered(toolsets: Collection[str], *, read_only: bool) -> tuple[ToolLine, ...]:
    """The tools of a server that offers these toolsets, or only what reads in them."""
    return tuple(
        line
        for line in TOOLS
        if line.toolsets & set(toolsets) and (line.kind == "read" or not read_only)
    )
