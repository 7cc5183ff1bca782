"""Finds the documents of an index that fit best, and shows as much of them as there is room for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from anyio import to_thread
from pydantic import JsonValue

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName
from servicetsunami.domain.index import FINGERPRINT, ID, OWN_VECTORS, TEXT, VECTOR, Hit, Index
from servicetsunami.engines.vectors.files import read_columns
from servicetsunami.engines.vectors.passages import Passage, passages
from servicetsunami.engines.vectors.shelves import Shelf, Shelves, fused
from servicetsunami.errors import BudgetUsedUp, Conflict, InvalidInput, RemoteError
from servicetsunami.services.answers import Answer, AnyObject
from servicetsunami.services.documents import checked_vector
from servicetsunami.services.embeddings import Embeddings
from servicetsunami.services.indexing import Indexing, Opened, at_version
from servicetsunami.services.search_hits import around, left_out, room_for, within_budget
from servicetsunami.services.upkeep import Upkeep
from servicetsunami.services.usage import UsageMeter
from servicetsunami.services.vector_filters import condition
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import table_location

if TYPE_CHECKING:
    import numpy as np

Mode = Literal["semantic", "keyword", "hybrid"]

_RESULTS_MAX: Final = 100
_NOTHING: Final = "Nothing fits: use other words, mode semantic, no filters or no score_threshold."
_CATCH_UP_S: Final = 2.0
SCORES: Final[Mapping[Mode, str]] = {
    "semantic": "cosine, at most 1",
    "keyword": "BM25",
    "hybrid": "reciprocal rank fusion of the two in `scores`",
}


class FoundDocuments(Answer):
    """The documents that fit best; each has `id`, `score`, `scores`, its text and its columns.

    `pending` passages have no vector yet, and are found by their words only.
    """

    index: str
    version: int | None = None
    model: str
    score: str
    hits: list[AnyObject]
    truncated: bool = False
    follows: AnyObject | None = None
    pending: int | None = None
    ran_on: Literal["local", "databricks"] = "local"
    reason: str | None = None
    freshness: AnyObject | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for. `filters` is SQL, or an object in the grammar of filters_json.

    `vector` is that of the query, for an index of own vectors. Without `columns` all are shown.
    """

    index: str
    query: str
    vector: Sequence[float] = ()
    mode: Mode = "hybrid"
    filters: str | Mapping[str, JsonValue] = ""
    columns: Sequence[str] | None = None
    threshold: float | None = None
    count: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A hit, the row of its document, and where in its text words of the query are."""

    hit: Hit
    row: Mapping[str, Any]
    passage: Passage


class VectorSearch:
    """Searches the newest version of an index."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        indexing: Indexing,
        upkeep: Upkeep,
        embeddings: Embeddings,
        usage: UsageMeter,
        data_dir: Path,
    ) -> None:
        self._metadata = metadata
        self._indexing = indexing
        self._upkeep = upkeep
        self._embeddings = embeddings
        self._usage = usage
        self._data_dir = data_dir
        self._shelves = Shelves()

    async def search(
        self, caller: Caller, search: Search, located: tuple[Index, Dataset] | None = None
    ) -> FoundDocuments:
        """The documents that fit best in the newest version of the index, which may be known.

        Raises NotFound for an unknown index, InvalidInput for a filter that cannot be understood,
        Conflict where the model that made the index is not on this server.
        """
        with self._usage.measure(caller, "search_vectors") as tally:
            check_search(search)
            index, dataset = located or await self.find(caller, search.index)
            state = await self._upkeep.bring_up(
                caller, Opened(index=index, dataset=dataset), seconds=_CATCH_UP_S
            )
            dataset = state.opened.dataset or dataset
            allowed = await self._allowed(caller, dataset, search.filters)
            vector, trouble = await self._vector_or_words(caller, index, search)
            opening = partial(self._shelf, caller, index, dataset)
            found = await to_thread.run_sync(_found, opening, search, vector, allowed)
            room = room_for(len(found))
            shown = within_budget([_hit(each, search.columns, room) for each in found])
            tally.rows = len(shown)
        return FoundDocuments(
            index=str(index.name),
            version=dataset.version,
            model=index.model,
            score=SCORES[search.mode],
            hits=shown,
            truncated=len(shown) < len(found),
            follows=state.follows,
            pending=state.pending or None,
            next=trouble or (left_out(shown, found) if found else _NOTHING),
        )

    async def find(self, caller: Caller, name: str) -> tuple[Index, Dataset]:
        """An index and its documents; raises NotFound, Conflict for what is no index any more."""
        parsed = DatasetName.parse(name, catalog=caller.catalog)
        located = await self.locate(caller, parsed)
        if located is not None:
            return located
        async with self._metadata.read() as transaction:
            index = await transaction.indexes.get(caller.tenant, parsed)
            dataset = await transaction.datasets.get(caller.tenant, parsed)
        return index, dataset

    async def locate(self, caller: Caller, name: DatasetName) -> tuple[Index, Dataset] | None:
        """An index and its documents, or None; raises Conflict for what is no index any more."""
        index, dataset = await self._indexing.look(caller, name)
        if index is None or dataset is None:
            return None
        missing = {ID, TEXT, VECTOR} - {column.name for column in dataset.columns}
        if missing:
            raise Conflict(
                f"The dataset {name} has no {', '.join(sorted(missing))} any more, so it is no "
                "index.",
                "Delete it, and call index_documents again.",
            )
        return index, dataset

    def folder(self, caller: Caller, dataset: Dataset) -> Path:
        """Where the files that make searching fast lie."""
        return self._data_dir / "tenants" / caller.tenant / "indexes" / dataset.id

    async def _allowed(
        self, caller: Caller, dataset: Dataset, filters: str | Mapping[str, JsonValue]
    ) -> list[str] | None:
        """The ids that a filter leaves; None without one. It is SQL, behind the gate of all SQL."""
        if not filters:
            return None
        where, parameters = condition(filters)
        sql = f"SELECT {ID} FROM {at_version(dataset)} WHERE {where}"
        path = await self._indexing.file(caller, sql, parameters, only=dataset.name)
        if path is None:
            return []
        [ids] = await to_thread.run_sync(read_columns, path, [ID])
        return [str(each) for each in ids]

    async def _vector_or_words(
        self, caller: Caller, index: Index, search: Search
    ) -> "tuple[np.ndarray | None, str | None]":
        """The query's vector; for both ways of searching, what keeps it from being one of them."""
        try:
            return await self._vector(caller, index, search), None
        except (RemoteError, BudgetUsedUp) as error:
            if search.mode != "hybrid":
                raise
            return None, f"Found by words only, as the query could not be embedded: {error.what}"

    async def _vector(self, caller: Caller, index: Index, search: Search) -> "np.ndarray | None":
        """The query's vector, made by the model of the index or given; None for words alone."""
        if search.mode == "keyword":
            return None
        if index.model != OWN_VECTORS:
            if search.vector:
                raise InvalidInput(
                    f"{index.name} was made by the model {index.model}, and a `query_vector` was "
                    "given.",
                    "Give `query` alone: that model makes its vector.",
                )
            model = await self._embeddings.named(index.model)
            return (await self._embeddings.embed(caller, model, [search.query]))[0]
        import numpy as np  # noqa: PLC0415 - heavy

        if not search.vector:
            raise InvalidInput(
                f"{index.name} has vectors of your own, and the query has none.",
                "Give `query_vector`, made by the same model, or use mode keyword.",
            )
        given = checked_vector(list(search.vector), "The query", index.dimension)
        vector = np.asarray(given, dtype=np.float32)
        return vector / max(float(np.linalg.norm(vector)), 1e-12)

    def _shelf(self, caller: Caller, index: Index, dataset: Dataset) -> Shelf:
        place = table_location(self._data_dir, caller.tenant, dataset.id)
        folder = self.folder(caller, dataset)
        return self._shelves.open(place, dataset.version, folder, index.dimension)


def _found(
    opening: Callable[[], Shelf],
    search: Search,
    vector: "np.ndarray | None",
    allowed: list[str] | None,
) -> list[Found]:
    """The hits, with the rows of their documents."""
    shelf = opening()
    text = search.query if search.mode != "semantic" else None
    hits = fused(shelf, vector, text, search.count, allowed)
    if search.threshold is not None:
        hits = [hit for hit in hits if hit.score >= search.threshold]
    rows = [shelf.document(hit) for hit in hits]
    texts = [str(row.get(TEXT) or "") for row in rows]
    marked = passages(shelf.words, texts, search.query)
    return [Found(hit=h, row=r, passage=p) for h, r, p in zip(hits, rows, marked, strict=True)]


def check_search(search: Search) -> None:
    """Raise InvalidInput for a search that no index can answer."""
    if not search.query.strip() and (search.mode != "semantic" or not search.vector):
        raise InvalidInput("The query is empty.", "Say what to look for.")
    if not 1 <= search.count <= _RESULTS_MAX:
        raise InvalidInput(
            f"max_results cannot be {search.count}.", f"Use a number from 1 to {_RESULTS_MAX}."
        )


def _hit(each: Found, columns: Sequence[str] | None, room: int) -> dict[str, JsonValue]:
    """A document that was found, with its columns; of a long text what is around the passage."""
    hit, text = each.hit, str(each.row.get(TEXT) or "")
    own: dict[str, JsonValue] = {
        name: value
        for name, value in each.row.items()
        if name not in {ID, TEXT, FINGERPRINT} and (columns is None or name in columns)
    }
    shown: dict[str, JsonValue] = {
        "id": hit.id,
        "score": round(hit.score, 4),
        "scores": dict(hit.parts),
        "text": around(text, each.passage.at, room),
    }
    if each.passage.marked:
        shown["passage"] = each.passage.marked
    if len(text) > room:
        shown["text_chars"] = len(text)
    if own:
        shown["columns"] = own
    return shown
