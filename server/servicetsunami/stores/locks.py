"""A file that one process at a time may hold, whoever dies meanwhile."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from servicetsunami.errors import Conflict

_POLL_S = 0.02
_DIRTY = b"writing\n"


class FileLock:
    """An exclusive flock, and a note in the file when its last holder did not finish.

    The lock belongs to the open file, not to the process: a child that was given `fileno()`
    holds it too, and it is free only when both have closed it or died.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.was_interrupted = os.fstat(descriptor).st_size > 0
        os.pwrite(descriptor, _DIRTY, 0)

    @classmethod
    def acquire(cls, path: Path, *, timeout_s: float) -> Self:
        """Wait for the lock, blocking the thread; raises Conflict at the time-out."""
        deadline = time.monotonic() + timeout_s
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = _try(path)
            if descriptor is not None:
                try:
                    return cls(path, descriptor)
                except OSError:
                    # On a full disk: what cannot be noted must not stay locked either.
                    os.close(descriptor)
                    raise
            if time.monotonic() >= deadline:
                raise Conflict(
                    f"Another writer held {path.name} for more than {timeout_s:g} s.",
                    "Call again when the other write has ended.",
                )
            time.sleep(_POLL_S)

    def fileno(self) -> int:
        """The descriptor to hand to a child process (`pass_fds`)."""
        return self._descriptor

    def finish(self) -> None:
        """Note that all work under the lock is complete, and let it go."""
        os.ftruncate(self._descriptor, 0)
        self.close()

    def remove(self) -> None:
        """Delete the file with what it protected, and let go."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go; the next holder will find `was_interrupted` unless `finish` came first."""
        # Not LOCK_UN: that would take the lock from a child that still works under it.
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None and self._descriptor >= 0:
            self.finish()
        else:
            self.close()


def _try(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    # The last holder may have deleted the file: then this lock protects nothing.
    if _is_same_file(path, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _is_same_file(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
