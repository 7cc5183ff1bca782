"""How runs and indexes reach their tenant's datasets: questions, writes, and what is noted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import DatasetName
from servicetsunami.services.answers import IngestAnswer, QueryAnswer, TableRead
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.progress import silent
from servicetsunami.services.queries import Queries, Question
from servicetsunami.services.results import stored_file
from servicetsunami.services.routing import RunOn
from servicetsunami.services.sources import LocalSource
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore


class RunData:
    """Asks and writes through the services that tools use, for notebooks and for SQL tasks."""

    def __init__(
        self, *, metadata: Metadata, queries: Queries, datasets: Datasets, results: ResultStore
    ) -> None:
        self.metadata = metadata
        self.queries = queries
        self.results = results
        self._datasets = datasets

    async def ask(
        self,
        caller: Caller,
        sql: str,
        parameters: Mapping[str, JsonValue],
        *,
        run_id: str | None,
        rows_max: int,
        run_on: RunOn = "auto",
        only: DatasetName | None = None,
    ) -> QueryAnswer:
        """Answer one statement, and note which versions the run has read, if one asks.

        `only` names the one table that may be read.
        """
        question = Question(
            sql=sql,
            parameters=parameters,
            rows_max=rows_max,
            timeout_s=None,
            form="concise",
            run_on=run_on,
            only=only,
        )
        answer = await self.queries.ask(caller, question, silent)
        if run_id is not None:
            await self._note(caller, answer.tables, run_id)
        return answer

    def stored(self, caller: Caller, answer: QueryAnswer) -> Path | None:
        """The file with the whole result of an answer; None where none was kept."""
        return stored_file(self.results, caller, answer)

    async def write(self, caller: Caller, request: IngestRequest, path: Path) -> IngestAnswer:
        """Store the rows of a file as a new version of a dataset, by the run that asks for it."""
        source = LocalSource(path=path, rows=None, options=request.reader_options)
        return await self._datasets.ingest(caller, request, silent, source=source)

    async def _note(self, caller: Caller, tables: Sequence[TableRead], run_id: str) -> None:
        here = [table for table in tables if table.version is not None]
        if not here:
            return
        async with self.metadata.begin() as transaction:
            for table in here:
                name = DatasetName.parse(table.table, catalog=caller.catalog)
                dataset = await transaction.datasets.find(caller.tenant, name)
                if dataset is not None:
                    await transaction.lineage.note(
                        dataset.id,
                        version=int(str(table.version)),
                        run_id=run_id,
                        is_write=False,
                        at=datetime.now(UTC),
                    )
