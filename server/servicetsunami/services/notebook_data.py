"""Gives a notebook its tenant's datasets, through the same services that tools use."""

from collections.abc import Mapping
from typing import Any, Final

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import WriteMode
from servicetsunami.engines.kernels.bridge import Asked, Told
from servicetsunami.errors import InvalidInput
from servicetsunami.services.answers import QueryAnswer
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.progress import silent
from servicetsunami.services.queries import Queries, Question
from servicetsunami.services.sources import LocalSource
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore

_LISTED_MAX: Final = 1_000
_TABLES_MAX: Final = 500
"""More tables would make the start of Spark slow."""


class NotebookData:
    """Answers the questions of code in a kernel that are about data."""

    def __init__(
        self, *, metadata: Metadata, queries: Queries, datasets: Datasets, results: ResultStore
    ) -> None:
        self._metadata = metadata
        self._queries = queries
        self._datasets = datasets
        self._results = results

    async def query(self, caller: Caller, arguments: Mapping[str, Any]) -> Told:
        """Answer one statement with its whole result, as an Arrow file or, if short, as rows."""
        sql, given = str(arguments["sql"]), arguments["parameters"]
        answer = await self._ask(caller, sql, given, rows_max=0)
        while answer.state == "running" and answer.cursor is not None:
            # On Databricks, and slow: the cursor waits for it.
            question = _question("", {}, rows_max=0)
            answer = await self._queries.next_page(caller, answer.cursor, question)
        names = [column.name for column in answer.columns]
        if answer.cursor is None:
            if answer.row_count:
                # A listing, such as SHOW TABLES, which is never kept.
                answer = await self._ask(caller, sql, given, rows_max=_LISTED_MAX)
            return Told(value={"columns": names, "rows": answer.rows})
        result_id = answer.cursor.partition(":")[0]
        stored = self._results.open(caller.tenant, caller.subject, result_id)
        return Told(value={"columns": names, "rows": []}, content=stored.path)

    async def _ask(
        self, caller: Caller, sql: str, parameters: Mapping[str, Any], *, rows_max: int
    ) -> QueryAnswer:
        return await self._queries.ask(
            caller, _question(sql, parameters, rows_max=rows_max), silent
        )

    async def tables(self, caller: Caller) -> Told:
        """Where Spark finds the caller's datasets, each in its acknowledged version."""
        async with self._metadata.read() as transaction:
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
        )
        source = LocalSource(path=asked.content, rows=None, options=request.reader_options)
        done = await self._datasets.ingest(caller, request, silent, source=source)
        return Told(value={"name": done.name, "version": done.version, "row_count": done.row_count})


def _question(sql: str, parameters: Mapping[str, Any], *, rows_max: int) -> Question:
    return Question(
        sql=sql, parameters=parameters, rows_max=rows_max, timeout_s=None, form="concise"
    )


def _mode(text: object) -> WriteMode:
    try:
        return WriteMode(str(text))
    except ValueError as error:
        known = ", ".join(mode.value for mode in WriteMode)
        raise InvalidInput(f"There is no mode {text!r}.", f"Use one of {known}.") from error
