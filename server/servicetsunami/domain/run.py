"""A run: one execution of a notebook, here or on Databricks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from servicetsunami.domain.notebook import NotebookName


class RunState(StrEnum):
    """Where a run or a cell stands, in Databricks' words where it has one."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    SKIPPED = "SKIPPED"
    LOST = "LOST"
    """Its server is gone, and nobody knows how far it came. Never run again by itself."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in {RunState.PENDING, RunState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """What came of one cell; `outputs` are short, the whole is on disk."""

    index: int
    kind: str
    title: str | None
    state: RunState
    outputs: tuple[Mapping[str, object], ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the metadata remembers of a run.

    `isolation` is the level of the sandbox that it ran in. `lease_until` is renewed by the server
    that does it; when it has passed, that server is gone.
    """

    id: str
    tenant: str
    subject: str
    name: str
    notebook: NotebookName | None
    revision: int | None
    parameters: Mapping[str, str]
    state: RunState
    ran_on: str
    reason: str
    isolation: str | None
    timeout_s: float
    cells_total: int
    created_at: datetime
    parent: str | None = None
    exit_value: str | None = None
    error: str | None = None
    remote: Mapping[str, object] = field(default_factory=dict)
    cancel_requested: bool = False
    owner: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
