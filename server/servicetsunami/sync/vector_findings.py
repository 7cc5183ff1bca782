"""Judges what a delivery of an index finds there: whose it is, and whether to wait or to stop."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.dataset import Dataset, SyncState
from servicetsunami.domain.index import ID, TEXT, VECTOR, Index
from servicetsunami.domain.index_there import IndexKind, IndexThere, same_schema
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import RemoteConflict, RemotePending, RemoteRefused
from servicetsunami.sync.worker import Lease

if TYPE_CHECKING:
    from servicetsunami.gateway.vector_replies import RemoteIndex

ASKED: Final = "asked_to_sync"
"""In an item's progress: the version for which the index was asked to read its table."""
REMAKE: Final = "remake"
"""In an item's progress: that the index has failed, and is to be made anew on somebody's word."""
INDEX_S: Final = 6 * 3600.0
"""A first sync of many rows may take hours."""
_WAITING: Final = "waiting"


async def still_coming(lease: Lease, found: "RemoteIndex") -> RemotePending | RemoteRefused:
    """The error for an index, or an update of it, that Databricks is at work on."""
    what = f"The index {found.name} is {found.state or 'not ready'} on Databricks."
    return await waiting(lease, "index", what, wait_s=5.0, limit_s=INDEX_S)


async def failed(lease: Lease, found: "RemoteIndex") -> RemoteConflict | RemoteRefused:
    """An update that failed is asked for again; an index that failed waits for somebody's word."""
    what = f"The index {found.name} has failed on Databricks: {found.message or found.state}."
    await lease.note({**lease.progress, REMAKE: not found.is_searchable, ASKED: None})
    if found.is_searchable:
        return RemoteConflict(what, "It is asked to sync again.", "UPDATE_FAILED")
    return RemoteRefused(
        what, "manage_sync with kind index and action retry makes it anew.", "INDEX_FAILED"
    )


async def waiting(
    lease: Lease, code: str, what: str, *, wait_s: float, limit_s: float
) -> RemotePending | RemoteRefused:
    """The error that says to look again; when it has been so for too long, that it is parked."""
    noted = lease.progress.get(_WAITING)
    since = noted.get("since") if isinstance(noted, Mapping) and noted["for"] == code else None
    if since is None:
        since = lease.now.isoformat()
        await lease.note({**lease.progress, _WAITING: {"for": code, "since": since}})
    if lease.now - datetime.fromisoformat(str(since)) < timedelta(seconds=limit_s):
        return RemotePending(what, "It is looked at again soon.", code, wait_s)
    await lease.note({**lease.progress, _WAITING: None})
    return RemoteRefused(
        f"{what} It has been so for {limit_s / 60:g} minutes.",
        "Look at it there, then manage_sync with kind index and action retry.",
        code,
    )


def behind(dataset: Dataset) -> RemotePending:
    """The index waits for its table, as long as that takes: whatever holds it up says so itself."""
    return RemotePending(
        f"Version {dataset.version} of the table {dataset.name} has not reached Databricks yet.",
        "sync_status with that name shows what holds it up; the index follows by itself.",
        "TABLE_BEHIND",
        30.0 if dataset.sync_state is SyncState.PARKED else 2.0,
    )


def refuse_what_is_no_index(dataset: Dataset) -> None:
    """Raise RemoteRefused for a dataset that was written over by something else."""
    missing = {ID, TEXT, VECTOR} - {column.name for column in dataset.columns}
    if missing:
        raise RemoteRefused(
            f"The dataset {dataset.name} has no {', '.join(sorted(missing))} any more, so it is no "
            "index.",
            "Delete it, and call index_documents again.",
            "NO_INDEX",
        )


def is_as_made(found: "RemoteIndex", known: IndexThere, table: TableAddress, index: Index) -> bool:
    """Whether it is what we asked for, as far as Databricks gives it back."""
    is_alike = found.primary_key == ID and found.kind == known.kind.value
    has_vectors = not found.vectors or dict(found.vectors) == {VECTOR: index.dimension}
    if known.kind is IndexKind.DELTA_SYNC:
        return is_alike and has_vectors and (found.source_table or "").lower() == str(table)
    return is_alike and has_vectors and same_schema(known.columns, found.schema)


def is_out_of_date(found: "RemoteIndex", known: IndexThere, wanted: IndexThere) -> bool:
    """Whether it has to be made anew; one whose endpoint was made anew answers nobody any more."""
    before = replace(known, version=None, left_out=0, touched=())
    return before != wanted or found.endpoint_id not in {None, wanted.endpoint_id}


def foreign(address: TableAddress, index: Index) -> RemoteRefused:
    """The error for an index there that others have made."""
    return RemoteRefused(
        f"On Databricks there is an index {address} that is not from here: it is left alone.",
        "Rename or delete it there, then manage_sync with kind index and action retry; or keep "
        f"{index.name} on this machine with action off.",
        "FOREIGN_INDEX",
    )
