"""Small files that stand for huge ones are stopped in a child, in little memory, with a reason."""

import gzip
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.engines.files.workbooks import write_workbook

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

MEMORY_MB_MAX = 900
_MB = 2**20
_READ = """
import re, sys
from pathlib import Path
from servicetsunami.engines.files import ReadOptions, read_path
from servicetsunami.errors import ServerError

def drain(source):
    return sum(batch.num_rows for batch in source.reader)

try:
    rows = read_path(Path(sys.argv[1]), ReadOptions.parse({}), drain, temp_dir=Path(sys.argv[2]),
                     memory_limit_mb=200, threads=1)
    print(f"{rows} rows")
except ServerError as error:
    print(type(error).__name__, error)
# Not ru_maxrss, which begins with that of the process that started this one.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def packed(path: Path, open_it: Callable, size_mb: int) -> Path:
    with open_it(path) as out:
        for _ in range(size_mb):
            out.write(b"0" * _MB)
    return path


def gzip_bomb(folder: Path) -> Path:
    return packed(folder / "a.csv.gz", lambda path: gzip.open(path, "wb", compresslevel=9), 300)


def zstd_bomb(folder: Path) -> Path:
    return packed(folder / "a.csv.zst", lambda path: zstandard.open(path, "wb"), 300)


def zip_bomb(folder: Path) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.csv", b"0" * (300 * _MB))
    return lying(path, "a.csv")


def workbook(folder: Path, size_mb: int) -> Path:
    """A workbook with a sheet of that size."""
    small = write_workbook(folder / "small.xlsx", {"S": [["a"]]})
    path = folder / "a.xlsx"
    with zipfile.ZipFile(small) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in source.namelist():
            if "worksheets/" not in name:
                out.writestr(name, source.read(name))
                continue
            row = b'<row><c t="inlineStr"><is><t>' + b"x" * 1000 + b"</t></is></c></row>"
            head, _, tail = source.read(name).partition(b"</sheetData>")
            with out.open(name, "w") as sheet:
                sheet.write(head)
                for _ in range(size_mb):
                    sheet.write(row * (_MB // len(row)))
                sheet.write(b"</sheetData>" + tail)
    return path


def honest_workbook_bomb(folder: Path) -> Path:
    return workbook(folder, 500)


def lying_workbook_bomb(folder: Path) -> Path:
    return lying(workbook(folder, 500), "xl/worksheets/sheet1.xml")


def lying(path: Path, member: str) -> Path:
    """Have a zip say that a member is small."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    at = content.rfind(b"PK\x01\x02")
    while content[at + 46 : at + 46 + len(member)] != member.encode():
        at = content.rfind(b"PK\x01\x02", 0, at)
    content[at + 24 : at + 28] = struct.pack("<I", 1000)
    local = info.header_offset
    content[local + 22 : local + 26] = struct.pack("<I", 1000)
    path.write_bytes(content)
    return path


def parquet_bomb(folder: Path) -> Path:
    """One long text, repeated by its number in a dictionary."""
    path = folder / "a.parquet"
    numbers = pa.array([0] * 1_000_000, pa.int32())
    texts = pa.DictionaryArray.from_arrays(numbers, pa.array(["x" * 10_000]))
    pq.write_table(pa.table({"s": texts}), path, compression="zstd")
    return path


def arrow_bomb(folder: Path) -> Path:
    """The same in Arrow, packed by its own means."""
    path = folder / "a.arrow"
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    batch = pa.record_batch({"s": pa.array(["x" * 10_000] * 10_000)})
    with pa.ipc.new_file(path, batch.schema, options=options) as out:
        for _ in range(40):
            out.write_batch(batch)
    return path


BOMBS: dict[Callable[[Path], Path], str] = {
    gzip_bomb: "LimitExceeded The file unpacks to more than 400 times its size",
    zstd_bomb: "LimitExceeded The file unpacks to more than 400 times its size",
    zip_bomb: "InvalidInput a.zip is not a whole zip file",
    honest_workbook_bomb: "LimitExceeded The workbook unpacks to",
    lying_workbook_bomb: "InvalidInput The workbook cannot be opened",
    parquet_bomb: "LimitExceeded The file has more than 2 GiB of values",
    arrow_bomb: "LimitExceeded The file has more than 2 GiB of values",
}


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda each: each.__name__)
def test_a_bomb_is_stopped(tmp_path: Path, bomb: Callable[[Path], Path]) -> None:
    path = bomb(tmp_path)
    assert path.stat().st_size < 4 * _MB
    temp = tmp_path / "temp"
    temp.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path), str(temp)],
        capture_output=True,
        text=True,
        check=True,
    )
    told, memory_mb = done.stdout.strip().split("\n")
    assert told.startswith(BOMBS[bomb]), told
    assert int(memory_mb) < MEMORY_MB_MAX
    assert list(temp.iterdir()) == []


def test_a_file_that_is_packed_well_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": pa.nulls(2_000_000, pa.int64())}), path)
    assert path.stat().st_size < 10_000
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("2000000 rows")
