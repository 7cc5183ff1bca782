"""The frameworks that agents are made with, each in an environment of its own below .venv/clients.

What one of them needs is not what another needs, down to the version of the MCP SDK. Versions are
exact and checked against hashes: `frameworks/locks/NAME.txt`, made from `FRAMEWORKS` by
`uv pip compile --universal --generate-hashes --no-annotate --no-header`.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.clients.node import ROOT

FOLDER: Final = Path(__file__).parent / "frameworks"
FRAMEWORKS: Final = {
    "langchain": "langchain-mcp-adapters==0.3.2",
    "openai_agents": "openai-agents==0.24.0",
    "pydantic_ai": "pydantic-ai-slim[mcp]==2.68.0",
    "mcp_use": "mcp-use==1.7.1",
    "fastmcp": "fastmcp==4.2.3",
}
_PIP: Final = ("install", "--quiet", "--disable-pip-version-check", "--no-compile")
_TIMEOUT_S: Final = 600


class EnvironmentMissingError(Exception):
    """The packages of a framework cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one framework is installed."""

    name: str

    @property
    def folder(self) -> Path:
        return ROOT / ".venv" / "clients" / self.name

    def install(self) -> Path:
        """Install what is missing, and return its Python; raises EnvironmentMissingError."""
        python = self.folder / "bin" / "python"
        lock = FOLDER / "locks" / f"{self.name}.txt"
        installed = self.folder / "installed.txt"
        if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
            self._run(sys.executable, "-m", "venv", "--clear", str(self.folder))
            self._run(str(python), "-m", "pip", *_PIP, "--require-hashes", "-r", str(lock))
            installed.write_bytes(lock.read_bytes())
        return python

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise EnvironmentMissingError(f"{self.name}: {done.stderr[-2000:]}")

    def travel(self, url: str, token: str, way: str) -> subprocess.CompletedProcess[str]:
        """Take all steps of the journey, over `http` or `sse`."""
        script = FOLDER / "journey.py"
        return subprocess.run(
            [str(self.install()), "-P", str(script), f"of_{self.name}", url, token, way],
            # None of them is to tell its makers that it was run.
            env=os.environ | {"MCP_USE_ANONYMIZED_TELEMETRY": "false"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
