"""Writes documents with their vectors, and reads what a question has left in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicetsunami.domain.index import CHUNK, DOCUMENT, ID, TEXT, VECTOR
from servicetsunami.engines.vectors.chunks import cut
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Rows of a dataset, cut into pieces: `rows` has one for each, `texts` what it says."""

    rows: "pa.Table"
    texts: Sequence[str]


def write_documents(
    documents: Sequence[Mapping[str, Any]],
    path: Path,
    vectors: "np.ndarray | Sequence[Sequence[float]]",
) -> None:
    """Write a Parquet file of documents, with all columns that any of them has.

    `vectors` are those of the first ones; the others have none.
    Raises InvalidInput for columns whose values have no type in common.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    names = dict.fromkeys(name for each in documents for name in each)
    try:
        rows = pa.table({name: [each.get(name) for each in documents] for name in names})
        _write(path, rows, vectors)
    except pa.ArrowException as error:
        raise InvalidInput(
            f"The documents do not fit into columns: {error}.",
            "Give each column values of one type, in every document.",
        ) from error


def cut_rows(path: Path) -> Pieces:
    """Cut the texts in the file of a result, whose rows have `id`, `text` and other columns.

    A row whose text is short keeps its id; the pieces of others are called id#1, id#2, ….
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy

    with pa.memory_map(str(path)) as source:
        rows = pa.ipc.open_file(source).read_all()
        picks, ids, texts, numbers = [], [], [], []
        documents = [str(each) for each in rows.column(ID).to_pylist()]
        for at, text in enumerate(rows.column(TEXT).to_pylist()):
            pieces = cut(text) or [text]
            for number, piece in enumerate(pieces, 1):
                picks.append(at)
                texts.append(piece)
                numbers.append(number)
                ids.append(piece_id(documents[at], number, len(pieces)))
        columns = {
            ID: pa.array(ids, pa.string()),
            TEXT: pa.array(texts, pa.string()),
            DOCUMENT: pa.array([documents[at] for at in picks], pa.string()),
            CHUNK: pa.array(numbers, pa.int32()),
        }
        others = rows.drop_columns([ID, TEXT]).take(pa.array(picks, pa.int64()))
        columns |= {name: others.column(name) for name in others.column_names}
        return Pieces(rows=pa.table(columns), texts=texts)


def write_pieces(pieces: Pieces, path: Path, vectors: "np.ndarray") -> None:
    """Write a Parquet file of rows that were cut into pieces."""
    _write(path, pieces.rows, vectors)


def write_filled(rows: Path, path: Path, vectors: "np.ndarray") -> None:
    """Write a Parquet file of the first rows in the file of a result, with these vectors."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    with pa.memory_map(str(rows)) as source:
        found = pa.ipc.open_file(source).read_all().slice(0, len(vectors))
        _write(path, found.drop_columns([VECTOR]), vectors)


def piece_id(document: str, number: int, count: int) -> str:
    """What a piece of a document is called: as the document, where it is the only one."""
    return document if count == 1 else f"{document}#{number}"


def read_columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    """Columns in the file of a result, one list for each name."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    with pa.memory_map(str(path)) as source:
        rows = pa.ipc.open_file(source).read_all()
        return [rows.column(name).to_pylist() for name in names]


def _write(path: Path, rows: "pa.Table", vectors: "np.ndarray | Sequence[Sequence[float]]") -> None:
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    known = [*vectors, *[None] * (rows.num_rows - len(vectors))]
    column = pa.array(known, type=pa.list_(pa.float32()))
    pq.write_table(rows.append_column(VECTOR, column), path)
