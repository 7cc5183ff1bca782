"""What the stores of notebooks, jobs, endpoints and indexes share: the way to Databricks."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Table, case, update

from servicetsunami.domain.dataset import SyncState
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.scope import owned_by
from servicetsunami.stores.tenants import Tenants


class SentAssets:
    """Assets with names that are sent, seen one tenant at a time; `TABLE` has a row for each."""

    TABLE: ClassVar[Table]

    def __init__(self, connection: Connection, tenants: Tenants) -> None:
        self._connection = connection
        self._tenants = tenants

    async def set_sync(
        self, tenant: str, asset_id: str, state: SyncState, *, error: str | None = None
    ) -> None:
        """Note where the asset stands, and what holds it up."""
        await self._change(tenant, asset_id, sync_state=state.value, sync_error=error)

    async def unpark(self, tenant: str, name: str | None) -> None:
        """Have parked assets wait again: all of the tenant's, or the one of that name."""
        columns = self.TABLE.c
        statement = update(self.TABLE).where(
            owned_by(tenant, self.TABLE), columns.sync_state == SyncState.PARKED.value
        )
        if name is not None:
            statement = statement.where(columns.name == name)
        await self._connection.execute(
            statement.values(sync_state=SyncState.WAITING.value, sync_error=None)
        )

    async def _change(self, tenant: str, asset_id: str, **values: object) -> None:
        statement = (
            update(self.TABLE)
            .where(owned_by(tenant, self.TABLE), self.TABLE.c.id == asset_id)
            .values(**values)
        )
        await self._connection.execute(statement)


class RevisedAssets(SentAssets):
    """Assets that have revisions; `TABLE` holds the newest of each."""

    async def mark_synced(self, tenant: str, asset_id: str, *, revision: int, at: datetime) -> None:
        """Note that a revision has reached Databricks; synced is only who has no newer one."""
        columns = self.TABLE.c
        await self._change(
            tenant,
            asset_id,
            sync_state=case(
                (columns.sync_state == SyncState.OFF.value, SyncState.OFF.value),
                (columns.revision <= revision, SyncState.SYNCED.value),
                else_=SyncState.WAITING.value,
            ),
            synced_revision=revision,
            synced_at=at,
            sync_error=None,
        )
