"""The template process: imports what is heavy once, then forks children that share it.

It runs as a program of its own, stays single-threaded (a fork copies no other thread, but it does
copy their locks), and never speaks to anybody but the server: nothing hostile reaches it.
"""

import gc
import importlib
import os
import select
import signal
import socket
import sys
from importlib.abc import MetaPathFinder
from typing import Any

from servicetsunami.engines.workers.channel import Channel
from servicetsunami.engines.workers.confinement import confine
from servicetsunami.engines.workers.frames import ANSWER_BYTES_MAX, REQUEST_BYTES_MAX
from servicetsunami.engines.workers.serving import run_target

_REAP_EVERY_S = 0.02


def main(fd: int, preload: list[str]) -> None:
    """Import the modules named, say that we are ready, and fork on request until the end."""
    control = Channel(
        socket.socket(fileno=fd), receive_max=REQUEST_BYTES_MAX, send_max=ANSWER_BYTES_MAX
    )
    # A terminal or a service manager signals every process of ours; only the server may decide.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.meta_path.insert(0, _WithoutPandas())
    for module in preload:
        importlib.import_module(module)
    # Frozen objects are not visited by the collector of a child, so their pages stay shared.
    gc.collect()
    gc.freeze()
    control.send({"ready": True, "threads": _thread_count()})
    Template(control).serve()
    # Leaving as every child does: an orderly exit would only take modules apart, noisily.
    os._exit(0)


class _WithoutPandas(MetaPathFinder):
    """Has pandas not be found: pyarrow would import it for its first array, 0.4 s for nothing."""

    def find_spec(self, fullname: str, _path: object, _target: object = None, /) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


class Template:
    """Forks and ends children by the numbers that the server gives them."""

    def __init__(self, control: Channel) -> None:
        self._control = control
        self._children: dict[int, int] = {}
        self._ending: set[int] = set()

    def serve(self) -> None:
        """Work until the server is gone, and leave no child behind."""
        try:
            while True:
                timeout_s = _REAP_EVERY_S if self._ending else None
                ready, _, _ = select.select([self._control], [], [], timeout_s)
                self._reap()
                if not ready:
                    continue
                received = self._control.receive()
                if received is None:
                    return
                self._obey(*received)
        finally:
            self._end_all()

    def _obey(self, message: dict[str, Any], fds: list[int]) -> None:
        number = int(message["number"])
        if message["do"] == "fork":
            [fd] = fds
            self._fork(number, fd, message)
        else:
            self._end(number)

    def _fork(self, number: int, fd: int, message: dict[str, Any]) -> None:
        template = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            # The server sees its socket close, which is how every other death looks, too.
            os.close(fd)
            return
        if pid == 0:
            self._control.close()
            run_child(fd, message, template=template)
        os.close(fd)
        self._children[number] = pid

    def _end(self, number: int) -> None:
        # Only this process reaps, so the pid is still the child's, dead or alive.
        pid = self._children.pop(number, None)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self._ending.add(pid)

    def _reap(self) -> None:
        self._ending -= {pid for pid in self._ending if os.waitpid(pid, os.WNOHANG)[0] == pid}

    def _end_all(self) -> None:
        for number in list(self._children):
            self._end(number)
        for pid in self._ending:
            os.waitpid(pid, 0)


def run_child(fd: int, message: dict[str, Any], *, template: int) -> None:
    """Become one child: confine it, run its target on the channel, and end the process."""
    channel = Channel(
        socket.socket(fileno=fd), receive_max=REQUEST_BYTES_MAX, send_max=ANSWER_BYTES_MAX
    )
    try:
        confine(parent=template, address_space_bytes=message["address_space_bytes"])
        run_target(channel, message["target"], message["options"])
    finally:
        # Whatever happens, the child must never return into the template's loop.
        os._exit(0)


def _thread_count() -> int:
    return len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1  # noqa: PTH208
