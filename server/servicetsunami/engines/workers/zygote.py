"""The server's hold on the template process: start it once, have it fork and end children."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import anyio
from anyio import to_thread

from servicetsunami.engines.workers.frames import ANSWER_BYTES_MAX, REQUEST_BYTES_MAX, pack
from servicetsunami.engines.workers.sockets import receive
from servicetsunami.errors import ConfigurationError

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]);"
    "from servicetsunami.engines.workers.template import main;"
    "main(int(sys.argv[1]), json.loads(sys.argv[3]))"
)
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0
_STDERR = 2

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        # No thread may exist before a fork: these two libraries start one when imported.
        "OPENBLAS_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        # Each arena reserves 64 MB of the address space that we limit.
        "MALLOC_ARENA_MAX": "4",
    }
)
"""The whole environment of the children: credentials of the server are none of their business."""


class Zygote:
    """One template process, shared by all pools, started when the first child is needed.

    `preload` names the modules that it imports before it forks; `environment` is added to
    ENVIRONMENT. Nothing of it blocks the event loop.
    """

    def __init__(
        self, *, preload: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._preload = list(preload)
        self._environment = {**ENVIRONMENT, **(environment or {})}
        self._starting = anyio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._numbers = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> None:
        """Start the process unless it runs.

        Raises ConfigurationError when it does not come up within a minute.
        """
        async with self._starting:
            if self.pid is not None and self._control is not None:
                return
            await self.aclose()
            self._control, theirs = socket.socketpair()
            self._control.setblocking(False)
            with theirs:
                self._process = await to_thread.run_sync(self._spawn, theirs.fileno())
            await self._wait_until_ready(self._control)

    def fork(
        self, *, target: str, options: Mapping[str, Any], address_space_bytes: int | None
    ) -> tuple[int, socket.socket]:
        """Ask for a child that runs `target`; returns its number and our end of its socket.

        The child need not be there yet: what is sent to it waits in the socket.
        """
        self._numbers += 1
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._tell(
                {
                    "do": "fork",
                    "number": self._numbers,
                    "target": target,
                    "options": dict(options),
                    "address_space_bytes": address_space_bytes,
                },
                fds=[theirs.fileno()],
            )
        return self._numbers, ours

    def end(self, number: int) -> None:
        """Kill the child at once. Does not wait, so that it also works in a cancelled task."""
        self._tell({"do": "end", "number": number}, fds=[])

    async def aclose(self) -> None:
        """End the process and with it every child; returns when they are gone."""
        process, self._process = self._process, None
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if process is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(_wait_or_kill, process)

    def _spawn(self, fd: int) -> subprocess.Popen[bytes]:
        arguments = [str(fd), json.dumps(sys.path), json.dumps(self._preload)]
        return subprocess.Popen(  # noqa: S603 - our own interpreter and our own program
            [sys.executable, "-I", "-c", _BOOT, *arguments],
            stdin=subprocess.DEVNULL,
            # Standard output belongs to the protocol; what a child prints goes to the log.
            stdout=_STDERR,
            env=self._environment,
            pass_fds=[fd],
            # An interrupt typed at the terminal is for the server, which then ends its children.
            start_new_session=True,
        )

    async def _wait_until_ready(self, control: socket.socket) -> None:
        message = None
        with anyio.move_on_after(_START_TIMEOUT_S):
            message = await receive(control, bytes_max=ANSWER_BYTES_MAX)
        if message is None:
            await self.aclose()
            raise ConfigurationError(
                "The process that runs queries could not be started.",
                "Run `servicetsunami doctor` on this machine: it names what is missing.",
            )

    def _tell(self, message: Mapping[str, Any], *, fds: list[int]) -> None:
        if self._control is None:
            return
        try:
            # A few hundred bytes always fit: the template reads them within milliseconds.
            socket.send_fds(self._control, [pack(message, bytes_max=REQUEST_BYTES_MAX)], fds)
        except OSError:
            # It is gone, and its children with it; the next start() finds out.
            self._control.close()
            self._control = None


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
