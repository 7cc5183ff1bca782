"""Writes documents with their vectors, and reads the ids that a filter has left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicetsunami.domain.index import ID, VECTOR
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np


def write_documents(
    path: Path, documents: Sequence[Mapping[str, Any]], vectors: "np.ndarray"
) -> None:
    """Write a Parquet file of documents, with all columns that any of them has.

    Raises InvalidInput for columns whose values have no type in common.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = dict.fromkeys(name for each in documents for name in each)
    column = pa.array(list(vectors), type=pa.list_(pa.float32()))
    try:
        rows = pa.table({name: [each.get(name) for each in documents] for name in names})
        pq.write_table(rows.append_column(VECTOR, column), path)
    except pa.ArrowException as error:
        raise InvalidInput(
            f"The documents do not fit into columns: {error}.",
            "Give each column values of one type, in every document.",
        ) from error


def read_ids(path: Path) -> list[str]:
    """The ids in the file of a result."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    with pa.memory_map(str(path)) as source:
        return [str(each) for each in pa.ipc.open_file(source).read_all().column(ID).to_pylist()]
