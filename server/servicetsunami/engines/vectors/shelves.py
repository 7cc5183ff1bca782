"""Finds documents of one version of a table, by vectors and by words.

What is searched is kept in files beside the table: a matrix, a word index, and a graph where there
are many vectors. They are made anew when they are missing, and say nothing that the table does not.
"""

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.index import ID, TEXT, Hit
from servicetsunami.engines.vectors import graph, shelf_files
from servicetsunami.engines.vectors.graph import Graph
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_OPEN_MAX: Final = 16
_FUSED: Final = 100
"""As many of each way of searching take part when both are fused."""
_RANK_WEIGHT: Final = 5
"""The constant of reciprocal rank fusion: with the usual 60, what is tenth in both lists comes
before what is first in one of them, and paraphrases are found less well than without the words."""
GRAPH_FROM: Final = 200_000
"""From so many documents on, comparing them all takes longer than a person likes to wait."""
_EXACT_SHARE: Final = 0.1
"""A filter that leaves less than this of all documents is compared row by row."""
_WORDS: Final = re.compile(r"\w+")
_JSON: Final = (str, int, float, bool)


@dataclass(slots=True)
class Shelf:
    """One version, opened: `matrix` has the vectors of `ids`, row by row; zeros stand for none.

    `documents` has all other columns.
    """

    ids: Sequence[str]
    matrix: "np.ndarray"
    words: Any
    documents: "pa.Table"
    rows: Mapping[str, int] = field(default_factory=dict)
    graph: Graph | None = None

    def by_meaning(
        self, vector: "np.ndarray", count: int, allowed: "np.ndarray | None"
    ) -> list[tuple[int, float]]:
        """The rows whose vectors are nearest, by cosine."""
        import numpy as np  # noqa: PLC0415 - heavy

        if vector.shape[0] != self.matrix.shape[1]:
            raise InvalidInput(
                f"The query has {vector.shape[0]} numbers, and the index {self.matrix.shape[1]}.",
                "Use the model that made the index.",
            )
        is_many = allowed is None or len(allowed) > _EXACT_SHARE * len(self.ids)
        if self.graph is not None and is_many:
            near = self.graph.near(vector, count, allowed)
            is_many, allowed = (True, allowed) if near is None else (False, near)
        rows = np.arange(len(self.ids)) if allowed is None else allowed
        # Gathering many rows takes longer than to compare all.
        scores = (self.matrix @ vector)[rows] if is_many else self.matrix[rows] @ vector
        best = np.arange(len(scores))
        if len(scores) > count:
            best = np.argpartition(-scores, count)[:count]
        best = best[np.lexsort((best, -scores[best]))]
        return [(int(rows[at]), float(scores[at])) for at in best if scores[at] != 0.0]

    def document(self, hit: Hit) -> dict[str, object]:
        """The columns of a document that was found; what JSON cannot hold as text."""
        [row] = self.documents.slice(self.rows[hit.id], 1).to_pylist()
        return {name: _plain(value) for name, value in row.items() if value is not None}

    def by_words(
        self, text: str, count: int, allowed: "np.ndarray | None"
    ) -> list[tuple[int, float]]:
        """The rows whose words fit best, by BM25."""
        plain = " ".join(_WORDS.findall(text))
        if not plain or not self.ids:
            return []
        searcher = self.words.searcher()
        query, _ = self.words.parse_query_lenient(plain, [TEXT])
        wanted = None if allowed is None else set(allowed.tolist())
        limit = count if wanted is None else max(count, 1000)
        while True:
            hits = searcher.search(query, limit).hits
            found = [(int(searcher.doc(place)["row"][0]), float(score)) for score, place in hits]
            kept = [each for each in found if wanted is None or each[0] in wanted]
            if len(kept) >= count or len(found) < limit:
                return kept[:count]
            limit *= 10


def _plain(value: object) -> object:
    """A value as JSON can hold it, and whatever else it cannot hold as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value if isinstance(value, _JSON) or value is None else str(value)


def fused(
    shelf: Shelf,
    vector: "np.ndarray | None",
    text: str | None,
    count: int,
    allowed: Collection[str] | None,
) -> list[Hit]:
    """The best documents by meaning, by words, or, with both given, by the ranks in both."""
    import numpy as np  # noqa: PLC0415 - heavy

    rows = None
    if allowed is not None:
        known = [shelf.rows[each] for each in allowed if each in shelf.rows]
        rows = np.array(sorted(known), dtype=np.int64)
    is_both = vector is not None and text is not None
    wide = max(count, _FUSED) if is_both else count
    lists: dict[str, list[tuple[int, float]]] = {}
    if vector is not None:
        lists["semantic"] = shelf.by_meaning(vector, wide, rows)
    if text is not None:
        lists["keyword"] = shelf.by_words(text, wide, rows)
    scores: dict[int, float] = {}
    parts: dict[int, dict[str, float]] = {}
    for name, found in lists.items():
        for rank, (row, score) in enumerate(found, 1):
            gained = 1 / (_RANK_WEIGHT + rank) if is_both else score
            scores[row] = scores.get(row, 0.0) + gained
            parts.setdefault(row, {})[name] = round(score, 4)
    best = sorted(scores, key=lambda row: (-scores[row], shelf.ids[row]))[:count]
    return [Hit(id=shelf.ids[row], score=scores[row], parts=parts[row]) for row in best]


class Shelves:
    """Opens versions for searching, and keeps the last ones open. Call it in threads: it blocks.

    From `graph_from` documents on, an index is given a graph, in the background.
    """

    def __init__(self, *, graph_from: int = GRAPH_FROM) -> None:
        self._graph_from = graph_from
        self._guard = threading.Lock()
        self._turns: dict[Path, threading.Lock] = {}
        self._open: OrderedDict[Path, Shelf] = OrderedDict()
        self._growing: set[Path] = set()

    def open(self, table: Path, version: int, folder: Path, dimension: int) -> Shelf:
        """The version of a table, made searchable in `folder` where that was not done yet."""
        place = folder / str(version)
        with self._guard:
            turn = self._turns.setdefault(folder, threading.Lock())
        # Others wait for this index only: making a large one takes seconds.
        with turn:
            with self._guard:
                known = self._open.get(place)
            if known is None:
                if not place.is_dir():
                    shelf_files.build(
                        table, version, place, dimension=dimension, graph_from=self._graph_from
                    )
                known = self._opened(place)
            with self._guard:
                self._open[place] = known
                self._open.move_to_end(place)
                while len(self._open) > _OPEN_MAX:
                    self._open.popitem(last=False)
        return known

    def _opened(self, place: Path) -> Shelf:
        files = shelf_files.opened(place)
        ids = [str(each) for each in files.documents.column(ID).to_pylist()]
        shelf = Shelf(
            documents=files.documents,
            ids=ids,
            matrix=files.matrix,
            words=files.words,
            rows={each: at for at, each in enumerate(ids)},
        )
        if files.keys is not None:
            shelf.graph = graph.opened(place.parent, files.keys)
            if shelf.graph is None or shelf.graph.is_stale:
                self._start_growing(place, shelf, files.keys)
        return shelf

    def _start_growing(self, place: Path, shelf: Shelf, keys: "np.ndarray") -> None:
        folder = place.parent
        if folder in self._growing:
            return
        self._growing.add(folder)

        def grow() -> None:
            try:
                graph.grow(folder, place / shelf_files.MATRIX, place / shelf_files.KEYS)
                shelf.graph = graph.opened(folder, keys)
            finally:
                self._growing.discard(folder)

        # It waits for a process that ends with it: nothing is lost when the server does not wait.
        threading.Thread(target=grow, name=f"growing {folder}", daemon=True).start()
