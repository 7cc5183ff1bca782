"""Owns a tenant's vector indexes: takes documents in and out, describes and deletes indexes."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName
from servicetsunami.domain.index import OWN_VECTORS, Index
from servicetsunami.errors import Conflict, InvalidInput, NotFound
from servicetsunami.services.answers import (
    Answer,
    AnyObject,
    AssetAnswer,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
    SyncAnswer,
)
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.documents import checked, in_pieces, own_vectors
from servicetsunami.services.embeddings import Embeddings
from servicetsunami.services.following import Following, Standing
from servicetsunami.services.index_files import Done, IndexFiles
from servicetsunami.services.indexing import Indexing, Opened
from servicetsunami.services.progress import Report
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.vector_search import VectorSearch
from servicetsunami.stores.metadata import Metadata

Source = str | Sequence[Mapping[str, JsonValue]] | Mapping[str, JsonValue]

_PAGE_ITEMS: Final = 50
_DELETED_MAX: Final = 1_000


class IndexedDocuments(Answer):
    """What became of documents that were given to an index. `passages` are the rows it has now."""

    index: str
    documents: int
    deleted: int | None = None
    unchanged: int | None = None
    skipped: list[str] | None = None
    remaining: int | None = None
    passages: int
    version: int | None
    model: str
    dimension: int
    follows: AnyObject | None = None
    next: str


class Vectors:
    """Documents are rows of a dataset of the index's name: SQL and the sync see them as well."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        datasets: Datasets,
        indexing: Indexing,
        files: IndexFiles,
        following: Following,
        embeddings: Embeddings,
        finding: VectorSearch,
        usage: UsageMeter,
        data_dir: Path,
    ) -> None:
        self._metadata = metadata
        self._datasets = datasets
        self._indexing = indexing
        self._files = files
        self._following = following
        self._embeddings = embeddings
        self.finding = finding
        self._usage = usage
        self._data_dir = data_dir

    async def change(
        self,
        caller: Caller,
        name: str,
        source: Source,
        *,
        delete: Sequence[str],
        seconds: float,
        report: Report,
    ) -> IndexedDocuments:
        """Take documents out, and others in; the first ones make the index.

        Documents are given as such, as the path of files, or as a dataset to follow. Those that
        take longer than `seconds` are left for another call, or are gone on with in the background.
        Raises InvalidInput that says which document is wrong, Conflict for a dataset of that name
        that is no index, or where vectors of two models would be mixed.
        """
        parsed = DatasetName.parse(name, catalog=caller.catalog)
        with self._usage.measure(caller, "index_documents") as tally:
            deleted = await self._take_out(caller, parsed, delete) if delete else None
            if not source and deleted is not None:
                given = await self._nothing(caller, parsed)
            elif isinstance(source, str):
                given = await self._take_files(caller, parsed, source, seconds, report)
            elif isinstance(source, Mapping):
                given = await self._follow(caller, parsed, source, seconds, report)
            else:
                given = await self._take_texts(caller, parsed, checked(source))
            tally.rows = given.documents
        return given.model_copy(update={"deleted": deleted})

    async def _take_texts(
        self, caller: Caller, name: DatasetName, documents: list[dict[str, Any]]
    ) -> IndexedDocuments:
        vectors = own_vectors(documents)
        if vectors is not None:
            opened = await self._indexing.open(caller, name, dimension=len(vectors[0]))
            opened = await self._indexing.put_own(caller, opened, documents, vectors)
        else:
            rows = in_pieces(documents)
            opened = await self._indexing.open(caller, name)
            opened = await self._indexing.put(caller, opened, rows)
        return await self._answer(opened, documents=len(documents))

    async def _take_files(
        self, caller: Caller, name: DatasetName, source: str, seconds: float, report: Report
    ) -> IndexedDocuments:
        found = await self._files.locate(source)
        opened = await self._indexing.open(caller, name)
        opened, done = await self._files.add(caller, opened, found, seconds=seconds, report=report)
        return await self._answer(opened, documents=done.indexed, done=done)

    async def _follow(
        self,
        caller: Caller,
        name: DatasetName,
        source: Mapping[str, JsonValue],
        seconds: float,
        report: Report,
    ) -> IndexedDocuments:
        followed = await self._following.read(caller, source)
        opened = await self._indexing.open(caller, name, follows=followed)
        opened, standing = await self._following.catch_up(
            caller, opened, seconds=seconds, report=report
        )
        if not standing.is_current:
            self._following.go_on(caller, opened)
        count = opened.dataset.row_count if opened.dataset is not None else 0
        return await self._answer(opened, documents=count, standing=standing)

    async def _take_out(self, caller: Caller, name: DatasetName, documents: Sequence[str]) -> int:
        if len(documents) > _DELETED_MAX:
            raise InvalidInput(
                f"{len(documents)} documents are to be deleted.",
                f"Name at most {_DELETED_MAX} at a time.",
            )
        opened = await self._existing(caller, name)
        if opened.index.follows is not None:
            raise Conflict(
                f"{name} follows the dataset {opened.index.follows.dataset}.",
                "Delete the rows there.",
            )
        ids = await self._indexing.pieces_of(caller, opened, documents)
        await self._indexing.remove(caller, opened, ids)
        return len(ids)

    async def _nothing(self, caller: Caller, name: DatasetName) -> IndexedDocuments:
        return await self._answer(await self._existing(caller, name), documents=0)

    async def _existing(self, caller: Caller, name: DatasetName) -> Opened:
        async with self._metadata.read() as transaction:
            index = await transaction.indexes.get(caller.tenant, name)
            dataset = await transaction.datasets.find(caller.tenant, name)
        if dataset is None:
            raise NotFound.index(str(name), [])
        return Opened(index=index, dataset=dataset)

    async def _answer(
        self,
        opened: Opened,
        *,
        documents: int,
        done: Done | None = None,
        standing: Standing | None = None,
    ) -> IndexedDocuments:
        dataset, index = opened.dataset, opened.index
        steps = "Call search_vectors with this index."
        if done is not None and done.remaining:
            steps = "Call again with the same source: the files that are left are taken in then."
        if standing is not None and not standing.is_current:
            steps = "The rest is embedded in the background; describe_asset says how far it is."
        return IndexedDocuments(
            index=str(index.name),
            documents=documents,
            unchanged=done.unchanged if done is not None else None,
            skipped=(done.skipped or None) if done is not None else None,
            remaining=(done.remaining or None) if done is not None else None,
            passages=dataset.row_count if dataset is not None else 0,
            version=dataset.version if dataset is not None else None,
            model=await self._model(index),
            dimension=index.dimension,
            follows=standing.shown() if standing is not None else None,
            next=steps,
        )

    async def _model(self, index: Index) -> str:
        """The model's name with its licence, where it is here."""
        if index.model == OWN_VECTORS:
            return index.model
        try:
            return f"{index.model} ({(await self._embeddings.named(index.model)).licence})"
        except Conflict:
            return f"{index.model} (not on this server)"

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
            index, dataset = await self.finding.find(caller, name)
            described = await self._datasets.describe(caller, str(index.name))
            standing = await self._standing(caller, Opened(index=index, dataset=dataset))
        return described.model_copy(
            update={
                "kind": "index",
                "sample": None,
                "index": {
                    "model": await self._model(index),
                    "dimension": index.dimension,
                    "passages": dataset.row_count,
                    **standing,
                },
                "next": "Call search_vectors with this name.",
            }
        )

    async def _standing(self, caller: Caller, opened: Opened) -> dict[str, JsonValue]:
        """How an index stands to the dataset that it follows, if it follows one."""
        if opened.index.follows is None:
            return {}
        try:
            standing = await self._following.standing(caller, opened)
        except Conflict as error:
            return {"follows": {"error": str(error)}}
        if not standing.is_current:
            self._following.go_on(caller, opened)
        return {"follows": standing.shown()}

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget an index and its documents. Raises InvalidInput unless `confirm` is its name."""
        index, dataset = await self.finding.find(caller, name)
        deleted = await self._datasets.delete(caller, name, confirm=confirm)
        async with self._metadata.begin() as transaction:
            await transaction.indexes.delete(caller.tenant, index.name, at=datetime.now(UTC))
        remove = partial(shutil.rmtree, self.finding.folder(caller, dataset), ignore_errors=True)
        await to_thread.run_sync(remove)
        return deleted.model_copy(update={"kind": "index"})


def _line(index: Index, dataset: Dataset) -> AssetAnswer:
    return AssetAnswer(
        kind="index",
        name=str(index.name),
        row_count=dataset.row_count,
        size_bytes=dataset.size_bytes,
        version=dataset.version,
        updated_at=index.updated_at.isoformat(),
        sync=SyncAnswer.of(dataset).state,
    )
