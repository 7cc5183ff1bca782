"""Peak memory of a reading process must not depend on the size of the file."""

import subprocess
import sys
from pathlib import Path

import pytest

_CHILD = r"""
import re, sys
from pathlib import Path
from deltalake import write_deltalake
from servicetsunami.engines.files import ReadOptions, read_path

def consume(source):
    write_deltalake(sys.argv[2] + "/delta", source.reader, mode="overwrite",
                    target_file_size=64 * 1024**2)

read_path(Path(sys.argv[1]), ReadOptions(), consume, temp_dir=Path(sys.argv[2]),
          memory_limit_mb=300, threads=2)
# Not ru_maxrss, which begins with the size of the process that started this one.
status = Path("/proc/self/status").read_text()
print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024)
"""
_MEBIBYTES_MAX = 700


def _write(path: Path, *, blocks: int) -> None:
    with path.open("w") as out:
        out.write("id,name,price,day,at,note\n")
        block = "".join(
            f"{i},name {i % 977},{i % 500}.25,2024-01-{i % 28 + 1:02d},"
            f"2024-01-01 00:{i % 60:02d}:00,some text of row {i} in its block\n"
            for i in range(50_000)
        )
        for _ in range(blocks):
            out.write(block)


def _peak_mebibytes(path: Path, directory: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), str(directory)],
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    return int(done.stdout.split()[-1])


@pytest.mark.slow
def test_memory_is_flat_from_one_to_four_times_the_size(tmp_path: Path) -> None:
    peaks: list[int] = []
    for blocks in (40, 160):
        path = tmp_path / "t.csv"
        _write(path, blocks=blocks)
        peaks.append(_peak_mebibytes(path, tmp_path / f"work{blocks}"))

    assert peaks[1] < _MEBIBYTES_MAX
    assert peaks[1] < peaks[0] * 1.25
