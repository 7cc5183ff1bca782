"""Opens a file for reading: unpacks it, finds out what it is, and hands it to its reader."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from servicetsunami.engines.files.detect import detect_format
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import Corrections, Source, TypesMisjudged
from servicetsunami.engines.files.unpack import UNPACKED_BYTES_MAX, compression_of, unpack
from servicetsunami.engines.files.workspace import Workspace
from servicetsunami.errors import InvalidInput, NotFound

Result = TypeVar("Result")
Progress = Callable[[int, float | None], None]


def _silent(_rows: int, _fraction: float | None) -> None:
    """Take progress and do nothing with it."""


@contextmanager
def open_path(
    path: Path,
    options: ReadOptions,
    *,
    temp_dir: Path,
    memory_limit_mb: int,
    threads: int,
    on_progress: Progress = _silent,
    corrections: Corrections | None = None,
    unpacked_bytes_max: int = UNPACKED_BYTES_MAX,
) -> Generator[Source]:
    """Open one file of any supported format as a typed stream.

    Only this file is read, and only `temp_dir` is written (in a directory that is removed on
    leaving). `on_progress` gets rows so far and the fraction done, or None if unknown. Raises
    InvalidInput for what is no data file, LimitExceeded for a decompression bomb, and
    TypesMisjudged, also out of the stream, when a second reading with its corrections is
    needed: `read_path` does that.
    """
    _check_is_file(path)
    temp_dir.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="read-", dir=temp_dir))
    learnt = corrections or Corrections()
    misjudged: list[TypesMisjudged] = []
    work = Workspace(
        directory=directory,
        memory_limit_mb=memory_limit_mb,
        threads=threads,
        on_progress=on_progress,
        misjudged=misjudged,
    )
    try:
        compression = compression_of(path)
        content = path
        if compression:
            content = directory / "unpacked"
            unpack(path, compression, content, bytes_max=unpacked_bytes_max)
        kind = options.format or detect_format(content, name=path.name)
        with _reader_of(kind)(content, options, work, learnt) as source:
            yield replace(source, details=replace(source.details, compression=compression))
    except BaseException as error:
        # A writer between the stream and us may have turned the error into one of its own.
        if misjudged and not isinstance(error, TypesMisjudged):
            raise misjudged[0] from error
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def read_path(
    path: Path,
    options: ReadOptions,
    consume: Callable[[Source], Result],
    *,
    temp_dir: Path,
    memory_limit_mb: int,
    threads: int,
    on_progress: Progress = _silent,
) -> Result:
    """Open a file and let `consume` drain it, again from the start if types were misjudged.

    `consume` must leave no trace when the stream raises, as a Delta write does.
    """
    corrections = Corrections()
    while True:
        try:
            with open_path(
                path,
                options,
                temp_dir=temp_dir,
                memory_limit_mb=memory_limit_mb,
                threads=threads,
                on_progress=on_progress,
                corrections=corrections,
            ) as source:
                return consume(source)
        except TypesMisjudged as error:
            corrections = error.corrections


@contextmanager
def open_rows(rows: Sequence[Mapping[str, object]], options: ReadOptions) -> Generator[Source]:
    """Open rows that came as JSON with a call; types are inferred from all of them."""
    from servicetsunami.engines.files.inline import source_of_rows  # noqa: PLC0415

    yield source_of_rows(rows, options)


def _check_is_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise NotFound(
            f"There is no readable file {path.name!r}: {error.strerror}.",
            "Check the path, and that this server may read it.",
        ) from error
    if not stat.S_ISREG(mode):
        raise InvalidInput(
            f"{path.name!r} is not a regular file.",
            "Give the path of one file; ingest the files of a directory one by one.",
        )


def _reader_of(kind: str) -> Callable:
    """Import only the reader that is needed: each brings heavy packages."""
    if kind == "csv":
        from servicetsunami.engines.files.delimited import open_delimited  # noqa: PLC0415

        return open_delimited
    if kind in ("json", "ndjson"):
        from servicetsunami.engines.files.documents import open_documents  # noqa: PLC0415

        return open_documents
    if kind == "excel":
        from servicetsunami.engines.files.sheets import open_workbook  # noqa: PLC0415

        return open_workbook
    from servicetsunami.engines.files.columnar import open_columnar  # noqa: PLC0415

    return open_columnar
