"""Scores the rows of a dataset, batch by batch; imports DuckDB and Arrow: for children only."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from servicetsunami.domain.dataset import Snapshot
from servicetsunami.domain.endpoint import Signature
from servicetsunami.engines.models import casting
from servicetsunami.engines.models.layout import lay_out
from servicetsunami.engines.models.predictions import as_columns
from servicetsunami.engines.models.runtime import OnnxModel
from servicetsunami.engines.sql.changed_rows import database
from servicetsunami.engines.sql.views import ViewMaker
from servicetsunami.errors import InvalidInput

_READING_MB = 256


def rows_of(
    snapshot: Snapshot, *, temp_dir: Path, memory_limit_mb: int, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """The rows of one version of a table, never many of them at once."""
    memory_mb = min(memory_limit_mb, _READING_MB)
    with database(temp_dir=temp_dir, memory_limit_mb=memory_mb, threads=1) as connection:
        ViewMaker().create(connection, "scored", snapshot)
        yield from connection.sql("SELECT * FROM scored").to_arrow_reader(batch_rows)


class Scores:
    """A Parquet file that grows by what a model makes of each batch.

    `features` are the columns to use, for a model that does not name its own.
    """

    def __init__(
        self, target: Path, signature: Signature, *, names: Sequence[str], features: Sequence[str]
    ) -> None:
        unknown = [each for each in features if each not in names]
        if unknown:
            raise InvalidInput(
                f"The dataset has no column {unknown[0]!r}.", f"It has: {', '.join(names)}."
            )
        self._target = target
        self._signature = signature
        self._feeds = lay_out(signature, features or names, may_have_more=True)
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0
        self.added: Sequence[str] = ()

    def add(self, batch: pa.RecordBatch, model: OnnxModel) -> None:
        """Run the model on a batch, and write both."""
        if not batch.num_rows:
            return
        given = {}
        for feed in self._feeds:
            arrays = [
                casting.of_arrow(name, batch.column(name), feed.spec) for name in feed.columns
            ]
            made = casting.stacked(arrays) if feed.is_stacked else arrays[0]
            given[feed.spec.name] = casting.fitted(feed.columns[0], made, feed.spec)
        names = batch.schema.names
        outputs = as_columns(model.run(given), self._signature, batch.num_rows, names)
        self.added = tuple(outputs)
        columns = [*batch.columns, *outputs.values()]
        table = pa.Table.from_arrays(columns, names=[*names, *outputs])
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._target, table.schema)
        self._writer.write_table(table)
        self.rows += batch.num_rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
