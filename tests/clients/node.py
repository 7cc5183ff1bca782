"""Node and the npm packages that the real-client tests run, installed once into .venv/node.

Versions are exact and checked against the hashes of package-lock.json; no install script is run.
The Inspector needs Node 22.19 or newer, which few machines have: npm brings that as well.
"""

import fcntl
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_FOLDER = ROOT / ".venv" / "node"
_MANIFESTS = ("package.json", "package-lock.json")
_INSTALL_TIMEOUT_S = 300
NO_NPM = "npm is needed to fetch these clients; on Debian: apt-get install npm"


class NodeMissingError(Exception):
    """Node or its packages cannot be had here; the text says why."""


def has_npm() -> bool:
    """Whether `install` can work at all."""
    return shutil.which("npm") is not None


def install() -> Path:
    """Install what is missing, and return the folder that has `node_modules`.

    Raises NodeMissingError when npm is missing or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NodeMissingError(NO_NPM)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    # Two test processes may come here at once; the second one waits, and finds it done.
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current():
            _install(npm)
    return _FOLDER


def node() -> Path:
    """The Node to run them with. Raises NodeMissingError for a machine that npm has none for."""
    found = sorted((_FOLDER / "node_modules").glob("node-*-*/bin/node"))
    on_path = shutil.which("node")
    if found:
        return found[0]
    if on_path is None:
        raise NodeMissingError("npm has no Node 22 for this machine; install Node 22.19 or newer.")
    return Path(on_path)


def _is_current() -> bool:
    return all(
        (_FOLDER / f"installed-{name}").is_file()
        and (_FOLDER / f"installed-{name}").read_bytes() == (_HERE / name).read_bytes()
        for name in _MANIFESTS
    )


def _install(npm: str) -> None:
    for name in _MANIFESTS:
        shutil.copyfile(_HERE / name, _FOLDER / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        command,
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise NodeMissingError(f"npm ci failed:\n{done.stderr[-2000:]}")
    for name in _MANIFESTS:
        shutil.copyfile(_HERE / name, _FOLDER / f"installed-{name}")
