"""Answers SHOW and DESCRIBE statements from the metadata, in the columns of Databricks."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import DEFAULT_SCHEMA, Dataset
from servicetsunami.engines.sql.engine import Admitted, SqlSession
from servicetsunami.services.catalog import Catalog, TableAsked, TableFound, snapshots_of
from servicetsunami.stores.metadata import Metadata

_ITEMS_MAX: Final = 10_000
_DESCRIBED: Final = (("col_name", "string"), ("data_type", "string"), ("comment", "string"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A small result: (name, Databricks type) of each column, the rows, and what they tell of."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[JsonValue]]
    tables: Sequence[tuple[str, int, str]] = ()


class Listing:
    """Knows the statements that are about tables rather than about their rows."""

    def __init__(self, metadata: Metadata, catalog: Catalog) -> None:
        self._metadata = metadata
        self._catalog = catalog

    async def answer(self, caller: Caller, admitted: Admitted, session: SqlSession) -> Rows:
        """Answer an admitted statement that is not a SELECT."""
        if admitted.kind == "describe query":
            return await self._describe_query(caller, admitted, session)
        answers = {
            "show tables": self._show_tables,
            "show schemas": self._show_schemas,
            "show columns": self._show_columns,
            "describe table": self._describe_table,
            "describe history": self._describe_history,
        }
        return await answers[admitted.kind](caller, admitted)

    async def _show_tables(self, caller: Caller, admitted: Admitted) -> Rows:
        fits = _matcher(admitted.pattern)
        rows = [
            (dataset.name.schema, dataset.name.table, False)
            for dataset in await self._all(caller)
            if admitted.schema in (None, dataset.name.schema) and fits(dataset.name.table)
        ]
        return Rows(
            columns=[("database", "string"), ("tableName", "string"), ("isTemporary", "boolean")],
            rows=rows,
        )

    async def _show_schemas(self, caller: Caller, admitted: Admitted) -> Rows:
        fits = _matcher(admitted.pattern)
        schemas = {dataset.name.schema for dataset in await self._all(caller)} | {DEFAULT_SCHEMA}
        return Rows(
            columns=[("databaseName", "string")],
            rows=[(schema,) for schema in sorted(schemas) if fits(schema)],
        )

    async def _show_columns(self, caller: Caller, admitted: Admitted) -> Rows:
        found = await self._found(caller, admitted)
        return Rows(
            columns=[("col_name", "string")],
            rows=[(column.name,) for column in found.snapshot.columns],
            tables=[found.read],
        )

    async def _describe_table(self, caller: Caller, admitted: Admitted) -> Rows:
        found = await self._found(caller, admitted)
        return Rows(
            columns=_DESCRIBED,
            rows=[(column.name, column.type, None) for column in found.snapshot.columns],
            tables=[found.read],
        )

    async def _describe_query(
        self, caller: Caller, admitted: Admitted, session: SqlSession
    ) -> Rows:
        found = await self._catalog.find(caller, map(TableAsked.of, admitted.tables))
        columns = await session.describe(snapshots_of(admitted, found))
        return Rows(
            columns=_DESCRIBED,
            rows=[(column.name, column.type, None) for column in columns],
            tables=[table.read for table in found],
        )

    async def _describe_history(self, caller: Caller, admitted: Admitted) -> Rows:
        found = await self._found(caller, admitted)
        async with self._metadata.read() as transaction:
            versions = await transaction.datasets.versions(
                caller.tenant, found.dataset.id, limit=_ITEMS_MAX
            )
        return Rows(
            columns=[
                ("version", "bigint"),
                ("timestamp", "timestamp"),
                ("operation", "string"),
                ("rowsWritten", "bigint"),
                ("rowCount", "bigint"),
            ],
            rows=[
                (v.version, v.created_at.isoformat(), v.operation, v.rows_written, v.row_count)
                for v in versions
            ],
            tables=[found.read],
        )

    async def _found(self, caller: Caller, admitted: Admitted) -> TableFound:
        [table] = admitted.tables
        [found] = await self._catalog.find(caller, [TableAsked.of(table)])
        return found

    async def _all(self, caller: Caller) -> Sequence[Dataset]:
        async with self._metadata.read() as transaction:
            return await transaction.datasets.list(caller.tenant, limit=_ITEMS_MAX)


def _matcher(pattern: str | None) -> Callable[[str], bool]:
    """Read the pattern of a SHOW statement: `*` stands for any text, `|` for or."""
    if pattern is None:
        return lambda _name: True
    parts = (re.escape(part).replace(r"\*", ".*") for part in pattern.split("|"))
    compiled = re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE)
    return lambda name: compiled.fullmatch(name) is not None
