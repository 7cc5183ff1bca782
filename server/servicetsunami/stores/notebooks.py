"""Notebooks and their revisions, seen one tenant at a time."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from servicetsunami.domain.dataset import SyncState
from servicetsunami.domain.notebook import Notebook, NotebookFormat, NotebookName, Revision, There
from servicetsunami.errors import Conflict, NotFound
from servicetsunami.stores.datasets import StateTotals
from servicetsunami.stores.revised import RevisedAssets
from servicetsunami.stores.schema import NOTEBOOK_REVISIONS, NOTEBOOKS
from servicetsunami.stores.scope import owned_by

_CURRENT = cast(
    "Select[Any]",
    select(
        NOTEBOOKS,
        NOTEBOOK_REVISIONS.c.sha256,
        NOTEBOOK_REVISIONS.c.size_bytes,
        NOTEBOOK_REVISIONS.c.cell_count,
    ).join(
        NOTEBOOK_REVISIONS,
        (NOTEBOOK_REVISIONS.c.notebook_id == NOTEBOOKS.c.id)
        & (NOTEBOOK_REVISIONS.c.revision == NOTEBOOKS.c.revision),
    ),
)


class Notebooks(RevisedAssets):
    """The notebooks of all tenants."""

    TABLE = NOTEBOOKS

    async def register(self, notebook: Notebook, first: Revision) -> None:
        """Remember a new notebook; raises Conflict when the tenant has one of that name."""
        await self._tenants.ensure(notebook.tenant, at=notebook.created_at)
        values = {
            "id": notebook.id,
            "tenant": notebook.tenant,
            "name": str(notebook.name),
            "format": notebook.format.value,
            "language": notebook.language,
            "revision": notebook.revision,
            "sync_state": notebook.sync_state.value,
            "metadata_": notebook.there.as_metadata() if notebook.there else {},
            "created_at": notebook.created_at,
            "updated_at": notebook.updated_at,
        }
        try:
            await self._connection.execute(insert(NOTEBOOKS).values(values))
        except IntegrityError as error:
            raise Conflict(
                f"A notebook named {notebook.name} was saved just now.", "Call again."
            ) from error
        await self._add(notebook.id, first)

    async def update(self, notebook: Notebook, change: Revision, *, base_revision: int) -> None:
        """Save a new revision, if the notebook is still at `base_revision`.

        Raises Conflict when it was changed or deleted meanwhile.
        """
        statement = (
            update(NOTEBOOKS)
            .where(
                owned_by(notebook.tenant, NOTEBOOKS),
                NOTEBOOKS.c.id == notebook.id,
                NOTEBOOKS.c.revision == base_revision,
            )
            .values(
                format=notebook.format.value,
                language=notebook.language,
                revision=notebook.revision,
                sync_state=notebook.sync_state.value,
                updated_at=notebook.updated_at,
            )
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise Conflict(
                f"The notebook {notebook.name} was changed or deleted meanwhile.",
                "Nothing was saved: call describe_asset, then save again.",
            )
        await self._add(notebook.id, change)

    async def _add(self, notebook_id: str, revision: Revision) -> None:
        values = {
            "notebook_id": notebook_id,
            "revision": revision.revision,
            "content": revision.content,
            "sha256": revision.sha256,
            "size_bytes": revision.size_bytes,
            "cell_count": revision.cell_count,
            "origin": revision.origin,
            "created_at": revision.created_at,
        }
        await self._connection.execute(insert(NOTEBOOK_REVISIONS).values(values))

    async def find(self, tenant: str, name: NotebookName) -> Notebook | None:
        """The notebook of that name, or None."""
        statement = _CURRENT.where(owned_by(tenant, NOTEBOOKS), NOTEBOOKS.c.name == str(name))
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_notebook(row)

    async def find_by_id(self, tenant: str, notebook_id: str) -> Notebook | None:
        """The notebook with that id, or None."""
        statement = _CURRENT.where(owned_by(tenant, NOTEBOOKS), NOTEBOOKS.c.id == notebook_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _to_notebook(row)

    async def get(self, tenant: str, name: NotebookName) -> Notebook:
        """The notebook of that name; raises NotFound with the nearest names."""
        found = await self.find(tenant, name)
        if found is None:
            raise NotFound.notebook(str(name), await self.names(tenant))
        return found

    async def revision(self, tenant: str, notebook_id: str, revision: int) -> Revision:
        """One text of a notebook; raises NotFound."""
        statement = select(NOTEBOOK_REVISIONS).where(
            owned_by(tenant, NOTEBOOK_REVISIONS),
            NOTEBOOK_REVISIONS.c.notebook_id == notebook_id,
            NOTEBOOK_REVISIONS.c.revision == revision,
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound(
                f"The notebook has no revision {revision}.",
                "Call describe_asset for its revisions.",
            )
        return _to_revision(row)

    async def revisions(self, tenant: str, notebook_id: str, *, limit: int) -> tuple[Revision, ...]:
        """The newest revisions first, at most `limit`."""
        statement = (
            select(NOTEBOOK_REVISIONS)
            .where(
                owned_by(tenant, NOTEBOOK_REVISIONS),
                NOTEBOOK_REVISIONS.c.notebook_id == notebook_id,
            )
            .order_by(NOTEBOOK_REVISIONS.c.revision.desc())
            .limit(limit)
        )
        return tuple(_to_revision(row) for row in await self._connection.execute(statement))

    async def list(
        self, tenant: str, *, search: str | None, after: str | None, limit: int
    ) -> tuple[Notebook, ...]:
        """Notebooks in the order of their names, from behind `after`."""
        statement = _matching(_CURRENT, tenant, search)
        if after is not None:
            statement = statement.where(NOTEBOOKS.c.name > after)
        statement = statement.order_by(NOTEBOOKS.c.name).limit(limit)
        return tuple(_to_notebook(row) for row in await self._connection.execute(statement))

    async def count(self, tenant: str, *, search: str | None = None) -> int:
        """How many `list` would show without its limit."""
        statement = _matching(select(func.count()).select_from(NOTEBOOKS), tenant, search)
        return (await self._connection.execute(statement)).scalar_one()

    async def names(self, tenant: str) -> tuple[str, ...]:
        """The names of all notebooks, in order."""
        statement = (
            select(NOTEBOOKS.c.name).where(owned_by(tenant, NOTEBOOKS)).order_by(NOTEBOOKS.c.name)
        )
        return tuple(str(name) for name in await self._connection.scalars(statement))

    async def agree(self, tenant: str, notebook_id: str, there: There) -> None:
        """Remember what Databricks has: the text that later changes there are measured by."""
        await self._change(tenant, notebook_id, metadata_=there.as_metadata())

    async def totals(self, tenant: str) -> tuple[StateTotals, ...]:
        """Count and size of the notebooks, by where they stand on their way to Databricks."""
        current = _CURRENT.where(owned_by(tenant, NOTEBOOKS)).subquery()
        statement = select(
            current.c.sync_state, func.count(), func.sum(current.c.size_bytes)
        ).group_by(current.c.sync_state)
        rows = await self._connection.execute(statement)
        return tuple(
            StateTotals(state=SyncState(state), count=count, row_count=0, size_bytes=int(size))
            for state, count, size in rows
        )

    async def delete(self, tenant: str, name: NotebookName, *, at: datetime) -> Notebook:
        """Forget the notebook and free its name; raises NotFound."""
        notebook = await self.get(tenant, name)
        statement = (
            update(NOTEBOOKS)
            .where(owned_by(tenant, NOTEBOOKS), NOTEBOOKS.c.id == notebook.id)
            .values(deleted_at=at)
        )
        await self._connection.execute(statement)
        return notebook


def _matching(statement: Select[Any], tenant: str, search: str | None) -> Select[Any]:
    statement = statement.where(owned_by(tenant, NOTEBOOKS))
    if search:
        statement = statement.where(NOTEBOOKS.c.name.icontains(search, autoescape=True))
    return statement


def _to_notebook(row: Row[Any]) -> Notebook:
    return Notebook(
        id=row.id,
        tenant=row.tenant,
        name=NotebookName(row.name),
        format=NotebookFormat(row.format),
        language=row.language,
        revision=row.revision,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        cell_count=row.cell_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
        sync_state=SyncState(row.sync_state),
        synced_revision=row.synced_revision,
        synced_at=row.synced_at,
        sync_error=row.sync_error,
        there=There.of(row.metadata_),
    )


def _to_revision(row: Row[Any]) -> Revision:
    return Revision(
        revision=row.revision,
        content=row.content,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        cell_count=row.cell_count,
        origin=row.origin,
        created_at=row.created_at,
    )
