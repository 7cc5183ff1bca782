"""Brings notebooks that were edited on Databricks here, and does what callers decide about them."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import anyio

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.notebook import Notebook, NotebookName, There
from servicetsunami.domain.notebook_cells import parse
from servicetsunami.domain.outbox import AssetKind
from servicetsunami.errors import InvalidInput, NotFound, ServerError
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.notebooks import save_revision
from servicetsunami.services.revised_sync import RevisedSync
from servicetsunami.services.sync_answers import Action, ManagedSync
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.gateway.notebooks import RemoteObject
    from servicetsunami.gateway.workspace import Workspace

_log = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
_NOTEBOOKS_MAX: Final = 1_000
_KIND: Final = AssetKind.NOTEBOOK
RUN_PREFIX: Final = "_run_"
"""How the names of copies begin that are there for one run only."""
THERE: Final = "databricks"
"""The origin of a text that was written on Databricks."""


class NotebookSync:
    """Looks for edits on Databricks, and takes them where nothing of ours waits."""

    def __init__(
        self, *, metadata: Metadata, connection: Connection, wake: Callable[[], None]
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._steering = RevisedSync(
            metadata=metadata, connection=connection, kind="notebook", wake=wake
        )

    async def keep_fresh(self, caller: Caller) -> None:
        """Look every minute, for as long as a client is served."""
        while True:
            await anyio.sleep(_EVERY_S)
            try:
                await self.check(caller)
            except ServerError as error:
                # Away, or busy: the next look tells.
                _log.info("notebooks on Databricks could not be looked at: %s", error)

    async def check(self, caller: Caller) -> list[str]:
        """Bring down what was edited or made there; the names of what is new here.

        What waits to be sent from here is left alone: its delivery finds the conflict and says so.
        """
        workspace = await self._connection.workspace()
        folder = await workspace.notebooks.folder(caller.tenant)
        taken = []
        async with self._metadata.read() as transaction:
            listed = await transaction.notebooks.list(
                caller.tenant, search=None, after=None, limit=_NOTEBOOKS_MAX
            )
        known = {notebook.name: notebook for notebook in listed}
        for found in await workspace.notebooks.list(folder):
            name = _name(found.path, folder)
            if name is not None and await self._check_one(
                caller, workspace, name, known.get(name), found
            ):
                taken.append(str(name))
        return taken

    async def _check_one(
        self,
        caller: Caller,
        workspace: "Workspace",
        name: NotebookName,
        local: Notebook | None,
        found: "RemoteObject",
    ) -> bool:
        if local is None:
            if await self._unfinished(caller, name):
                return False  # It was deleted here, and that has not reached Databricks yet.
            return await self._take(caller, workspace, name, None, found)
        if local.sync_state is not SyncState.SYNCED or local.there is None:
            return False
        if found.modified_at_ms == local.there.modified_at_ms:
            return False
        return await self._take(caller, workspace, name, local, found)

    async def _take(
        self,
        caller: Caller,
        workspace: "Workspace",
        name: NotebookName,
        local: Notebook | None,
        found: "RemoteObject",
    ) -> bool:
        """Save their text as a new revision, unless it is the one that both agreed on."""
        form = local.format.value if local is not None else "source"
        text = await workspace.notebooks.export(found.path, form)
        if text is None:
            return False
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        there = There(sha256=sha256, modified_at_ms=found.modified_at_ms)
        now = datetime.now(UTC)
        is_new = local is None or local.there is None or local.there.sha256 != sha256
        async with self._metadata.begin() as transaction:
            before = await transaction.notebooks.find(caller.tenant, name)
            if (before is None) != (local is None):
                return False  # Saved or deleted here just now: the next look tells.
            after = _after(caller, name, before, text, there, at=now)
            if is_new or before is None:
                await save_revision(transaction, before, after, text, origin=THERE, at=now)
            else:
                after = before
            await transaction.outbox.supersede(
                caller.tenant,
                kind=_KIND,
                asset_id=after.id,
                reason="the text of Databricks was taken",
                at=now,
            )
            await transaction.notebooks.agree(caller.tenant, after.id, there)
            await transaction.notebooks.mark_synced(
                caller.tenant, after.id, revision=after.revision, at=now
            )
        return is_new

    async def _unfinished(self, caller: Caller, name: NotebookName) -> int:
        async with self._metadata.read() as transaction:
            return await transaction.outbox.unfinished(caller.tenant, kind=_KIND, subject=str(name))

    async def manage(self, caller: Caller, action: Action, name: str | None) -> ManagedSync:
        """Do one of the actions for notebooks; see the tool for what each means."""
        return await self._steering.manage(caller, action, name, pull=self._pull)

    async def _pull(self, caller: Caller, name: str | None) -> ManagedSync:
        if name is None:
            return await self._pull_all(caller)
        return await self._pull_one(caller, NotebookName(name))

    async def _pull_all(self, caller: Caller) -> ManagedSync:
        taken = await self.check(caller)
        shown = ", ".join(taken[:20]) or "none"
        return self._steering.managed("pull", None, items=len(taken), done=f"New here: {shown}.")

    async def _pull_one(self, caller: Caller, name: NotebookName) -> ManagedSync:
        workspace = await self._connection.workspace()
        path = f"{await workspace.notebooks.folder(caller.tenant)}/{name}"
        found = await workspace.notebooks.look(path)
        if found is None or not found.is_notebook:
            raise NotFound(
                f"There is no notebook {path} on Databricks.",
                "manage_sync with kind notebook and action pull, without a name, brings all.",
            )
        async with self._metadata.read() as transaction:
            local = await transaction.notebooks.find(caller.tenant, name)
        is_new = await self._take(caller, workspace, name, local, found)
        said = f"{name} now holds the text of Databricks; yours stays as an earlier revision."
        done = said if is_new else f"{name} is the same on both sides."
        return self._steering.managed("pull", str(name), done=done)


def _name(path: str, folder: str) -> NotebookName | None:
    """The name here of a notebook there; None for one that could not have it."""
    relative = path.removeprefix("/Workspace").removeprefix(folder).strip("/")
    try:
        parsed = NotebookName.parse(relative)
    except InvalidInput:
        return None
    is_copy = relative.rpartition("/")[2].startswith(RUN_PREFIX)
    return parsed if parsed == relative and not is_copy else None


def _after(
    caller: Caller,
    name: NotebookName,
    before: Notebook | None,
    text: str,
    there: There,
    *,
    at: datetime,
) -> Notebook:
    parsed = parse(text)
    base = before or Notebook(
        id=uuid4().hex,
        tenant=caller.tenant,
        name=name,
        format=parsed.format,
        language=parsed.language,
        revision=0,
        sha256="",
        size_bytes=0,
        cell_count=0,
        created_at=at,
        updated_at=at,
    )
    return replace(
        base,
        format=parsed.format,
        language=parsed.language,
        revision=base.revision + 1,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        size_bytes=len(text.encode()),
        cell_count=len(parsed.cells),
        updated_at=at,
        sync_state=SyncState.SYNCED,
        there=there,
    )
