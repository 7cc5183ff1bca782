"""The first thing that runs in a sandbox: gives up what it may do, then becomes a Jupyter kernel.

Started by path; reads its configuration from stdin. See `engines/kernels/kernel.py`.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def main() -> None:
    """Become the kernel that the configuration describes; does not return."""
    config = json.loads(sys.stdin.buffer.read())
    _limit(config["limits"])
    _become(config["uid"])
    os.chdir(config["work_dir"])
    sys.path.insert(0, str(Path(__file__).parents[4]))
    _serve(config)


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def _become(uid: int | None) -> None:
    """Leave root behind; the sandbox has taken all privileges but this one already."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only here

        # Changing the user has cleared it; without a sandbox nothing has set it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def _serve(config: dict[str, Any]) -> None:
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - after the limits
    from traitlets.config import Config  # noqa: PLC0415

    from servicetsunami.engines.kernels.inside.desk import Desk  # noqa: PLC0415

    options = Config()
    options.IPKernelApp.connection_file = str(Path.cwd() / ".kernel.json")
    for name, value in config["connection"].items():
        setattr(options.IPKernelApp, name, value)
    options.Session.key = config["key"].encode()
    options.IPKernelApp.outstream_class = (
        "servicetsunami.engines.kernels.inside.streams.BoundedStream"
    )
    options.HistoryManager.enabled = False
    options.InteractiveShell.colors = "nocolor"
    app = IPKernelApp.instance(config=options)
    app.initialize([])
    Desk(app.shell, bridge=config["bridge"], output_bytes_max=config["output_bytes_max"]).lay()
    app.start()


if __name__ == "__main__":
    main()
