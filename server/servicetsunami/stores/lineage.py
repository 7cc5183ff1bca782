"""Which run has read or written which version of a dataset."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import LINEAGE, RUNS
from servicetsunami.stores.scope import owned_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One version that a run has read or written; `name` is that of the notebook or the job."""

    run_id: str
    name: str
    version: int
    is_write: bool
    at: datetime


class Lineage:
    """The traces of all tenants' runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def note(
        self, dataset_id: str, *, version: int, run_id: str, is_write: bool, at: datetime
    ) -> None:
        """Remember it; a second time changes nothing."""
        is_postgresql = self._connection.dialect.name == "postgresql"
        insert = postgresql.insert if is_postgresql else sqlite.insert
        statement = insert(LINEAGE).values(
            dataset_id=dataset_id, version=version, run_id=run_id, is_write=is_write, at=at
        )
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def of(self, tenant: str, dataset_id: str, *, limit: int) -> tuple[Trace, ...]:
        """What runs have done with a dataset, the newest first."""
        statement = (
            select(LINEAGE, RUNS.c.name)
            .join(RUNS, RUNS.c.id == LINEAGE.c.run_id)
            .where(owned_by(tenant, LINEAGE), LINEAGE.c.dataset_id == dataset_id)
            .order_by(LINEAGE.c.at.desc(), LINEAGE.c.version.desc())
            .limit(limit)
        )
        return tuple(
            Trace(
                run_id=row.run_id,
                name=row.name,
                version=row.version,
                is_write=row.is_write,
                at=row.at,
            )
            for row in await self._connection.execute(statement)
        )
