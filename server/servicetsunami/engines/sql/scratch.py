"""A directory of temporary files that does not outlive its process, however that one ends."""

import fcntl
import os
import shutil
from pathlib import Path
from uuid import uuid4

_LOCK = ".lock"


class Scratch:
    """A directory of our own under `root`; what dead processes left there is removed first.

    Processes of several servers, even of several containers, may share `root`: whether an owner
    is alive is told by a lock that the kernel gives back, not by a process id.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        name = uuid4().hex
        # Locked before it has its final name, so that no sweep can find it without the lock.
        self._lock = (root / f"{name}.new").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        (root / f"{name}.new").rename(root / f"{name}{_LOCK}")
        self.path = root / name
        self.path.mkdir()


def _sweep(root: Path) -> None:
    for path in root.glob(f"*{_LOCK}"):
        try:
            with path.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                os.unlink(path)  # noqa: PTH108 - while the lock is held
        except OSError:
            # Its owner lives, or another process has just removed it.
            continue
