"""Processes of the command that begin with its modules imported: forks of one that waits.

To begin anew takes each of some hundred processes seconds of imports, twice as many while coverage
is measured. What a fork does is the same: a process of its own, with its own arguments,
environment and streams, which signals end. Tests of the beginning itself, and of clients that begin
a server by its command, do without.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

import coverage

from servicetsunami.cli import main
from servicetsunami.engines.workers.zygote import ENVIRONMENT

_IMPORTED = [
    "aiosqlite",
    "httptools",
    "servicetsunami.app",
    "servicetsunami.cli.commands",
    "servicetsunami.cli.serving",
    "servicetsunami.transport.http",
    "tests.warm",
    "uvloop",
    "tests.warmed",
]


class Process:
    """One process of the command, to be handled as subprocess.Popen is."""

    def __init__(self, *words: str, env: Mapping[str, str], streams: "Streams") -> None:
        self._process = _context().Process(
            target=_run,
            args=(words, dict(env)),
            kwargs={"streams": streams},
            # Ended with the tests, whatever becomes of them.
            daemon=True,
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("servicetsunami", timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Piped(Process):
    """One whose stdin and stdout are pipes, and whose stderr is kept."""

    def __init__(self, *words: str, env: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        told, telling = os.pipe()
        self.stdin: IO[bytes] = os.fdopen(writing, "wb")
        self.stdout: IO[bytes] = os.fdopen(told, "rb")
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed once it is read
        with os.fdopen(reading), os.fdopen(telling, "wb"):
            streams = Streams(reading, telling, self._stderr.fileno())
            super().__init__(*words, env=env, streams=streams)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Close its stdin, and wait for its end; what it has written that was not read."""
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.wait(timeout)
        with self.stdout, self._stderr:
            self._stderr.seek(0)
            return self.stdout.read(), self._stderr.read()


def run(
    *words: str, env: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, however much it writes."""
    with (
        Path(os.devnull).open("rb") as nothing,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        streams = Streams(nothing.fileno(), out.fileno(), err.fileno())
        code = Process(*words, env=env, streams=streams).wait(timeout)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


class Streams:
    """The standard streams of a process that begins, as descriptors; they go with its arguments."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def __getstate__(self) -> list[Any]:
        return [DupFd(number) for number in self._numbers]

    def __setstate__(self, sent: Sequence[Any]) -> None:
        self._numbers = tuple(each.detach() for each in sent)

    def take(self) -> None:
        """Make them this process's own."""
        for number, stream in enumerate(self._numbers):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


@cache
def _context() -> ForkServerContext:
    """Have the process that waits import the modules, without being measured itself."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


def _run(words: Sequence[str], environment: Mapping[str, str], *, streams: Streams) -> None:
    streams.take()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["servicetsunami", *words]
    with _measured():
        main()


@contextmanager
def _measured() -> Generator[None]:
    """Measure coverage where the environment says so."""
    measuring = coverage.process_startup(force=True)
    try:
        yield
    finally:
        if measuring is not None:
            measuring.stop()
            measuring.save()
