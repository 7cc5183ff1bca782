"""Reads Parquet and Arrow (file, stream, Feather 2): types are declared in the file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from servicetsunami.engines.files.convert import converted, delta_type
from servicetsunami.engines.files.delimited import declared_types
from servicetsunami.engines.files.engine import BATCH_ROWS
from servicetsunami.engines.files.names import safe_names
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import (
    ColumnReport,
    Corrections,
    Details,
    Source,
    rejects_of,
)
from servicetsunami.engines.files.types import arrow_type, type_text
from servicetsunami.engines.files.unpack import UNPACKED_BYTES_MAX
from servicetsunami.engines.files.workspace import Workspace
from servicetsunami.errors import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    import pyarrow as pa


_RATIO_MAX = 1_000
"""Columns of few values are packed far better than text; beyond this, nothing honest is."""
_RATIO_FREE_BYTES = 2 * 1024**3


@contextmanager
def open_columnar(
    path: Path, options: ReadOptions, work: Workspace, _corrections: Corrections
) -> Generator[Source]:
    """Open Parquet or Arrow; see `open_path`. Types given as options are cast to, exactly."""
    import pyarrow as pa  # noqa: PLC0415

    with ExitStack() as stack:
        try:
            kind, schema, batches, rows_total = _open(path, work, stack)
            packed_bytes = path.stat().st_size
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(error) from error
        names = safe_names(schema.names)
        declared = declared_types(options.columns, schema.names, names.names)
        fields, columns = [], []
        for position, (field, name) in enumerate(zip(schema, names.names, strict=True)):
            target, note = delta_type(field.type)
            how = "declared in the file" + (f"; {note}" if note else "")
            if position in declared:
                target, how = arrow_type(declared[position]), "given by you"
            fields.append(pa.field(name, target))
            columns.append(
                ColumnReport(name=name, source_name=field.name, type=type_text(target), how=how)
            )
        out = pa.schema(fields)
        yield Source(
            reader=pa.RecordBatchReader.from_batches(
                out, _typed(batches, out, work, rows_total=rows_total, packed_bytes=packed_bytes)
            ),
            columns=tuple(columns),
            format=kind,
            details=Details(),
            warnings=[
                *names.warnings,
                *(
                    f"Column {column.name}: {note}"
                    for column in columns
                    if (note := _lossy(column))
                ),
            ],
            collect_rejects=lambda: rejects_of([], count=0),
        )


def _lossy(column: ColumnReport) -> str | None:
    _, _, note = column.how.partition("; ")
    return f"{note}." if note else None


def _unreadable(error: Exception) -> InvalidInput:
    return InvalidInput(
        f"The file cannot be read: {str(error).splitlines()[0][:300]}",
        "It may be cut short, damaged or encrypted: fetch or write it again.",
    )


def _open(
    path: Path, work: Workspace, stack: ExitStack
) -> tuple[str, pa.Schema, Iterator[pa.RecordBatch], int | None]:
    import pyarrow as pa  # noqa: PLC0415

    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"PAR1"):
        return _open_parquet(path, work, stack)
    source = stack.enter_context(pa.memory_map(str(path)))
    if magic == b"ARROW1":
        reader = stack.enter_context(pa.ipc.open_file(source))
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        return "arrow", reader.schema, batches, None
    stream = stack.enter_context(pa.ipc.open_stream(source))
    return "arrow", stream.schema, iter(stream), None


def _open_parquet(
    path: Path, work: Workspace, stack: ExitStack
) -> tuple[str, pa.Schema, Iterator[pa.RecordBatch], int | None]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    # Buffered reading instead of whole column chunks keeps memory flat for any row group.
    file = stack.enter_context(
        pq.ParquetFile(path, memory_map=False, buffer_size=1024**2, pre_buffer=False)
    )
    batches = file.iter_batches(batch_size=BATCH_ROWS, use_threads=work.threads > 1)
    return "parquet", file.schema_arrow, batches, file.metadata.num_rows


def _check(decoded_bytes: int, *, packed_bytes: int) -> None:
    """Stop a file whose few bytes stand for more rows than anybody can have meant."""
    is_odd = decoded_bytes > max(_RATIO_FREE_BYTES, packed_bytes * _RATIO_MAX)
    if is_odd or decoded_bytes > UNPACKED_BYTES_MAX:
        raise LimitExceeded(
            f"The file has more than {decoded_bytes // 2**30} GiB of values in "
            f"{packed_bytes:,} bytes.",
            "It looks like a decompression bomb. If it is not, split it.",
        )


def _typed(
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    work: Workspace,
    *,
    rows_total: int | None,
    packed_bytes: int,
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415

    done = decoded_bytes = 0
    try:
        for whole in batches:
            for start in range(0, whole.num_rows, BATCH_ROWS):
                batch = whole.slice(start, BATCH_ROWS)
                arrays = [
                    converted(column, field.type)
                    for column, field in zip(batch.columns, schema, strict=True)
                ]
                typed = pa.RecordBatch.from_arrays(arrays, schema=schema)
                decoded_bytes += typed.nbytes
                _check(decoded_bytes, packed_bytes=packed_bytes)
                yield typed
                done += batch.num_rows
                work.on_progress(done, min(1.0, done / rows_total) if rows_total else None)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(error) from error
