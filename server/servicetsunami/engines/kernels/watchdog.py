"""What a kernel and everything that it started use: memory, processes, files.

Limits of single processes do not bound what many do together, nor many small files.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from servicetsunami.engines.kernels.spec import Limits

_MB = 2**20
_PROC = Path("/proc")


def excess(pid: int, folders: list[Path], limits: Limits) -> str | None:
    """Say which limit the process and its descendants are over; None when all is well."""
    family = list(_family(pid))
    if len(family) > limits.processes:
        return f"More than {limits.processes} processes ran at once."
    used_mb = sum(map(_memory_bytes, family)) // _MB
    if used_mb > limits.memory_mb:
        return f"{used_mb} MiB of memory were used; {limits.memory_mb} MiB are allowed."
    size, count = _sizes(folders, limits.files)
    if count > limits.files:
        return f"More than {limits.files} files were written."
    if size // _MB > limits.disk_mb:
        return f"{size // _MB} MiB of files were written; {limits.disk_mb} MiB are allowed."
    return None


def _family(pid: int) -> Iterator[int]:
    """The process and all that descend from it, as far as they can be seen."""
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        yield each
        with suppress(OSError):
            for thread in (_PROC / str(each) / "task").iterdir():
                text = (thread / "children").read_text("ascii")
                waiting.extend(map(int, text.split()))


def _memory_bytes(pid: int) -> int:
    """Its own part of the memory: what is shared counts once for all that share it."""
    with suppress(OSError, ValueError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _sizes(folders: list[Path], files_max: int) -> tuple[int, int]:
    """Bytes and number of files, without following links; stops where there are too many."""
    size = count = 0
    waiting = [str(folder) for folder in folders]
    while waiting and count <= files_max:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
    return size, count
