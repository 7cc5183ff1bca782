"""Runs the SQL of jobs here: questions, and the changes a job may make to its tenant's tables."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Column, Dataset, DatasetName, WriteMode
from servicetsunami.engines.sql.writes import WRITE_VERBS, Write, read_write
from servicetsunami.errors import Conflict, LimitExceeded, NotFound
from servicetsunami.services.answers import QueryAnswer
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.run_data import RunData

_SHOWN_ROWS: Final = 20
_ATTEMPTS_MAX: Final = 5


def is_change(sql: str) -> bool:
    """Whether a statement changes a table, rather than only asks."""
    words = sql.split(maxsplit=1)
    return bool(words) and words[0].upper() in WRITE_VERBS


class JobSql:
    """Answers statements of jobs; a change is applied once for its key."""

    def __init__(self, data: RunData) -> None:
        self._data = data

    async def run(
        self,
        caller: Caller,
        sql: str,
        parameters: Mapping[str, JsonValue],
        *,
        key: str,
        run_id: str | None,
    ) -> dict[str, JsonValue]:
        """Run one statement; what came of it, for the record.

        Raises what questions and ingests raise, and SqlRefused for statements that no job may run.
        """
        if is_change(sql):
            return await self._change(caller, sql, parameters, key=key, run_id=run_id)
        answer = await self._ask(caller, sql, parameters, run_id=run_id, rows_max=_SHOWN_ROWS)
        columns = [column.name for column in answer.columns]
        rows: list[JsonValue] = [list(row) for row in answer.rows]
        reads: list[JsonValue] = [table.model_dump() for table in answer.tables]
        return {"columns": [*columns], "rows": rows, "row_count": answer.row_count, "reads": reads}

    async def _change(
        self,
        caller: Caller,
        sql: str,
        parameters: Mapping[str, JsonValue],
        *,
        key: str,
        run_id: str | None,
    ) -> dict[str, JsonValue]:
        """Work the new rows out, and write them as one version of the table."""
        write = await to_thread.run_sync(partial(read_write, sql))
        name = DatasetName.parse(write.target, catalog=caller.catalog)
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                return await self._attempt(caller, write, name, parameters, key=key, run_id=run_id)
            except Conflict:
                # Somebody changed the rows that this statement read: it is worked out anew.
                if not write.needs_columns or attempt == _ATTEMPTS_MAX:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self,
        caller: Caller,
        write: Write,
        name: DatasetName,
        parameters: Mapping[str, JsonValue],
        *,
        key: str,
        run_id: str | None,
    ) -> dict[str, JsonValue]:
        async with self._data.metadata.read() as transaction:
            dataset = await transaction.datasets.find(caller.tenant, name)
            applied = None
            if dataset is not None:
                applied = await transaction.datasets.find_by_idempotency_key(
                    caller.tenant, dataset.id, key
                )
        if applied is not None:
            return {"written": str(name), "version": applied.version, "rows": applied.rows_written}
        if dataset is None and (write.needs_columns or write.mode == "append"):
            raise NotFound(
                f"There is no dataset {name} to change.",
                "Create it first: CREATE TABLE … AS SELECT.",
            )
        select = await to_thread.run_sync(partial(write.select, dataset.columns if dataset else ()))
        answer = await self._ask(caller, select, parameters, run_id=run_id, rows_max=0)
        if answer.row_count_is_minimum:
            raise LimitExceeded(
                f"The statement makes more than {answer.row_count} rows.",
                "Write fewer at a time, or have SERVICETSUNAMI_QUERY_ROWS_MAX raised.",
            )
        if answer.cursor is None and write.mode == "append":
            version = dataset.version if dataset else None
            return {"written": str(name), "version": version, "rows": 0}
        return await self._write(caller, write, name, dataset, answer, key=key, run_id=run_id)

    async def _write(
        self,
        caller: Caller,
        write: Write,
        name: DatasetName,
        dataset: Dataset | None,
        answer: QueryAnswer,
        *,
        key: str,
        run_id: str | None,
    ) -> dict[str, JsonValue]:
        is_checked = dataset is not None and write.needs_columns
        request = IngestRequest(
            source=f"job run {run_id}" if run_id is not None else "a statement",
            name=str(name),
            mode=WriteMode(write.mode),
            keys=(),
            format=None,
            options={"idempotency_key": key},
            base_version=dataset.version if dataset is not None and is_checked else None,
            run_id=run_id,
        )
        path = self._data.stored(caller, answer)
        if path is None:
            from servicetsunami.stores.tables.empty import write_empty  # noqa: PLC0415 - heavy

            columns = tuple(Column(name=each.name, type=each.type) for each in answer.columns)
            path = self._data.results.reserve(caller.tenant)[1]
            await to_thread.run_sync(partial(write_empty, path, columns))
        done = await self._data.write(caller, request, path)
        reads: list[JsonValue] = [table.model_dump() for table in answer.tables]
        return {
            "written": done.name,
            "version": done.version,
            "rows": done.rows_written,
            "reads": reads,
        }

    async def _ask(
        self,
        caller: Caller,
        sql: str,
        parameters: Mapping[str, JsonValue],
        *,
        run_id: str | None,
        rows_max: int,
    ) -> QueryAnswer:
        used = {name: value for name, value in parameters.items() if f":{name}" in sql}
        return await self._data.ask(
            caller, sql, used, run_id=run_id, rows_max=rows_max, run_on="local"
        )
