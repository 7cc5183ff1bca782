"""Where the rows of an ingest come from, and what that means for the dataset they become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import JsonValue

from servicetsunami.domain.dataset import Dataset, SyncState
from servicetsunami.engines.workers.worker import Progress, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a child is told, whatever the source: the tables, the mode, and how long it may take.

    `fds` are the locks of both tables, which the child holds as long as it lives.
    """

    arguments: Mapping[str, Any]
    fds: Sequence[int]
    timeout_s: float
    on_progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The dataset to acknowledge, and whether the change is promised to Databricks."""

    dataset: Dataset
    is_promised: bool
    is_synced: bool = False


class Source(Protocol):
    """Rows on their way into a dataset."""

    async def read(self, worker: Worker, work: Work) -> Mapping[str, Any]:
        """Have a child write the rows as one Delta version; its report."""
        ...

    def settle(self, before: Dataset | None, after: Dataset, *, at: datetime) -> Settled:
        """Say what becomes of the dataset's sync, once the rows are in it; `before` may be none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSource:
    """A file of this machine, or the rows themselves."""

    path: Path | None
    rows: object
    options: Mapping[str, JsonValue]

    async def read(self, worker: Worker, work: Work) -> Mapping[str, Any]:
        """Have the child read the file or the rows."""
        arguments = {
            **work.arguments,
            "path": str(self.path) if self.path else None,
            "rows": None if self.path else self.rows,
            "options": dict(self.options),
        }
        return await worker.call(
            "ingest",
            arguments,
            timeout_s=work.timeout_s,
            on_progress=work.on_progress,
            fds=list(work.fds),
        )

    def settle(self, before: Dataset | None, after: Dataset, *, at: datetime) -> Settled:
        """Promise the change, unless the dataset is not to be sent."""
        del before, at
        return as_own_change(after)


def as_own_change(after: Dataset) -> Settled:
    """A change made here: it waits for Databricks unless sync is off for the dataset."""
    if after.sync_state is SyncState.SYNCED:
        after = replace(after, sync_state=SyncState.WAITING)
    return Settled(dataset=after, is_promised=after.sync_state is not SyncState.OFF)
