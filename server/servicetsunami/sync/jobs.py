"""Carries jobs to the workspace: created once, then replaced as a whole with each revision."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.dataset import DEFAULT_SCHEMA, SyncState
from servicetsunami.domain.job import Job, JobThere
from servicetsunami.domain.job_there import (
    TAG,
    Surroundings,
    files_folder,
    files_there,
    fingerprint,
    needed_jobs,
    needed_notebooks,
    only_here,
    settings_there,
    tags_of,
)
from servicetsunami.domain.notebook import NotebookName
from servicetsunami.domain.outbox import Change, OutboxItem
from servicetsunami.errors import RemoteConflict, RemoteRefused
from servicetsunami.gateway.connection import Connection
from servicetsunami.stores.metadata import Metadata
from servicetsunami.sync.worker import Lease

if TYPE_CHECKING:
    from servicetsunami.gateway.jobs import RemoteJob
    from servicetsunami.gateway.workspace import Workspace
    from servicetsunami.stores.database import Transaction

_SEEN: Final = "seen_there"
"""In an item's progress: the definition there that a person was told of before they said retry."""


class JobCourier:
    """Brings jobs to the workspace, and their deletions. `catalog_of` is a tenant's catalog."""

    def __init__(
        self, *, metadata: Metadata, connection: Connection, catalog_of: Callable[[str], str]
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._catalog_of = catalog_of

    async def deliver(self, item: OutboxItem, lease: Lease) -> None:
        """Make the workspace hold the newest definition; may be called again at any point.

        Raises a RemoteError: RemoteConflict while a job that a task runs is not there yet,
        RemoteRefused, with what to do, where somebody has changed the job there.
        """
        workspace = await self._connection.workspace()
        folder = await workspace.notebooks.folder(item.tenant)
        if item.change is Change.DELETE:
            await self._delete(workspace, folder, item, lease)
            return
        async with self._metadata.read() as transaction:
            job = await transaction.jobs.find_by_id(item.tenant, item.asset_id)
            if job is None or job.sync_state is SyncState.OFF:
                return
            saved = await _saved(transaction, job)
        _refuse_what_is_only_here(job)
        job, there = await self._ensure(workspace, job, lease)
        agreed = None if job.there is None else job.there.fingerprint
        if agreed is not None:
            await _refuse_changes(there, agreed, lease, f"The job {job.name} was not written over.")
        around = await self._surroundings(workspace, folder, job)
        for path, text in files_there(job, around, saved).items():
            await workspace.notebooks.put_file(path, text)
        await lease.confirm()
        await workspace.jobs.reset(there.job_id, settings_there(job, around))
        written = await workspace.jobs.find(there.job_id)
        if written is None:
            raise RemoteConflict(
                f"The job {job.name} was deleted on Databricks while it was written.",
                "It is created again with the next try.",
            )
        await self._agree(job, JobThere(job_id=there.job_id, fingerprint=_print(written)))

    async def _ensure(
        self, workspace: "Workspace", job: Job, lease: Lease
    ) -> "tuple[Job, RemoteJob]":
        """The job there; an empty one with our tag where there is none, or no longer one."""
        if job.there is not None:
            found = await workspace.jobs.find(job.there.job_id)
            if found is not None:
                return job, found
        found = await workspace.jobs.find_tagged(job.name, TAG, job.id)
        if found is None:
            await lease.confirm()
            empty = {"name": job.name, "tags": tags_of(job)}
            job_id = await workspace.jobs.create(empty)
            found = await workspace.jobs.find(job_id)
        if found is None:
            raise RemoteConflict(
                f"The job {job.name} cannot be seen right after it was created.", "Wait a moment."
            )
        # At once: a job that runs itself, or one that runs it, has to know the number.
        there = JobThere(job_id=found.job_id)
        await self._agree(job, there)
        async with self._metadata.read() as transaction:
            known = await transaction.jobs.find_by_id(job.tenant, job.id)
        return known or job, found

    async def _surroundings(self, workspace: "Workspace", folder: str, job: Job) -> Surroundings:
        numbers: dict[str, int] = {}
        async with self._metadata.read() as transaction:
            for name in needed_jobs(job):
                other = await transaction.jobs.find(job.tenant, name)
                if other is not None and other.there is not None:
                    numbers[name] = other.there.job_id
                elif other is not None and other.sync_state is not SyncState.OFF:
                    raise RemoteConflict(
                        f"The job {name}, which {job.name} runs, is not on Databricks yet.",
                        "It is tried again; sync_status with kind job shows both.",
                    )
                else:
                    raise RemoteRefused(
                        f"The job {name}, which {job.name} runs, is not sent to Databricks.",
                        f"manage_sync with kind job, name {name} and action on; then action retry.",
                    )
        has_sql = any((task.inner or task).kind == "sql_task" for task in job.settings.tasks)
        return Surroundings(
            folder=folder,
            catalog=self._catalog_of(job.tenant),
            schema=DEFAULT_SCHEMA,
            warehouse_id=await workspace.warehouses.choose() if has_sql else "",
            cluster_id=workspace.cluster_id,
            job_ids=numbers,
        )

    async def _agree(self, job: Job, there: JobThere) -> None:
        """Remember the job as Databricks gives it back, which need not be word for word ours."""
        async with self._metadata.begin() as transaction:
            await transaction.jobs.agree(job.tenant, job.id, there)

    async def _delete(
        self, workspace: "Workspace", folder: str, item: OutboxItem, lease: Lease
    ) -> None:
        known = JobThere.of(item.payload)
        found = None
        if known is not None:
            found = await workspace.jobs.find(known.job_id)
        if found is None:
            found = await workspace.jobs.find_tagged(item.subject, TAG, item.asset_id)
        if found is not None and found.tag(TAG) == item.asset_id:
            if known is not None and known.fingerprint is not None:
                kept = f"The job {item.subject} was not deleted there."
                await _refuse_changes(found, known.fingerprint, lease, kept)
            await lease.confirm()
            await workspace.jobs.delete(found.job_id)
        await workspace.notebooks.delete(files_folder(folder, item.asset_id), is_folder=True)

    async def delivered(self, transaction: "Transaction", item: OutboxItem, at: datetime) -> None:
        """Note, in the transaction that ends the item, how far the job is."""
        if item.change is Change.UPSERT:
            await transaction.jobs.mark_synced(
                item.tenant, item.asset_id, revision=int(str(item.payload["revision"])), at=at
            )

    async def parked(self, transaction: "Transaction", item: OutboxItem, reason: str) -> None:
        """Note, in the transaction that parks the item, what holds the job up."""
        await transaction.jobs.set_sync(item.tenant, item.asset_id, SyncState.PARKED, error=reason)


async def _saved(transaction: "Transaction", job: Job) -> dict[str, str]:
    """The texts of the notebooks that its tasks need, as far as they are still there."""
    texts = {}
    for name in needed_notebooks(job):
        notebook = await transaction.notebooks.find(job.tenant, NotebookName(name))
        if notebook is None:
            raise RemoteRefused(
                f"The notebook {name}, which the job {job.name} runs, was deleted.",
                "Save it again, or change the job; then manage_sync with kind job, action retry.",
            )
        revision = await transaction.notebooks.revision(job.tenant, notebook.id, notebook.revision)
        texts[name] = revision.content
    return texts


def _refuse_what_is_only_here(job: Job) -> None:
    found = only_here(job)
    if found:
        raise RemoteRefused(
            f"The job {job.name} refers to {{{{{found[0]}}}}}, which Databricks does not have.",
            "Use a task value or, of SQL, output.rows or output.first_row; or keep the job here: "
            f"manage_sync with kind job, name {job.name} and action off.",
            "ONLY_HERE",
        )


async def _refuse_changes(there: "RemoteJob", agreed: str, lease: Lease, kept: str) -> None:
    """Go on only where nobody has changed it there, or a person knows and said retry."""
    seen = _print(there)
    if seen == agreed or lease.progress.get(_SEEN) == seen:
        return
    await lease.note({**lease.progress, _SEEN: seen})
    raise RemoteRefused(
        f"{kept} Somebody changed it on Databricks since it was sent (job {there.job_id}).",
        "Take over by hand what you want to keep, with create_job; then manage_sync with kind job "
        "and action retry puts yours there. Action drop leaves theirs.",
        "CHANGED_THERE",
    )


def _print(job: "RemoteJob") -> str:
    return fingerprint(job.settings)
