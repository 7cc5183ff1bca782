"""Runs the official conformance suite, and reads its verdicts."""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.clients import node

REVISIONS: Final = ("2025-11-25", "2026-07-28")
_PACKAGE: Final = Path("node_modules/@modelcontextprotocol/conformance")
_SUITE_TIMEOUT_S: Final = 120
_START_TIMEOUT_S: Final = 60
_STOP_TIMEOUT_S: Final = 20
_POLL_S: Final = 0.05
_FOLDER: Final = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the suite found in one scenario."""

    scenario: str
    required: bool
    checks_passed: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether something was checked, and nothing failed."""
        return self.checks_passed > 0 and not self.failures


@contextmanager
def running_server() -> Generator[str]:
    """Our server on a free port, with an empty data directory; yields its URL."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as data_dir:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.serving", data_dir, str(port)],
            cwd=node.ROOT,
        )
        try:
            _wait_until_open(process, port)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            process.wait(timeout=_STOP_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(_POLL_S)
    raise RuntimeError("The server did not start; its log is above.")


def judge(url: str, revision: str) -> list[Verdict]:
    """Run the scenarios of one revision against a server; the required ones come first.

    A required scenario that the suite did not report counts as failed.
    Raises node.NodeMissingError when the suite cannot be installed.
    """
    package = node.install() / _PACKAGE
    required = _required(package / "requirements" / f"{revision}.yaml")
    with tempfile.TemporaryDirectory() as output_dir:
        subprocess.run(
            [
                str(node.node()),
                str(package / "dist/index.js"),
                "server",
                f"--url={url}",
                f"--requirements={revision}",
                f"--output-dir={output_dir}",
            ],
            stdout=subprocess.DEVNULL,
            timeout=_SUITE_TIMEOUT_S,
            check=False,  # The verdicts are in the files.
        )
        found = _read(Path(output_dir), required)
    missing = {
        name: Verdict(scenario=name, required=True, checks_passed=0, failures=("not reported",))
        for name in required
    }
    reported = {verdict.scenario: verdict for verdict in found}
    return list((missing | reported).values())


def _required(requirements: Path) -> list[str]:
    """The scenarios that a server must pass: the list `server:` of the suite's own file."""
    section = requirements.read_text().split("\nserver:\n", 1)[1].split("\n\n", 1)[0]
    return [line.removeprefix("  - ") for line in section.splitlines()]


def _read(output_dir: Path, required: list[str]) -> list[Verdict]:
    verdicts = []
    for folder in sorted(output_dir.iterdir(), key=lambda folder: folder.stat().st_mtime_ns):
        if not (named := _FOLDER.fullmatch(folder.name)):
            continue
        checks = json.loads((folder / "checks.json").read_text())
        failed = [check for check in checks if check["status"] in {"FAILURE", "WARNING"}]
        verdicts.append(
            Verdict(
                scenario=named["scenario"],
                required=named["scenario"] in required,
                checks_passed=sum(check["status"] == "SUCCESS" for check in checks),
                failures=tuple(
                    f"{check['id']}: {check.get('errorMessage', 'failed')}" for check in failed
                ),
            )
        )
    return verdicts
