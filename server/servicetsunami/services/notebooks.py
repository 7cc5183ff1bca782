"""Owns a tenant's notebooks: saves, finds, describes and deletes them."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.notebook import (
    CONTENT_BYTES_MAX,
    Notebook,
    NotebookName,
    Revision,
)
from servicetsunami.domain.notebook_cells import ParsedNotebook, parse, to_jupyter, to_source
from servicetsunami.domain.outbox import AssetKind, Change
from servicetsunami.errors import Conflict, LimitExceeded
from servicetsunami.services.answers import (
    AssetAnswer,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
    SyncAnswer,
)
from servicetsunami.services.asset_pages import (
    FETCHED_ITEMS,
    PAGE_ITEMS,
    asset_page,
    check_confirmed,
)
from servicetsunami.services.promises import promise_newest
from servicetsunami.services.quotas import Quotas
from servicetsunami.services.run_answers import SavedNotebook
from servicetsunami.services.usage import UsageMeter
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

Form = Literal["auto", "source", "jupyter"]

_REVISIONS_SHOWN: Final = 10
_CONTENT_CHARS_MAX: Final = 20_000
HERE: Final = "here"
"""The origin of a text that was saved on this machine."""


class Notebooks:
    """Owns what a tenant has saved; `on_change` has the worker look at once."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        usage: UsageMeter,
        quotas: Quotas,
        on_change: Callable[[], None],
    ) -> None:
        self._metadata = metadata
        self._quotas = quotas
        self._usage = usage
        self._on_change = on_change

    async def save(
        self, caller: Caller, name: str, content: str, form: Form, base_revision: int | None
    ) -> SavedNotebook:
        """Create a notebook or save a new revision; the same text again changes nothing.

        Raises Conflict when it is not at `base_revision` any more, InvalidInput for text that is
        no notebook, LimitExceeded for one that Databricks would not take or that is too much.
        """
        parsed_name = NotebookName.parse(name)
        with self._usage.measure(caller, "save_notebook") as tally:
            text, parsed = _written(content, form)
            tally.size_bytes = len(text.encode())
            now = datetime.now(UTC)
            async with self._metadata.begin() as transaction:
                before = await transaction.notebooks.find(caller.tenant, parsed_name)
                if base_revision is not None:
                    _check_base(parsed_name, before, base_revision)
                if before is not None and before.sha256 == _sha256(text):
                    return SavedNotebook.of(before, changed=False)
                if before is None:
                    await self._quotas.check_room(transaction, caller.tenant, AssetKind.NOTEBOOK)
                after = _after(caller, parsed_name, before, text, parsed, at=now)
                await save_revision(transaction, before, after, text, origin=HERE, at=now)
                await promise_newest(transaction, after, Change.UPSERT, at=now)
                await self._quotas.check_data(transaction, caller.tenant)
        self._on_change()
        return SavedNotebook.of(after, changed=True)

    async def load(self, caller: Caller, name: NotebookName) -> tuple[Notebook, Revision]:
        """A notebook and its newest text; raises NotFound with the nearest names."""
        async with self._metadata.read() as transaction:
            notebook = await transaction.notebooks.get(caller.tenant, name)
            revision = await transaction.notebooks.revision(
                caller.tenant, notebook.id, notebook.revision
            )
        return notebook, revision

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's notebooks, in the order of their names."""
        async with self._metadata.read() as transaction:
            found = await transaction.notebooks.list(
                caller.tenant, search=search, after=cursor, limit=FETCHED_ITEMS
            )
            total = await transaction.notebooks.count(caller.tenant, search=search)
        lines = [_line(notebook) for notebook in found[:PAGE_ITEMS]]
        nothing = "There are no such notebooks: call save_notebook."
        return asset_page(caller, found, lines, total=total, nothing=nothing)

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """The text of a notebook, its cells and its revisions."""
        parsed_name = NotebookName.parse(name)
        with self._usage.measure(caller, "describe_asset"):
            notebook, newest = await self.load(caller, parsed_name)
            async with self._metadata.read() as transaction:
                revisions = await transaction.notebooks.revisions(
                    caller.tenant, notebook.id, limit=_REVISIONS_SHOWN
                )
        return _described(notebook, newest, revisions)

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget a notebook; raises InvalidInput unless `confirm` is its name."""
        parsed = NotebookName.parse(name)
        check_confirmed(str(parsed), confirm, also={name})
        now = datetime.now(UTC)
        async with self._metadata.begin() as transaction:
            notebook = await transaction.notebooks.delete(caller.tenant, parsed, at=now)
            await promise_newest(transaction, notebook, Change.DELETE, at=now)
        self._on_change()
        return DeletedAsset(
            kind="notebook",
            name=str(parsed),
            size_bytes=notebook.size_bytes,
            sync=SyncAnswer.of_notebook(notebook),
        )


async def save_revision(
    transaction: "Transaction",
    before: Notebook | None,
    after: Notebook,
    text: str,
    *,
    origin: str,
    at: datetime,
) -> None:
    """Write a new revision, of a new notebook or of one that is still at `before`."""
    revision = Revision(
        revision=after.revision,
        content=text,
        sha256=after.sha256,
        size_bytes=after.size_bytes,
        cell_count=after.cell_count,
        origin=origin,
        created_at=at,
    )
    if before is None:
        await transaction.notebooks.register(after, revision)
    else:
        await transaction.notebooks.update(after, revision, base_revision=before.revision)


def _written(content: str, form: Form) -> tuple[str, ParsedNotebook]:
    """The text to keep, in the format that is wanted, and its cells."""
    if len(content.encode()) > CONTENT_BYTES_MAX:
        raise LimitExceeded(
            f"A notebook may have {CONTENT_BYTES_MAX // 2**20} MiB.",
            "Clear its outputs, or split it.",
        )
    parsed = parse(content)
    if form in {"auto", parsed.format.value}:
        return content, parsed
    text = to_source(parsed) if form == "source" else to_jupyter(parsed)
    return text, parse(text)


def _after(
    caller: Caller,
    name: NotebookName,
    before: Notebook | None,
    text: str,
    parsed: ParsedNotebook,
    *,
    at: datetime,
) -> Notebook:
    sha256, size_bytes, cells = _sha256(text), len(text.encode()), len(parsed.cells)
    if before is None:
        return Notebook(
            id=uuid4().hex,
            tenant=caller.tenant,
            name=name,
            format=parsed.format,
            language=parsed.language,
            revision=1,
            sha256=sha256,
            size_bytes=size_bytes,
            cell_count=cells,
            created_at=at,
            updated_at=at,
        )
    state = before.sync_state if before.sync_state is SyncState.OFF else SyncState.WAITING
    return replace(
        before,
        format=parsed.format,
        language=parsed.language,
        revision=before.revision + 1,
        sha256=sha256,
        size_bytes=size_bytes,
        cell_count=cells,
        updated_at=at,
        sync_state=state,
    )


def _check_base(name: NotebookName, before: Notebook | None, base_revision: int) -> None:
    current = before.revision if before is not None else 0
    if current != base_revision:
        raise Conflict(
            f"The notebook {name} is at revision {current}, not {base_revision}.",
            "Nothing was saved: read it with describe_asset, bring both together, save again.",
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _line(notebook: Notebook) -> AssetAnswer:
    return AssetAnswer(
        kind="notebook",
        name=str(notebook.name),
        size_bytes=notebook.size_bytes,
        version=notebook.revision,
        updated_at=notebook.updated_at.isoformat(),
        sync=notebook.sync_state.value,
        language=notebook.language,
        cells=notebook.cell_count,
    )


def _described(
    notebook: Notebook, newest: Revision, revisions: tuple[Revision, ...]
) -> DescribedAsset:
    cells = parse(newest.content).cells
    content = newest.content
    return DescribedAsset(
        kind="notebook",
        name=str(notebook.name),
        where="here" if notebook.synced_at is None else "here and on databricks",
        size_bytes=notebook.size_bytes,
        version=notebook.revision,
        language=notebook.language,
        format=notebook.format.value,
        cells=[
            {"cell": number, "kind": cell.kind.value}
            | ({"title": cell.title} if cell.title else {})
            for number, cell in enumerate(cells)
        ],
        content=content if len(content) <= _CONTENT_CHARS_MAX else content[:_CONTENT_CHARS_MAX],
        content_cut=True if len(content) > _CONTENT_CHARS_MAX else None,
        revisions=[
            {
                "revision": each.revision,
                "size_bytes": each.size_bytes,
                "origin": each.origin,
                "at": each.created_at.isoformat(),
            }
            for each in revisions
        ],
        created_at=notebook.created_at.isoformat(),
        updated_at=notebook.updated_at.isoformat(),
        sync=SyncAnswer.of_notebook(notebook),
        next=f"Call run_notebook with name {notebook.name}. The whole text is also at "
        f"lake://notebooks/{notebook.name}.",
    )
