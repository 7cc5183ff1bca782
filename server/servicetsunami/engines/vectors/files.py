"""Writes documents with their vectors, and reads the ids that a filter has left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicetsunami.domain.index import ID, VECTOR

if TYPE_CHECKING:
    import numpy as np


def write_documents(
    path: Path, documents: Sequence[Mapping[str, Any]], vectors: "np.ndarray"
) -> None:
    """Write a Parquet file of documents; columns that no document has are left out."""
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = pa.Table.from_pylist([dict(each) for each in documents])
    column = pa.array(list(vectors), type=pa.list_(pa.float32()))
    pq.write_table(rows.append_column(VECTOR, column), path)


def read_ids(path: Path) -> list[str]:
    """The ids in the file of a result."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    with pa.memory_map(str(path)) as source:
        return [str(each) for each in pa.ipc.open_file(source).read_all().column(ID).to_pylist()]
