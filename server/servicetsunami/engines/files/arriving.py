"""Reads Arrow streams that come one after another through a pipe.

Imports pyarrow: for the child process of an ingest.
"""

import io
import os
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from servicetsunami.engines.sql.arrow_types import arrow_type
from servicetsunami.engines.workers.serving import Request
from servicetsunami.errors import RemoteUnavailable

_LENGTH_BYTES: Final = 4
_REPORT_ROWS: Final = 100_000


class _Pipe(io.RawIOBase):
    """The frames of a pipe as one stream of bytes; the end mark is its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._left = 0
        self.is_complete = False

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        """Fill some of the buffer; 0 at the end mark. Raises RemoteUnavailable before it."""
        if self._left == 0 and not self.is_complete:
            self._left = int.from_bytes(self._exactly(_LENGTH_BYTES), "big")
            self.is_complete = self._left == 0
        if self.is_complete:
            return 0
        data = os.read(self._descriptor, min(self._left, len(buffer)))
        if not data:
            raise _broken_off()
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = os.read(self._descriptor, length - len(found))
            if not part:
                raise _broken_off()
            found += part
        return found


def _broken_off() -> RemoteUnavailable:
    return RemoteUnavailable(
        "The rows from Databricks broke off: nothing was written.", "Pull the table again."
    )


class Incoming:
    """Counts the batches on their way, and checks at the end that all of them came."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._arguments = request.arguments
        self._pipe = _Pipe(request.fds[-1])
        self._stream = io.BufferedReader(self._pipe, buffer_size=1 << 20)
        self.failure: RemoteUnavailable | None = None
        first = self._next_reader()
        self.schema = first.schema if first is not None else _schema(self._arguments["columns"])
        self._first = first

    def reader(self) -> pa.RecordBatchReader:
        """All batches of all streams, once."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _next_reader(self) -> pa.RecordBatchStreamReader | None:
        return pa.ipc.open_stream(self._stream) if self._stream.peek(1) else None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        rows, told, reader = 0, 0, self._first
        try:
            while reader is not None:
                for batch in reader:
                    rows += batch.num_rows
                    yield batch.cast(self.schema) if batch.schema != self.schema else batch
                if rows - told >= _REPORT_ROWS:
                    told = rows
                    self._tell(rows)
                reader = self._next_reader()
            wanted = self._arguments["row_count"]
            if wanted is not None and rows != wanted:
                raise RemoteUnavailable(
                    f"{rows} of {wanted} rows came from Databricks: nothing was written.",
                    "Pull the table again.",
                )
        except RemoteUnavailable as error:
            self.failure = error
            raise

    def _tell(self, rows: int) -> None:
        total = self._arguments["row_count"]
        self._request.report({"rows": rows, "fraction": rows / total if total else None})


def _schema(columns: list[list[str]]) -> pa.Schema:
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns])
