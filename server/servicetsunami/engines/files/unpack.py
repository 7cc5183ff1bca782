"""Unpacks compressed files by streaming, within limits that stop decompression bombs."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from servicetsunami.errors import InvalidInput, LimitExceeded

UNPACKED_BYTES_MAX = 64 * 1024**3
RATIO_MAX = 400
_RATIO_FREE_BYTES = 256 * 1024**2
_DISK_RESERVE_BYTES = 512 * 1024**2
_CHUNK_BYTES = 1024**2
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
_IGNORED_MEMBERS = ("__MACOSX/", ".DS_Store")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def compression_of(path: Path) -> str | None:
    """Tell by its first bytes how a file is compressed; workbooks, though zips, are not."""
    with path.open("rb") as file:
        head = file.read(8)
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) and not workbook_kind(path):
        return "zip"
    return None


def workbook_kind(path: Path) -> str | None:
    """Tell whether a zip is an Excel or OpenDocument workbook, by its members."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
    if "xl/workbook.xml" in members:
        return "xlsx"
    if "xl/workbook.bin" in members:
        return "xlsb"
    return "ods" if {"mimetype", "content.xml"} <= members else None


def unpack(path: Path, kind: str, target: Path, *, bytes_max: int = UNPACKED_BYTES_MAX) -> None:
    """Write the decompressed content to `target`.

    Raises LimitExceeded for more than `bytes_max` bytes, or a ratio that no data set has, and
    InvalidInput for a damaged file or a zip with other than one member.
    """
    packed_bytes = max(1, path.stat().st_size)
    free_bytes = shutil.disk_usage(target.parent).free - _DISK_RESERVE_BYTES
    written = 0
    try:
        with _opened(path, kind) as source, target.open("wb") as out:
            while chunk := source.read(_CHUNK_BYTES):
                written += len(chunk)
                _check(written, packed_bytes, bytes_max=bytes_max, free_bytes=free_bytes)
                out.write(chunk)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise _damaged(path, kind, error) from error
    except (NotImplementedError, RuntimeError) as error:
        raise InvalidInput(
            f"{path.name} cannot be unpacked: {error}.",
            "Unpack it yourself (it may be encrypted), and ingest the file inside.",
        ) from error


def _check(written: int, packed_bytes: int, *, bytes_max: int, free_bytes: int) -> None:
    if written > bytes_max:
        raise LimitExceeded(
            f"The file unpacks to more than {bytes_max:,} bytes.",
            "Split it, or store it as Parquet.",
        )
    if written > _RATIO_FREE_BYTES and written > packed_bytes * RATIO_MAX:
        raise LimitExceeded(
            f"The file unpacks to more than {RATIO_MAX} times its size.",
            "It looks like a decompression bomb. If it is not, unpack it yourself first.",
        )
    if written > free_bytes:
        raise LimitExceeded(
            "There is not enough disk space to unpack the file.",
            "Free some space, or store the file as Parquet.",
        )


def _damaged(path: Path, kind: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"{path.name} is not a whole {kind} file: {error}.",
        "It may be cut short or damaged: fetch or write it again.",
    )


@contextmanager
def _opened(path: Path, kind: str) -> Generator[_Readable]:
    if kind == "zip":
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive)) as member:
            yield member
        return
    if kind == "zstd":
        import zstandard  # noqa: PLC0415

        try:
            with zstandard.open(path, "rb") as stream:
                yield stream
        except zstandard.ZstdError as error:
            raise _damaged(path, kind, error) from error
        return
    with {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}[kind](path, "rb") as stream:
        yield stream


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not any(word in member.filename for word in _IGNORED_MEMBERS)
    ]
    if len(members) == 1:
        return members[0]
    names = ", ".join(member.filename for member in members[:10]) or "none"
    raise InvalidInput(
        f"The zip has {len(members)} files where one is wanted: {names}.",
        "Unpack it and ingest the files one by one.",
    )
