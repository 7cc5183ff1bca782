import bz2
import gzip
import lzma
import os
import zipfile
from pathlib import Path

import pytest
import zstandard

from servicetsunami.engines.files import ReadOptions, open_path
from servicetsunami.errors import InvalidInput, LimitExceeded, NotFound

from .reading import read

_TEXT = b"a,b\n1,x\n2,y\n"


@pytest.mark.parametrize(
    ("kind", "packed"),
    [
        ("gzip", gzip.compress(_TEXT)),
        ("gzip", gzip.compress(_TEXT[:8]) + gzip.compress(_TEXT[8:])),
        ("bzip2", bz2.compress(_TEXT)),
        ("xz", lzma.compress(_TEXT)),
        ("zstd", zstandard.compress(_TEXT)),
    ],
    ids=["gzip", "two gzip members", "bzip2", "xz", "zstd"],
)
def test_compressed_text_is_read_whatever_its_name(
    tmp_path: Path, kind: str, packed: bytes
) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(packed)
    reading = read(path)

    assert reading.rows == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert reading.source.details.compression == kind


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_of_one_member_is_read(tmp_path: Path) -> None:
    members = {"dir/data.csv": _TEXT, "__MACOSX/dir/._data.csv": b"junk"}

    assert len(read(_zip(tmp_path / "t.zip", members)).rows) == 2


def test_a_zip_of_several_members_is_refused_naming_them(tmp_path: Path) -> None:
    path = _zip(tmp_path / "t.zip", {"a.csv": _TEXT, "b.csv": _TEXT})

    with pytest.raises(InvalidInput, match=r"2 files where one is wanted: a\.csv, b\.csv"):
        read(path)


@pytest.mark.parametrize("cut", [30, -9])
def test_a_cut_archive_is_refused_and_leaves_nothing(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(os.urandom(5000).hex().encode())[:cut])

    with pytest.raises(InvalidInput, match="not a whole gzip file"):
        read(path)


@pytest.mark.slow
def test_a_decompression_bomb_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as out:
        for _ in range(300):
            out.write(b"0" * 1024**2)

    with pytest.raises(LimitExceeded, match="400 times its size"):
        read(path)


def test_more_bytes_than_allowed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" * 5000))

    with (
        pytest.raises(LimitExceeded, match="more than 1,000 bytes"),
        open_path(
            path,
            ReadOptions(),
            temp_dir=tmp_path / "work",
            memory_limit_mb=200,
            threads=1,
            unpacked_bytes_max=1000,
        ),
    ):
        pass
    assert list((tmp_path / "work").iterdir()) == []


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InvalidInput, match="not a regular file"):
        read(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        read(tmp_path)
    with pytest.raises(NotFound, match=r"no readable file 'missing\.csv'"):
        read(tmp_path / "missing.csv")
