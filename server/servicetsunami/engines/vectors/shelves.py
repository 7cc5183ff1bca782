"""Finds documents of one version of a table, by vectors and by words.

What is searched is kept in files beside the table: a matrix and a word index. They are made anew
when they are missing, and say nothing that the table does not.
"""

import math
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.index import ID, TEXT, VECTOR, Hit
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_OPEN_MAX: Final = 16
_FUSED: Final = 100
"""As many of each way of searching take part when both are fused."""
_RANK_WEIGHT: Final = 60
"""The constant of reciprocal rank fusion (Cormack and others, 2009)."""
_WRITER_BYTES: Final = 64 * 2**20
_MAKING: Final = "making-"
_MAKING_S: Final = 3600.0
_ANALYZER: Final = "english_words"
_WORDS: Final = re.compile(r"\w+")
_DOCUMENTS, _MATRIX, _TEXTS = "documents.arrow", "vectors.npy", "words"
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
        rows = np.arange(len(self.ids)) if allowed is None else allowed
        scores = (self.matrix if allowed is None else self.matrix[allowed]) @ vector
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
    """Opens versions for searching, and keeps the last ones open. Call it in threads: it blocks."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: OrderedDict[Path, Shelf] = OrderedDict()

    def open(self, table: Path, version: int, folder: Path, dimension: int) -> Shelf:
        """The version of a table, made searchable in `folder` where that was not done yet."""
        place = folder / str(version)
        with self._guard:
            known = self._open.get(place)
            if known is None:
                if not place.is_dir():
                    _build(table, version, place, dimension)
                known = self._open[place] = _opened(place)
            self._open.move_to_end(place)
            while len(self._open) > _OPEN_MAX:
                self._open.popitem(last=False)
        return known


def _build(table: Path, version: int, place: Path, dimension: int) -> None:
    """Make the files of a version in a folder of their own, and put that into place as a whole."""
    import numpy as np  # noqa: PLC0415 - heavy
    import pyarrow as pa  # noqa: PLC0415
    import tantivy  # noqa: PLC0415
    from deltalake import DeltaTable  # noqa: PLC0415

    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = Path(mkdtemp(dir=place.parent, prefix=_MAKING))
    try:
        rows = DeltaTable(table, version=version).to_pyarrow_table()
        rows = rows.sort_by(ID).combine_chunks()
        matrix = np.zeros((rows.num_rows, dimension), dtype=np.float32)
        for at, vector in enumerate(rows.column(VECTOR).to_pylist()):
            if vector is not None and len(vector) == dimension:
                matrix[at] = vector
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        np.save(temporary / _MATRIX, matrix / np.where(lengths == 0, 1, lengths))
        documents = rows.drop_columns([VECTOR])
        with pa.ipc.new_file(str(temporary / _DOCUMENTS), documents.schema) as file:
            file.write_table(documents)
        words = temporary / _TEXTS
        words.mkdir()
        index = _knowing_words(tantivy.Index(_schema(), path=str(words)))
        writer = index.writer(_WRITER_BYTES, 1)
        for at, text in enumerate(rows.column(TEXT).to_pylist()):
            writer.add_document(tantivy.Document(row=at, text=text or ""))
        writer.commit()
        writer.wait_merging_threads()
        _put_into_place(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in place.parent.iterdir():
        is_older = old.name.isdecimal() and int(old.name) < version
        if is_older or _is_left_over(old):
            shutil.rmtree(old, ignore_errors=True)


def _is_left_over(folder: Path) -> bool:
    """Whether it is what a killed server was making."""
    try:
        age_s = time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return False
    return folder.name.startswith(_MAKING) and age_s > _MAKING_S


def _put_into_place(temporary: Path, place: Path) -> None:
    try:
        temporary.rename(place)
    except OSError:
        # Another process was faster, and has made the same.
        if not place.is_dir():
            raise


def _schema() -> Any:  # noqa: ANN401 - of a library without types
    import tantivy  # noqa: PLC0415 - only where needed

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", stored=True)
    builder.add_text_field(TEXT, stored=False, tokenizer_name=_ANALYZER)
    return builder.build()


def _knowing_words(index: Any) -> Any:  # noqa: ANN401 - of a library without types
    """Have an index leave out words that say nothing, and reduce the others to their stems."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer  # noqa: PLC0415 - only where needed

    analyzer = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase())
    analyzer = analyzer.filter(Filter.stopword("english")).filter(Filter.stemmer("english"))
    index.register_tokenizer(_ANALYZER, analyzer.build())
    return index


def _opened(place: Path) -> Shelf:
    import numpy as np  # noqa: PLC0415 - heavy
    import pyarrow as pa  # noqa: PLC0415
    import tantivy  # noqa: PLC0415

    documents = pa.ipc.open_file(pa.memory_map(str(place / _DOCUMENTS))).read_all()
    ids = [str(each) for each in documents.column(ID).to_pylist()]
    return Shelf(
        documents=documents,
        ids=ids,
        matrix=np.load(place / _MATRIX, mmap_mode="r"),
        words=_knowing_words(tantivy.Index.open(str(place / _TEXTS))),
        rows={each: at for at, each in enumerate(ids)},
    )
