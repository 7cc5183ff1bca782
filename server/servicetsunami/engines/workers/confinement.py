"""What a child gives up before it touches anything that somebody else wrote."""

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_OOM_SCORE = "500"
_ADDRESS_SPACE_SHARE = 0.6


def confine(*, parent: int, address_space_bytes: int | None) -> None:
    """Limit this process, and tie its life to its parent's.

    `parent` is the process that forked this one: when it is gone already, this one ends here.
    Raises OSError when a limit cannot be set.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        # Fires when the forking thread ends. The template has one thread, so that is its process.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # When the machine runs out of memory, the kernel takes this one and not the server.
        # A container may forbid it, which costs nothing but this preference.
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    if os.getppid() != parent:
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if address_space_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))


def is_bloated(*, resident_max_bytes: int) -> bool:
    """Tell whether past work left this process with too little room for the next.

    True above `resident_max_bytes` of memory of its own, or above 60 % of its address space: what
    is free inside of that is in pieces. Always False where there is no /proc.
    """
    try:
        text = Path("/proc/self/statm").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    size, resident, shared = (int(pages) * resource.getpagesize() for pages in text.split()[:3])
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    is_narrow = limit != resource.RLIM_INFINITY and size > _ADDRESS_SPACE_SHARE * limit
    return is_narrow or resident - shared > resident_max_bytes


def _prctl(option: int, value: int) -> None:
    import ctypes  # noqa: PLC0415 - the server imports nothing of this

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
