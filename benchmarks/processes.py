"""What a tree of processes costs: processor seconds, and memory that nobody else shares."""

import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

_POLL_S: Final = 0.05


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its living descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def cpu_s(pid: int) -> float:
    """Processor seconds of the tree so far, with those of children that have ended."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def pss_mb(pid: int) -> float:
    """Memory of the tree in MB; a page that n processes share counts as 1/n in each."""
    return sum(_pss_kb(process.pid) for process in tree(pid)) * 1024 / 1e6


def _pss_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class PeakMemory:
    """Looks at a tree 20 times a second while it is open; `mb` is the most that was seen."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_POLL_S):
            self.mb = max(self.mb, pss_mb(self._pid))
