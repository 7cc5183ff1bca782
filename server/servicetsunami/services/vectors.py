"""Owns a tenant's vector indexes: adds documents, finds them, describes and deletes indexes."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

from anyio import Path as AsyncPath
from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName, WriteMode
from servicetsunami.domain.index import ID, TEXT, VECTOR, Hit, Index
from servicetsunami.engines.vectors.embedding import DIMENSION, LICENCE, MODEL, Embedder
from servicetsunami.engines.vectors.files import read_ids, write_documents
from servicetsunami.engines.vectors.shelves import Shelf, Shelves, fused
from servicetsunami.errors import Conflict, InvalidInput
from servicetsunami.services.answers import (
    Answer,
    AnyObject,
    AssetAnswer,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
    IngestAnswer,
)
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.progress import silent
from servicetsunami.services.queries import Queries, Question
from servicetsunami.services.results import stored_file
from servicetsunami.services.sources import LocalSource
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.vector_filters import condition
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.results import ResultStore
from servicetsunami.stores.tables.location import table_location

Mode = Literal["semantic", "keyword", "hybrid"]

_PAGE_ITEMS: Final = 50
_DOCUMENTS_MAX: Final = 1_000
_TEXT_CHARS_MAX: Final = 100_000
_SHOWN_CHARS: Final = 800
_RESULTS_MAX: Final = 100


class IndexedDocuments(Answer):
    """What became of documents that were given to an index."""

    index: str
    documents: int
    total: int
    version: int
    model: str
    dimension: int
    next: str


class FoundDocuments(Answer):
    """The documents that fit best; each has `id`, `score`, `scores`, its text and its columns."""

    index: str
    version: int | None = None
    mode: str
    model: str
    hits: list[AnyObject]
    ran_on: Literal["local", "databricks"] = "local"
    why: str | None = None
    freshness: AnyObject | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for. `filters` is SQL, or an object in the grammar of filters_json."""

    index: str
    query: str
    mode: Mode
    filters: str | Mapping[str, JsonValue]
    count: int


class Vectors:
    """Documents are rows of a dataset of the index's name: SQL and the sync see them as well."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        datasets: Datasets,
        queries: Queries,
        results: ResultStore,
        usage: UsageMeter,
        data_dir: Path,
    ) -> None:
        self._metadata = metadata
        self._datasets = datasets
        self._queries = queries
        self._results = results
        self._usage = usage
        self._data_dir = data_dir
        self._embedder = Embedder()
        self._shelves = Shelves()

    async def add(
        self, caller: Caller, name: str, documents: Sequence[Mapping[str, JsonValue]]
    ) -> IndexedDocuments:
        """Add documents, or replace those of the same id; the first ones make the index.

        Raises InvalidInput that says which document is wrong, Conflict for a dataset of that name
        that is no index.
        """
        parsed = DatasetName.parse(name, catalog=caller.catalog)
        with self._usage.measure(caller, "index_documents") as tally:
            rows = _checked(documents)
            tally.rows = len(rows)
            async with self._metadata.read() as transaction:
                index = await transaction.indexes.find(caller.tenant, parsed)
                dataset = await transaction.datasets.find(caller.tenant, parsed)
            if index is None and dataset is not None:
                raise Conflict(
                    f"{parsed} is a dataset, and no index.", "Give the index another name."
                )
            vectors = await to_thread.run_sync(
                self._embedder.embed, [str(row[TEXT]) for row in rows]
            )
            # First, so that a server that is killed leaves no dataset that could not become one.
            await self._remember(caller, parsed, index)
            folder = AsyncPath(self._data_dir / "temp")
            await folder.mkdir(parents=True, exist_ok=True)
            path = Path(folder / f"documents-{uuid4().hex}.parquet")
            try:
                await to_thread.run_sync(partial(write_documents, path, rows, vectors))
                done = await self._write(caller, parsed, path, is_new=dataset is None)
            finally:
                await AsyncPath(path).unlink(missing_ok=True)
        return IndexedDocuments(
            index=str(parsed),
            documents=len(rows),
            total=done.row_count,
            version=done.version,
            model=f"{MODEL} ({LICENCE})",
            dimension=DIMENSION,
            next="Call search_vectors with this index.",
        )

    async def _write(
        self, caller: Caller, name: DatasetName, path: Path, *, is_new: bool
    ) -> IngestAnswer:
        request = IngestRequest(
            source="documents of an index",
            name=str(name),
            mode=WriteMode.CREATE if is_new else WriteMode.MERGE,
            keys=() if is_new else (ID,),
            format="parquet",
            options={},
        )
        source = LocalSource(path=path, rows=None, options=request.reader_options)
        return await self._datasets.ingest(caller, request, silent, source=source)

    async def _remember(self, caller: Caller, name: DatasetName, known: Index | None) -> None:
        now = datetime.now(UTC)
        async with self._metadata.begin() as transaction:
            if known is not None:
                await transaction.indexes.touch(known, at=now)
                return
            await transaction.indexes.add(
                Index(
                    id=uuid4().hex,
                    tenant=caller.tenant,
                    name=name,
                    model=MODEL,
                    dimension=DIMENSION,
                    created_at=now,
                    updated_at=now,
                )
            )

    @property
    def model(self) -> str:
        """The model that makes the vectors here."""
        return MODEL

    async def embed(self, text: str) -> list[float]:
        """The vector of a text, by that model."""
        return (await to_thread.run_sync(self._embedder.embed, [text]))[0].tolist()

    async def search(self, caller: Caller, search: Search) -> FoundDocuments:
        """The documents that fit best in the newest version of the index.

        Raises NotFound for an unknown index, InvalidInput for a filter that cannot be understood.
        """
        with self._usage.measure(caller, "search_vectors") as tally:
            check_search(search)
            index, dataset = await self._find(caller, search.index)
            allowed = await self._allowed(caller, dataset, search.filters)
            shelf = await to_thread.run_sync(partial(self._shelf, caller, index, dataset))
            vector = None
            if search.mode != "keyword":
                vector = (await to_thread.run_sync(self._embedder.embed, [search.query]))[0]
            text = search.query if search.mode != "semantic" else None
            hits = await to_thread.run_sync(
                partial(fused, shelf, vector, text, search.count, allowed)
            )
            shown = [_hit(hit, shelf.document(hit)) for hit in hits]
            tally.rows = len(hits)
        return FoundDocuments(
            index=str(index.name),
            version=dataset.version,
            mode=search.mode,
            model=index.model,
            hits=shown,
            next=None if hits else "Nothing fits: use other words, mode semantic, or no filters.",
        )

    async def _find(self, caller: Caller, name: str) -> tuple[Index, Dataset]:
        parsed = DatasetName.parse(name, catalog=caller.catalog)
        async with self._metadata.read() as transaction:
            index = await transaction.indexes.get(caller.tenant, parsed)
            dataset = await transaction.datasets.get(caller.tenant, parsed)
        missing = {ID, TEXT, VECTOR} - {column.name for column in dataset.columns}
        if missing:
            raise Conflict(
                f"The dataset {parsed} has no {', '.join(sorted(missing))} any more, so it is no "
                "index.",
                "Delete it, and call index_documents again.",
            )
        return index, dataset

    def _shelf(self, caller: Caller, index: Index, dataset: Dataset) -> Shelf:
        table = table_location(self._data_dir, caller.tenant, dataset.id)
        folder = self._folder(caller, dataset)
        return self._shelves.open(table, dataset.version, folder, index.dimension)

    def _folder(self, caller: Caller, dataset: Dataset) -> Path:
        return self._data_dir / "tenants" / caller.tenant / "indexes" / dataset.id

    async def _allowed(
        self, caller: Caller, dataset: Dataset, filters: str | Mapping[str, JsonValue]
    ) -> list[str] | None:
        """The ids that a filter leaves; None without one. It is SQL, behind the gate of all SQL."""
        if not filters:
            return None
        where, parameters = condition(filters)
        sql = f"SELECT {ID} FROM {_read(dataset)} WHERE {where}"  # noqa: S608 - the gate reads it
        answer = await self._queries.ask(caller, _question(sql, parameters, rows_max=0), silent)
        path = stored_file(self._results, caller, answer)
        return [] if path is None else await to_thread.run_sync(read_ids, path)

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's indexes, in the order of their names."""
        async with self._metadata.read() as transaction:
            found = await transaction.indexes.list(
                caller.tenant, search=search, after=cursor, limit=_PAGE_ITEMS + 1
            )
            total = await transaction.indexes.count(caller.tenant, search=search)
            lines = []
            for index in found[:_PAGE_ITEMS]:
                dataset = await transaction.datasets.find(caller.tenant, index.name)
                if dataset is not None:
                    lines.append(_line(index, dataset))
        return AssetsAnswer(
            assets=lines,
            total=total,
            truncated=len(found) > _PAGE_ITEMS,
            cursor=str(found[_PAGE_ITEMS - 1].name) if len(found) > _PAGE_ITEMS else None,
            catalog=caller.catalog,
            next=None if lines else "There are no such indexes: call index_documents.",
        )

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """The model of an index, and its documents as a dataset."""
        with self._usage.measure(caller, "describe_asset"):
            index, dataset = await self._find(caller, name)
            described = await self._datasets.describe(caller, str(index.name))
        return described.model_copy(
            update={
                "kind": "index",
                "sample": None,
                "index": {
                    "model": f"{index.model} ({LICENCE})",
                    "dimension": index.dimension,
                    "documents": dataset.row_count,
                },
                "next": "Call search_vectors with this name.",
            }
        )

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget an index and its documents. Raises InvalidInput unless `confirm` is its name."""
        _, dataset = await self._find(caller, name)
        deleted = await self._datasets.delete(caller, name, confirm=confirm)
        remove = partial(shutil.rmtree, self._folder(caller, dataset), ignore_errors=True)
        await to_thread.run_sync(remove)
        return deleted.model_copy(update={"kind": "index"})


def _checked(documents: Sequence[Mapping[str, JsonValue]]) -> list[dict[str, JsonValue]]:
    """Documents with ids; the id of a text without one is made from the text."""
    if not 1 <= len(documents) <= _DOCUMENTS_MAX:
        raise InvalidInput(
            f"{len(documents)} documents were given.", f"Give 1 to {_DOCUMENTS_MAX} at a time."
        )
    rows: dict[str, dict[str, JsonValue]] = {}
    for number, given in enumerate(documents, 1):
        text = given.get(TEXT)
        if not isinstance(text, str) or not text.strip() or len(text) > _TEXT_CHARS_MAX:
            raise InvalidInput(
                f"Document {number} has no usable `text`.",
                f"Give 1 to {_TEXT_CHARS_MAX} characters in `text`; split longer texts.",
            )
        if VECTOR in given:
            raise InvalidInput(
                f"Document {number} has a `vector` of its own.",
                f"Leave it out: {MODEL} makes the vectors of this index.",
            )
        made = hashlib.sha256(text.encode()).hexdigest()[:16]
        name = str(given.get(ID) or made)
        rows[name] = {**given, ID: name, TEXT: text}
    return list(rows.values())


def check_search(search: Search) -> None:
    """Raise InvalidInput for a search that no index can answer."""
    if not search.query.strip():
        raise InvalidInput("The query is empty.", "Say what to look for.")
    if not 1 <= search.count <= _RESULTS_MAX:
        raise InvalidInput(
            f"max_results cannot be {search.count}.", f"Use a number from 1 to {_RESULTS_MAX}."
        )


def _read(dataset: Dataset) -> str:
    return f"`{dataset.name.schema}`.`{dataset.name.table}` VERSION AS OF {dataset.version}"


def _question(sql: str, parameters: Mapping[str, JsonValue], *, rows_max: int) -> Question:
    return Question(
        sql=sql,
        parameters=parameters,
        rows_max=rows_max,
        timeout_s=None,
        form="concise",
        run_on="local",
    )


def _hit(hit: Hit, row: Mapping[str, Any]) -> dict[str, JsonValue]:
    """A document that was found, with its columns; a long text is cut."""
    text = str(row.get(TEXT) or "")
    known: dict[str, JsonValue] = {k: v for k, v in row.items() if k not in {ID, TEXT}}
    found: dict[str, JsonValue] = {
        "id": hit.id,
        "score": round(hit.score, 4),
        "scores": dict(hit.parts),
        "text": text[:_SHOWN_CHARS],
    }
    if len(text) > _SHOWN_CHARS:
        found["text_chars"] = len(text)
    if known:
        found["columns"] = known
    return found


def _line(index: Index, dataset: Dataset) -> AssetAnswer:
    return AssetAnswer(
        kind="index",
        name=str(index.name),
        row_count=dataset.row_count,
        size_bytes=dataset.size_bytes,
        version=dataset.version,
        updated_at=index.updated_at.isoformat(),
        sync=index.sync_state.value,
    )
