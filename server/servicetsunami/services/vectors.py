"""Owns a tenant's vector indexes: takes documents in and out, describes and deletes indexes."""

import shutil
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName
from servicetsunami.domain.index import OWN_VECTORS, Index
from servicetsunami.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from servicetsunami.services.answers import (
    Answer,
    AnyObject,
    AssetAnswer,
    AssetsAnswer,
    DeletedAsset,
    DescribedAsset,
)
from servicetsunami.services.asset_pages import FETCHED_ITEMS, PAGE_ITEMS, asset_page
from servicetsunami.services.datasets import Datasets
from servicetsunami.services.documents import checked, in_pieces, own_vectors
from servicetsunami.services.embeddings import Embeddings
from servicetsunami.services.following import Following
from servicetsunami.services.index_files import Done, IndexFiles
from servicetsunami.services.indexing import Indexing, Opened
from servicetsunami.services.progress import Report
from servicetsunami.services.upkeep import State, Upkeep
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.vector_search import VectorSearch
from servicetsunami.stores.metadata import Metadata

Source = str | Sequence[Mapping[str, JsonValue]] | Mapping[str, JsonValue]

_DELETED_MAX: Final = 1_000


class IndexedDocuments(Answer):
    """What became of documents that were given to an index.

    `passages` are the rows it has now; `pending` of them have no vector yet.
    """

    index: str
    documents: int
    deleted: int | None = None
    unchanged: int | None = None
    skipped: list[str] | None = None
    remaining: int | None = None
    passages: int
    pending: int | None = None
    version: int | None = None
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
        upkeep: Upkeep,
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
        self._upkeep = upkeep
        self.embeddings = embeddings
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

        Documents are given as such, as the path of files, or as a dataset to follow. Vectors that
        take longer than `seconds` to make are made in the background.
        Raises InvalidInput that says which document is wrong, Conflict for a dataset of that name
        that is no index, or where vectors of two models would be mixed.
        """
        parsed = DatasetName.parse(name, catalog=caller.catalog)
        until = time.monotonic() + seconds
        with self._usage.measure(caller, "index_documents") as tally:
            deleted = await self._take_out(caller, parsed, delete) if delete else None
            done = Done()
            if not source and deleted is not None:
                opened = await self._existing(caller, parsed)
            elif isinstance(source, str):
                found = await self._files.locate(source)
                opened = await self._indexing.open(caller, parsed)
                opened, done = await self._files.add(
                    caller, opened, found, until=until, report=report
                )
            elif isinstance(source, Mapping):
                followed = await self._following.read(caller, source)
                opened = await self._indexing.open(caller, parsed, follows=followed)
            else:
                opened = await self._take_texts(caller, parsed, checked(source), until)
                done.indexed = len(source)
            left_s = max(0.0, until - time.monotonic())
            state = await self._upkeep.bring_up(caller, opened, seconds=left_s, report=report)
            answer = await self._answer(state, done, deleted)
            tally.rows = answer.documents
        return answer

    async def _take_texts(
        self, caller: Caller, name: DatasetName, documents: list[dict[str, Any]], until: float
    ) -> Opened:
        vectors = own_vectors(documents)
        if vectors is not None:
            opened = await self._indexing.open(caller, name, dimension=len(vectors[0]))
            return await self._indexing.put_own(caller, opened, documents, vectors)
        rows = in_pieces(documents)
        opened = await self._indexing.open(caller, name)
        return await self._indexing.put(caller, opened, rows, until=until)

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

    async def _existing(self, caller: Caller, name: DatasetName) -> Opened:
        opened = await self._indexing.reopened(caller, name)
        if opened.dataset is None:
            raise NotFound.index(str(name), [])
        return opened

    async def _answer(self, state: State, done: Done, deleted: int | None) -> IndexedDocuments:
        dataset, index = state.opened.dataset, state.opened.index
        steps = "Call search_vectors with this index."
        if done.remaining:
            steps = "Call again with the same source: the files that are left are taken in then."
        elif not state.is_done:
            steps = "The rest is done in the background; describe_asset says how far it is."
        passages = dataset.row_count if dataset is not None else 0
        return IndexedDocuments(
            index=str(index.name),
            documents=done.indexed if index.follows is None else passages,
            deleted=deleted,
            unchanged=done.unchanged or None,
            skipped=done.skipped or None,
            remaining=done.remaining or None,
            passages=passages,
            pending=state.pending or None,
            version=dataset.version if dataset is not None else None,
            model=await self._model(index),
            dimension=index.dimension,
            follows=state.follows,
            next=steps,
        )

    async def _model(self, index: Index) -> str:
        """The model's name with its licence, where it is here."""
        if index.model == OWN_VECTORS:
            return index.model
        try:
            return f"{index.model} ({(await self.embeddings.named(index.model)).licence})"
        except ConfigurationError:
            return f"{index.model} (not on this server)"

    async def page(self, caller: Caller, *, search: str | None, cursor: str | None) -> AssetsAnswer:
        """One page of the caller's indexes, in the order of their names."""
        async with self._metadata.read() as transaction:
            found = await transaction.indexes.list(
                caller.tenant, search=search, after=cursor, limit=FETCHED_ITEMS
            )
            total = await transaction.indexes.count(caller.tenant, search=search)
            lines = []
            for index in found[:PAGE_ITEMS]:
                dataset = await transaction.datasets.find(caller.tenant, index.name)
                if dataset is not None:
                    lines.append(_line(index, dataset))
        nothing = "There are no such indexes: call index_documents."
        return asset_page(caller, found, lines, total=total, nothing=nothing)

    async def describe(self, caller: Caller, name: str) -> DescribedAsset:
        """The model of an index, and its documents as a dataset."""
        with self._usage.measure(caller, "describe_asset"):
            index, dataset = await self.finding.find(caller, name)
            described = await self._datasets.describe(caller, str(index.name))
            opened = Opened(index=index, dataset=dataset)
            state = await self._upkeep.bring_up(caller, opened, seconds=0)
        return described.model_copy(
            update={
                "kind": "index",
                "sample": None,
                "index": {
                    "model": await self._model(index),
                    "dimension": index.dimension,
                    "passages": dataset.row_count,
                    "pending": state.pending,
                    "follows": state.follows,
                },
                "next": "Call search_vectors with this name.",
            }
        )

    async def delete(self, caller: Caller, name: str, *, confirm: str) -> DeletedAsset:
        """Forget an index and its documents. Raises InvalidInput unless `confirm` is its name."""
        _, dataset = await self.finding.find(caller, name)
        deleted = await self._datasets.delete(caller, name, confirm=confirm)
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
        sync=index.sync_state.value,
    )
