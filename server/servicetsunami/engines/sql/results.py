"""Keeps a whole result on disk, as Arrow batches of equal length, and cuts pages out of it."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicetsunami.engines.sql import tokens
from servicetsunami.engines.sql.values import encode
from servicetsunami.errors import NotFound

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 4_096
"""Every batch of a file but the last has so many rows: a page is found by division."""

_COLUMNS = b"servicetsunami.columns"
CONCISE = "concise"
DETAILED = "detailed"
_CHARACTERS_PER_TOKEN_MAX = 10
_STEP_BYTES = 1_000_000
_STEP_ROWS_MAX = 256
_CELL_CHARACTERS_MIN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """How much of a result to show: rows from `offset`, within `tokens_max`, as lists or dicts."""

    offset: int
    rows_max: int
    tokens_max: int
    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spilled:
    """What came of a result: `limit` says what cut it, `page` is JSON-ready."""

    row_count: int
    limit: str | None
    on_disk: bool
    page: dict[str, Any]


def keep(
    reader: "pa.RecordBatchReader",
    columns: list[dict[str, str]],
    path: Path,
    *,
    rows_max: int,
    bytes_max: int,
    request: PageRequest,
) -> Spilled:
    """Drain the result into `path`, unless its first page shows all of it."""
    even = _even(reader)
    first = next(even, None)
    head = [] if first is None else [first]
    if first is None or (first.num_rows < BATCH_ROWS and first.num_rows <= rows_max):
        keys = [column["key"] for column in columns]
        page = _page_of(head, keys, request, start=request.offset)
        if page["next_offset"] is None:
            count = sum(batch.num_rows for batch in head)
            return Spilled(row_count=count, limit=None, on_disk=False, page=page)
    schema = reader.schema.with_metadata({_COLUMNS: json.dumps(columns).encode()})
    row_count, limit = _write(chain(head, even), schema, path, rows_max, bytes_max)
    return Spilled(row_count=row_count, limit=limit, on_disk=True, page=read_page(path, request))


def read_page(path: Path, request: PageRequest) -> dict[str, Any]:
    """Read a page of a kept result; raises NotFound when it is no longer there."""
    import pyarrow as pa  # noqa: PLC0415 - only the child process has it

    try:
        source = pa.memory_map(str(path))
    except FileNotFoundError as error:
        raise NotFound("This result is no longer kept.", "Ask the question again.") from error
    with source, pa.ipc.open_file(source) as reader:
        start, within = divmod(request.offset, BATCH_ROWS)
        batches = (reader.get_batch(at) for at in range(start, reader.num_record_batches))
        columns = json.loads(reader.schema.metadata[_COLUMNS])
        keys = [column["key"] for column in columns]
        page = _page_of(batches, keys, request, start=within)
        return {**page, "columns": columns, "row_count": _row_count(reader)}


def _row_count(reader: "pa.RecordBatchFileReader") -> int:
    last = reader.num_record_batches - 1
    return 0 if last < 0 else last * BATCH_ROWS + reader.get_batch(last).num_rows


def _even(batches: Iterable["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
    """Cut and join batches so that all but the last have BATCH_ROWS rows."""
    import pyarrow as pa  # noqa: PLC0415

    pending: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if not pending and batch.num_rows == BATCH_ROWS:
            yield batch
            continue
        pending.append(batch)
        rows += batch.num_rows
        while rows >= BATCH_ROWS:
            joined = pa.concat_batches(pending)
            yield joined.slice(0, BATCH_ROWS)
            pending = [joined.slice(BATCH_ROWS)]
            rows -= BATCH_ROWS
    if rows:
        yield pa.concat_batches(pending)


def _write(
    batches: Iterable["pa.RecordBatch"],
    schema: "pa.Schema",
    path: Path,
    rows_max: int,
    bytes_max: int,
) -> tuple[int, str | None]:
    import pyarrow as pa  # noqa: PLC0415

    options = pa.ipc.IpcWriteOptions(compression="lz4")
    partial = partial_of(path)
    row_count, limit = 0, None
    with (
        pa.OSFile(str(partial), "wb") as sink,
        pa.ipc.new_file(sink, schema, options=options) as writer,
    ):
        for batch in batches:
            # Known only when a row comes that does not fit: a limit that is just met cuts nothing.
            limit = _limit_before(batch, row_count, sink.tell(), rows_max, bytes_max)
            if limit == "bytes":
                break
            kept = batch.slice(0, rows_max - row_count)
            writer.write_batch(kept)
            row_count += kept.num_rows
            if limit is not None:
                break
        # A result is read again at most for an hour: it need not survive a power cut.
    os.replace(partial, path)  # noqa: PTH105 - the atomic one
    return row_count, limit


def _limit_before(
    batch: "pa.RecordBatch", row_count: int, size_bytes: int, rows_max: int, bytes_max: int
) -> str | None:
    if row_count + batch.num_rows > rows_max:
        return "rows"
    return "bytes" if size_bytes > bytes_max else None


def partial_of(path: Path) -> Path:
    """Name the file that a result is written to before it is complete."""
    return path.with_name(path.name + ".partial")


def _page_of(
    batches: Iterable["pa.RecordBatch"], keys: Sequence[str], request: PageRequest, *, start: int
) -> dict[str, Any]:
    rows: list[Any] = []
    spent, cut_cells, more = 0, 0, False
    for values in _rows_of(batches, start):
        row = values if request.form == CONCISE else dict(zip(keys, values, strict=True))
        price = _price(row, request.tokens_max)
        if len(rows) == request.rows_max or (rows and spent + price > request.tokens_max):
            more = True
            break
        if price > request.tokens_max:
            # One row is always shown, or there would be no way past it.
            row, cut_cells = _clipped(row, request.tokens_max)
            price = tokens.estimate(_compact(row))
        rows.append(row)
        spent += price
    return {
        "rows": rows,
        "offset": request.offset,
        "next_offset": request.offset + len(rows) if more else None,
        "tokens": spent,
        "cut_cells": cut_cells,
    }


def _rows_of(batches: Iterable["pa.RecordBatch"], start: int) -> Iterator[list[Any]]:
    """Encode rows in small steps: a page rarely needs the whole of a batch."""
    for batch in batches:
        step = max(1, min(_STEP_ROWS_MAX, _STEP_BYTES * batch.num_rows // (batch.nbytes + 1)))
        for at in range(start, batch.num_rows, step):
            columns = [encode(column) for column in batch.slice(at, step).columns]
            yield from map(list, zip(*columns, strict=True))
        start = 0


def _price(row: Any, tokens_max: int) -> int:  # noqa: ANN401 - any JSON value
    text = _compact(row)
    # No text is cheaper than this, and a long one would take long to estimate.
    if len(text) > tokens_max * _CHARACTERS_PER_TOKEN_MAX:
        return tokens_max + 1
    return tokens.estimate(text)


def _clipped(row: Any, tokens_max: int) -> tuple[Any, int]:  # noqa: ANN401 - a list or a dict
    width = max(_CELL_CHARACTERS_MIN, 2 * tokens_max // max(1, len(row)))
    keys = range(len(row)) if isinstance(row, list) else list(row)
    cut = 0
    for key in keys:
        value = row[key]
        text = value if isinstance(value, str) else _compact(value)
        if len(text) > width:
            row[key] = f"{text[:width]}… (cut: {len(text)} characters)"
            cut += 1
    return row, cut


def _compact(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
