"""Gives a notebook its tenant's datasets, through the same services that tools use."""

from collections.abc import Mapping
from typing import Any, Final

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import WriteMode
from servicetsunami.engines.kernels.bridge import Asked, Told
from servicetsunami.errors import InvalidInput
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.queries import Question
from servicetsunami.services.run_data import RunData

_LISTED_MAX: Final = 1_000
_TABLES_MAX: Final = 500
"""More tables would make the start of Spark slow."""


class NotebookData:
    """Answers the questions of code in a kernel that are about data."""

    def __init__(self, data: RunData) -> None:
        self._data = data

    async def query(self, caller: Caller, arguments: Mapping[str, Any], *, run_id: str) -> Told:
        """Answer one statement with its whole result, as an Arrow file or, if short, as rows."""
        sql, given = str(arguments["sql"]), arguments["parameters"]
        answer = await self._data.ask(caller, sql, given, run_id=run_id, rows_max=0)
        while answer.state == "running" and answer.cursor is not None:
            # On Databricks, and slow: the cursor waits for it.
            question = Question(sql="", parameters={}, rows_max=0, timeout_s=None, form="concise")
            answer = await self._data.queries.next_page(caller, answer.cursor, question)
        names = [column.name for column in answer.columns]
        path = self._data.stored(caller, answer)
        if path is not None:
            return Told(value={"columns": names, "rows": []}, content=path)
        if answer.row_count:
            # A listing, such as SHOW TABLES, which is never kept.
            answer = await self._data.ask(caller, sql, given, run_id=run_id, rows_max=_LISTED_MAX)
        return Told(value={"columns": names, "rows": answer.rows})

    async def tables(self, caller: Caller) -> Told:
        """Where Spark finds the caller's datasets, each in its acknowledged version."""
        async with self._data.metadata.read() as transaction:
            found = await transaction.datasets.list(caller.tenant, limit=_TABLES_MAX)
        return Told(
            value=[
                {
                    "schema": dataset.name.schema,
                    "table": dataset.name.table,
                    "id": dataset.id,
                    "version": dataset.version,
                }
                for dataset in found
            ]
        )

    async def write(self, caller: Caller, asked: Asked, *, run_id: str) -> Told:
        """Store rows as a new version of a dataset.

        With `base_version`, only if it is still in that one: Spark has changed a clone of it.
        """
        if asked.content is None:
            raise InvalidInput("There are no rows to write.", "Give a data frame with columns.")
        request = IngestRequest(
            source=f"notebook run {run_id}",
            name=str(asked.arguments["name"]),
            mode=_mode(asked.arguments["mode"]),
            keys=tuple(map(str, asked.arguments["keys"])),
            format="parquet",
            options={},
            base_version=asked.arguments.get("base_version"),
            run_id=run_id,
        )
        done = await self._data.write(caller, request, asked.content)
        return Told(value={"name": done.name, "version": done.version, "row_count": done.row_count})


def _mode(text: object) -> WriteMode:
    try:
        return WriteMode(str(text))
    except ValueError as error:
        known = ", ".join(mode.value for mode in WriteMode)
        raise InvalidInput(f"There is no mode {text!r}.", f"Use one of {known}.") from error
