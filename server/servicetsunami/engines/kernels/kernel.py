"""One Jupyter kernel in a sandbox: started, asked to run code, interrupted, killed."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio
import psutil
import zmq.asyncio
from anyio import to_thread
from anyio.abc import Process, TaskStatus
from jupyter_client.asynchronous.client import AsyncKernelClient

from servicetsunami.engines.kernels.bridge import Answerer, converse
from servicetsunami.engines.kernels.sandbox import INSIDE, PACKAGE, Folders, Isolation, Sandbox
from servicetsunami.engines.kernels.spec import KernelSpec, Limits
from servicetsunami.engines.kernels.watchdog import excess
from servicetsunami.errors import ConfigurationError

_START_S: Final = 60.0
_POLL_S: Final = 1.0
_IDLE_AFTER_REPLY_S: Final = 5.0
_END_S: Final = 5.0
_MESSAGE_BYTES_MAX: Final = 32 * 2**20
_ADDRESS_SPACE_MB: Final = 16 * 1024
_UID_FIRST: Final = 200_000
_PORTS: Final = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_BOOT: Final = Path("engines/kernels/inside/boot.py")

OnMessage: TypeAlias = Callable[[str, Mapping[str, Any]], bool]
"""Takes the kind of an output and its content; False when it wants no more."""


class KernelDied(Exception):
    """The kernel is gone: killed by us, by a limit, or by itself."""


class Kernel:
    """Serves one run, then goes; see `start`."""

    def __init__(
        self, spec: KernelSpec, folders: Folders, process: Process, client: AsyncKernelClient
    ) -> None:
        self.spec = spec
        self._folders = folders
        self._process = process
        self._client = client
        self._first: int | None = None

    @classmethod
    async def start(cls, sandbox: Sandbox, spec: KernelSpec) -> "Kernel":
        """Start one, and wait until it takes code; raises ConfigurationError when it does not."""
        folders, config = await to_thread.run_sync(partial(_prepare, sandbox, spec))
        process = await _spawn(sandbox, folders, config)
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.MAXMSGSIZE, _MESSAGE_BYTES_MAX)
        context.setsockopt(zmq.LINGER, 0)
        client = AsyncKernelClient(context=context)
        client.load_connection_info(
            config["connection"] | {"key": config["key"], "signature_scheme": "hmac-sha256"}
        )
        kernel = cls(spec, folders, process, client)
        try:
            client.start_channels(stdin=False, hb=False)
            await kernel._await_ready()
            kernel._first = await to_thread.run_sync(_first_inside, process.pid)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await kernel.aclose()
            raise
        return kernel

    async def _await_ready(self) -> None:
        with anyio.move_on_after(_START_S):
            while self._process.returncode is None:
                self._client.kernel_info()
                with anyio.move_on_after(_POLL_S):
                    await self._client.get_shell_msg()
                    # Only then does the other channel hear what is put out.
                    await self._client.get_iopub_msg()
                    return
        said = (self._folders.sockets / "stderr").read_text("utf-8", errors="replace")[-500:]
        raise ConfigurationError(
            f"The kernel for notebooks did not start: {said.strip() or 'it said nothing'}",
            "Run `servicetsunami doctor`.",
        )

    async def execute(self, code: str, on_message: OnMessage) -> None:
        """Run code to its end; raises KernelDied, also when `on_message` wants no more."""
        message_id = self._client.execute(code, allow_stdin=False, stop_on_error=False)
        has_died = False
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                nonlocal has_died
                await self._process.wait()
                has_died = True
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            async with anyio.create_task_group() as both:
                idle = anyio.Event()
                both.start_soon(self._listen, message_id, on_message, idle)
                await self._await_reply(message_id)
                with anyio.move_on_after(_IDLE_AFTER_REPLY_S):
                    await idle.wait()
                both.cancel_scope.cancel()
            tasks.cancel_scope.cancel()
        if has_died:
            raise KernelDied

    async def _listen(self, message_id: str, on_message: OnMessage, idle: anyio.Event) -> None:
        while True:
            message = await self._client.get_iopub_msg()
            kind, content = message["msg_type"], message["content"]
            if kind != "status":
                if not on_message(kind, content):
                    # What still comes would only have to be thrown away.
                    self.kill()
                    return
            elif content.get("execution_state") == "idle" and _answers(message, message_id):
                idle.set()
                return

    async def _await_reply(self, message_id: str) -> None:
        while not _answers(await self._client.get_shell_msg(), message_id):
            pass

    async def serve_bridge(
        self, answer: Answerer, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Answer what the code asks of the server, until cancelled; started once it can ask."""
        path = self._folders.sockets / "bridge"
        listener = await anyio.create_unix_listener(path, mode=0o666)
        async with listener:
            task_status.started()
            await listener.serve(partial(converse, answer=answer, temp_dir=self.spec.temp_dir))

    def interrupt(self) -> None:
        """Have the running cell end with a KeyboardInterrupt, if it can."""
        message = self._client.session.msg("interrupt_request", content={})
        self._client.control_channel.send(message)

    def kill(self) -> None:
        """End it, and all that it has started, at once."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                # Its own process group; in a sandbox the rest ends with the first process.
                os.killpg(self._process.pid, signal.SIGKILL)

    def excess(self) -> str | None:
        """Which limit it is over now, if any; to be called in a thread."""
        return excess(
            self._process.pid, [self._folders.work, self._folders.files], self.spec.limits
        )

    @property
    def work(self) -> Path:
        """The folder that its code works in, as it is seen from outside."""
        return self._folders.work

    @property
    def is_alive(self) -> bool:
        """Whether it can take code."""
        return self._process.returncode is None

    async def aclose(self) -> None:
        """Kill it, wait until all that it has started is gone, and remove what it leaves behind.

        The next kernel of the tenant runs as the same user, whose processes are counted together.
        """
        self.kill()
        await self._process.wait()
        if self._first is not None:
            with anyio.move_on_after(_END_S):
                await anyio.wait_readable(self._first)
            os.close(self._first)
            self._first = None
        self._client.stop_channels()
        self._client.context.destroy(linger=0)
        for folder in (self._folders.work, self._folders.sockets):
            await to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))


def _first_inside(pid: int) -> int | None:
    """A descriptor of the first process in the sandbox, which ends after all others in it.

    None without a sandbox, and where the system has no such descriptors (Linux before 5.3).
    """
    if sys.platform != "linux":
        return None
    with suppress(psutil.Error, OSError):
        for first in psutil.Process(pid).children():
            return os.pidfd_open(first.pid)
    return None


def _answers(message: Mapping[str, Any], message_id: str) -> bool:
    return message["parent_header"].get("msg_id") == message_id


def _prepare(sandbox: Sandbox, spec: KernelSpec) -> tuple[Folders, dict[str, Any]]:
    """Make the folders of a kernel, and write down how it is reached."""
    spec.temp_dir.mkdir(parents=True, exist_ok=True)
    spec.files.mkdir(parents=True, exist_ok=True, mode=0o700)
    spec.tables.mkdir(parents=True, exist_ok=True)
    # Paths of sockets must be short; and nobody else may look into the folder.
    folders = Folders(
        work=Path(tempfile.mkdtemp(prefix="kernel-", dir=spec.temp_dir)),
        files=spec.files,
        tables=spec.tables,
        sockets=Path(tempfile.mkdtemp(prefix="lake-")),
    )
    is_isolated = sandbox.isolation is Isolation.ISOLATED
    uid = _UID_FIRST + spec.number if is_isolated and os.getuid() == 0 else None
    if not is_isolated:
        (folders.work / "files").symlink_to(spec.files)
        (folders.work / "tables").symlink_to(spec.tables)
    connection: dict[str, Any] = {
        "transport": "ipc",
        "ip": str(folders.sockets / "k"),
        **{name: number for number, name in enumerate(_PORTS, 1)},
    }
    config = {
        "connection": connection,
        "key": secrets.token_hex(16),
        "uid": uid,
        "work_dir": str(sandbox.work or folders.work),
        "bridge": str(folders.sockets / "bridge"),
        "output_bytes_max": spec.output_bytes_max,
        "limits": _process_limits(spec.limits, is_isolated=is_isolated),
    }
    if uid is not None:
        for path in (folders.work, folders.files, folders.sockets):
            os.chown(path, uid, uid)
    return folders, config


def _process_limits(limits: Limits, *, is_isolated: bool) -> dict[str, int]:
    """Limits of each single process, by the names of setrlimit(2)."""
    mib = 2**20
    found = {
        "CORE": 0,
        "FSIZE": limits.disk_mb * mib,
        # Threads and arenas reserve far more than they use, which the watchdog looks at.
        "AS": max(_ADDRESS_SPACE_MB, 4 * limits.memory_mb) * mib,
        "NOFILE": 1024,
    }
    # Counts for the whole user: only one that is nobody else's may be bounded.
    return found | ({"NPROC": 2 * limits.processes} if is_isolated else {})


async def _spawn(sandbox: Sandbox, folders: Folders, config: Mapping[str, Any]) -> Process:
    package = INSIDE if sandbox.isolation is Isolation.ISOLATED else PACKAGE
    launch = sandbox.launch([sys.executable, "-I", str(package / _BOOT)], folders)
    try:
        with (folders.sockets / "stderr").open("wb") as stderr:
            process = await anyio.open_process(
                launch.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=dict(launch.environment),
                start_new_session=True,
                pass_fds=launch.descriptors,
            )
    finally:
        launch.close()
    if process.stdin is not None:
        # When it has died already, its stderr says more than a broken pipe.
        with suppress(anyio.BrokenResourceError, OSError):
            await process.stdin.send(json.dumps(config).encode())
        await process.stdin.aclose()
    return process
