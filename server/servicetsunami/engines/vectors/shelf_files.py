"""Writes the files of one version that make it fast to search, and opens them.

They are made in a folder of their own, which is put into place as a whole.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

from servicetsunami.domain.index import ID, TEXT, VECTOR
from servicetsunami.engines.vectors.graph import MAKING, keys_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_WRITER_BYTES: Final = 64 * 2**20
_MAKING_S: Final = 3600.0
_ANALYZER: Final = "english_words"
_DOCUMENTS, _TEXTS = "documents.arrow", "words"
MATRIX, KEYS = "vectors.npy", "keys.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfFiles:
    """The files of a version, opened; `keys` name its vectors in a graph, if it is to have one."""

    documents: "pa.Table"
    matrix: "np.ndarray"
    words: Any
    keys: "np.ndarray | None"


def build(table: Path, version: int, place: Path, *, dimension: int, graph_from: int) -> None:
    """Make the files of a version of a table, and remove those of older versions."""
    import numpy as np  # noqa: PLC0415 - heavy
    from deltalake import DeltaTable  # noqa: PLC0415

    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = Path(mkdtemp(dir=place.parent, prefix=MAKING))
    try:
        rows = DeltaTable(table, version=version).to_pyarrow_table()
        order = _order(rows.column(ID))
        documents = rows.drop_columns([VECTOR]).take(order).combine_chunks()
        matrix = _matrix(rows.column(VECTOR), np.argsort(order), dimension)
        np.save(temporary / MATRIX, matrix)
        ids = [str(each) for each in documents.column(ID).to_pylist()]
        if len(ids) >= graph_from:
            np.save(temporary / KEYS, keys_of(ids, matrix))
        _write_documents(temporary / _DOCUMENTS, documents)
        _write_words(temporary / _TEXTS, documents.column(TEXT))
        _put_into_place(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in place.parent.iterdir():
        is_older = old.name.isdecimal() and int(old.name) < version
        if is_older or _is_left_over(old):
            shutil.rmtree(old, ignore_errors=True)


def opened(place: Path) -> ShelfFiles:
    """The files of a version, mapped into memory."""
    import numpy as np  # noqa: PLC0415 - heavy
    import pyarrow as pa  # noqa: PLC0415
    import tantivy  # noqa: PLC0415

    keys = place / KEYS
    return ShelfFiles(
        documents=pa.ipc.open_file(pa.memory_map(str(place / _DOCUMENTS))).read_all(),
        matrix=np.load(place / MATRIX, mmap_mode="r"),
        words=_knowing_words(tantivy.Index.open(str(place / _TEXTS))),
        keys=np.load(keys) if keys.exists() else None,
    )


def _order(ids: "pa.ChunkedArray") -> "np.ndarray":
    """The rows in the order of their ids. The vectors are not sorted along: they are large."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    numbered = pa.table({ID: ids, "row": pa.array(range(len(ids)))})
    return numbered.sort_by(ID).column("row").to_numpy()


def _matrix(vectors: "pa.ChunkedArray", places: "np.ndarray", dimension: int) -> "np.ndarray":
    """The vectors, of length 1, each in its place; zeros for those that are none."""
    import numpy as np  # noqa: PLC0415 - heavy
    import pyarrow as pa  # noqa: PLC0415

    matrix = np.zeros((len(vectors), dimension), dtype=np.float32)
    at = 0
    for chunk in vectors.chunks:
        fits = chunk.value_lengths().fill_null(-1).to_numpy() == dimension
        fitting = chunk if fits.all() else chunk.filter(pa.array(fits))
        numbers = fitting.flatten().cast(pa.float32()).fill_null(0.0)
        rows = numbers.to_numpy(zero_copy_only=False).reshape(-1, dimension)
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        usable = np.isfinite(lengths) & (lengths > 0)
        place = places[at + np.flatnonzero(fits)[usable]]
        matrix[place] = rows[usable] / lengths[usable, None]
        at += len(chunk)
    return matrix


def _write_documents(path: Path, documents: "pa.Table") -> None:
    import pyarrow as pa  # noqa: PLC0415 - heavy

    with pa.ipc.new_file(str(path), documents.schema) as file:
        file.write_table(documents)


def _write_words(path: Path, texts: "pa.ChunkedArray") -> None:
    import tantivy  # noqa: PLC0415 - only where needed

    path.mkdir()
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", stored=True)
    builder.add_text_field(TEXT, stored=False, tokenizer_name=_ANALYZER)
    index = _knowing_words(tantivy.Index(builder.build(), path=str(path)))
    writer = index.writer(_WRITER_BYTES, 1)
    for at, text in enumerate(texts.to_pylist()):
        writer.add_document(tantivy.Document(row=at, text=text or ""))
    writer.commit()
    writer.wait_merging_threads()


def _knowing_words(index: Any) -> Any:  # noqa: ANN401 - of a library without types
    """Have an index leave out words that say nothing, and reduce the others to their stems."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer  # noqa: PLC0415 - only where needed

    analyzer = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase())
    analyzer = analyzer.filter(Filter.stopword("english")).filter(Filter.stemmer("english"))
    index.register_tokenizer(_ANALYZER, analyzer.build())
    return index


def _is_left_over(folder: Path) -> bool:
    """Whether it is what a killed server was making."""
    try:
        age_s = time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return False
    return folder.name.startswith(MAKING) and age_s > _MAKING_S


def _put_into_place(temporary: Path, place: Path) -> None:
    try:
        temporary.rename(place)
    except OSError:
        # Another process was faster, and has made the same.
        if not place.is_dir():
            raise
