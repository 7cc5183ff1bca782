"""Marks of what clients watch: short texts that differ whenever something has changed."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Executable, Table, func, select, tuple_

from servicetsunami.domain.dataset import DatasetName
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import DATASETS, NOTEBOOKS, RUN_CELLS, RUN_TASKS, RUNS
from servicetsunami.stores.scope import owned_by


class Marks:
    """The marks of one tenant's datasets, notebooks and runs; what is not there has none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def datasets(self, tenant: str, names: Collection[str]) -> dict[str, str]:
        """By name: another version, another dataset of the name, or another state of its sync."""
        columns = DATASETS.c
        parts = [DatasetName.of(name) for name in names]
        statement = select(
            columns.schema_name + "." + columns.table_name,
            *(columns.id, columns.version, columns.updated_at),
            *(columns.sync_state, columns.synced_version, columns.sync_error),
        ).where(
            owned_by(tenant, DATASETS),
            tuple_(columns.schema_name, columns.table_name).in_(
                [(part.schema, part.table) for part in parts]
            ),
        )
        return await self._marks(statement)

    async def notebooks(self, tenant: str, names: Collection[str]) -> dict[str, str]:
        """By name: another revision, or another notebook of the name."""
        columns = NOTEBOOKS.c
        statement = select(columns.name, columns.id, columns.revision).where(
            owned_by(tenant, NOTEBOOKS), columns.name.in_(names)
        )
        return await self._marks(statement)

    async def runs(self, tenant: str, ids: Collection[str]) -> dict[str, str]:
        """By id: another state of the run, of one of its cells, or of one of its tasks."""
        columns = RUNS.c
        statement = select(columns.id, columns.state, columns.ended_at, columns.repairs).where(
            owned_by(tenant, RUNS), columns.id.in_(ids)
        )
        marks = await self._marks(statement)
        for table in (RUN_CELLS, RUN_TASKS):
            for row in await self._states(tenant, table, ids):
                marks[row[0]] = marks.get(row[0], "") + _text(row[1:])
        return marks

    async def _states(self, tenant: str, table: Table, ids: Collection[str]) -> Sequence[Any]:
        """How many cells, or tasks, of each run are in each state."""
        columns = table.c
        statement = (
            select(columns.run_id, columns.state, func.count())
            .where(owned_by(tenant, table), columns.run_id.in_(ids))
            .group_by(columns.run_id, columns.state)
            .order_by(columns.run_id, columns.state)
        )
        return (await self._connection.execute(statement)).all()

    async def _marks(self, statement: Executable) -> dict[str, str]:
        rows = (await self._connection.execute(statement)).all()
        return {row[0]: _text(row[1:]) for row in rows}


def _text(values: Sequence[object]) -> str:
    return "|".join(map(str, values)) + ";"
