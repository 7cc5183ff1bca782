"""Carries notebooks to the workspace, and never writes over a text that nobody here has seen."""

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.notebook import Notebook, Revision, There
from servicetsunami.domain.notebook_cells import parse
from servicetsunami.domain.outbox import Change, OutboxItem
from servicetsunami.errors import RemoteRefused, ServerError
from servicetsunami.gateway.connection import Connection
from servicetsunami.stores.metadata import Metadata
from servicetsunami.sync.worker import Lease

if TYPE_CHECKING:
    from servicetsunami.gateway.notebooks import RemoteObject
    from servicetsunami.gateway.workspace import Workspace
    from servicetsunami.stores.database import Transaction

_SEEN: Final = "seen_there"
"""In an item's progress: the text there that a person was told of before they said retry."""


class NotebookCourier:
    """Brings notebooks to their place in the workspace, and their deletions."""

    def __init__(self, *, metadata: Metadata, connection: Connection) -> None:
        self._metadata = metadata
        self._connection = connection

    async def deliver(self, item: OutboxItem, lease: Lease) -> None:
        """Make the workspace hold the newest text; may be called again at any point.

        Raises a RemoteError. RemoteRefused, with what to do, where somebody has changed the
        notebook there since both sides agreed: then both texts stay as they are.
        """
        workspace = await self._connection.workspace()
        path = f"{await workspace.notebooks.folder(item.tenant)}/{item.subject}"
        if item.change is Change.DELETE:
            await self._delete(workspace, path, item, lease)
            return
        async with self._metadata.read() as transaction:
            notebook = await transaction.notebooks.find_by_id(item.tenant, item.asset_id)
            if notebook is None or notebook.sync_state is SyncState.OFF:
                return
            text = await transaction.notebooks.revision(
                item.tenant, notebook.id, int(str(item.payload["revision"]))
            )
        form = parse(text.content).format.value
        there = await workspace.notebooks.export(path, form)
        if there is not None and _sha256(there) != _agreed(notebook.there):
            await self._settle_difference(there, text, path, lease)
        found = await workspace.notebooks.look(path)
        _refuse_other_kind(found)
        if there is None or not same_cells(there, text.content):
            await lease.confirm()
            await workspace.notebooks.put(path, text.content, form, notebook.language)
        await self._agree(workspace, notebook, path, form)

    async def _settle_difference(self, there: str, text: Revision, path: str, lease: Lease) -> None:
        """Go on only where their text is ours, or a person has seen it and said retry."""
        seen = _sha256(there)
        if same_cells(there, text.content) or lease.progress.get(_SEEN) == seen:
            return
        await lease.note({**lease.progress, _SEEN: seen})
        raise RemoteRefused(
            f"{path} was changed on Databricks since it was last the same as here. Both texts are "
            "kept where they are.",
            "manage_sync with kind notebook and action pull takes theirs (ours stays as a "
            "revision); action retry replaces theirs by ours.",
            "CHANGED_THERE",
        )

    async def _agree(
        self, workspace: "Workspace", notebook: Notebook, path: str, form: str
    ) -> None:
        """Remember the text as Databricks gives it back, which need not be byte for byte ours."""
        there = await workspace.notebooks.export(path, form)
        found = await workspace.notebooks.look(path)
        if there is None or found is None:
            raise RemoteRefused(
                f"{path} is not there after it was written.", "manage_sync with action retry."
            )
        agreed = There(sha256=_sha256(there), modified_at_ms=found.modified_at_ms)
        async with self._metadata.begin() as transaction:
            await transaction.notebooks.agree(notebook.tenant, notebook.id, agreed)

    async def _delete(
        self, workspace: "Workspace", path: str, item: OutboxItem, lease: Lease
    ) -> None:
        found = await workspace.notebooks.look(path)
        agreed = item.payload.get("sha256_there")
        if found is None or not found.is_notebook or agreed is None:
            # Never ours there: whatever has the name is somebody else's.
            return
        texts = [await workspace.notebooks.export(path, form) for form in ("source", "jupyter")]
        hashes = {_sha256(text) for text in texts if text is not None}
        if agreed not in hashes and lease.progress.get(_SEEN) not in hashes:
            await lease.note({**lease.progress, _SEEN: min(hashes, default="")})
            raise RemoteRefused(
                f"{path} was changed on Databricks, so it was not deleted there.",
                "manage_sync with action retry deletes it; action drop leaves it there.",
                "CHANGED_THERE",
            )
        await lease.confirm()
        await workspace.notebooks.delete(path)

    async def delivered(self, transaction: "Transaction", item: OutboxItem, at: datetime) -> None:
        """Note, in the transaction that ends the item, how far the notebook is."""
        if item.change is Change.UPSERT:
            await transaction.notebooks.mark_synced(
                item.tenant, item.asset_id, revision=int(str(item.payload["revision"])), at=at
            )

    async def parked(self, transaction: "Transaction", item: OutboxItem, reason: str) -> None:
        """Note, in the transaction that parks the item, what holds the notebook up."""
        await transaction.notebooks.set_sync(
            item.tenant, item.asset_id, SyncState.PARKED, error=reason
        )


def same_cells(one: str, other: str) -> bool:
    """Whether two texts are the same notebook, but for what Databricks writes its own way."""
    try:
        return parse(one).cells == parse(other).cells
    except ServerError:
        return one == other


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _agreed(there: There | None) -> str | None:
    return None if there is None else there.sha256


def _refuse_other_kind(found: "RemoteObject | None") -> None:
    if found is not None and not found.is_notebook:
        raise RemoteRefused(
            f"{found.path} is a {found.kind.lower()} on Databricks, not a notebook.",
            "Rename it there, then manage_sync with action retry.",
            "FOREIGN_OBJECT",
        )
