"""Runs MCP clients that others wrote, over stdio, as users start our server."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.clients import node
from tests.models.making import regressor

COMMAND: Final = (sys.executable, "-P", "-m", "servicetsunami")
SERVER: Final = (*COMMAND, "serve")
_INSPECTOR: Final = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
_TIMEOUT_S: Final = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one client got on: whether it was content, and what it printed."""

    ok: bool
    stdout: str
    stderr: str

    @property
    def trouble(self) -> str:
        """What to read when it was not content."""
        return f"{self.stdout[-600:]}\n{self.stderr[-4000:]}".strip()


def inspect(work_dir: Path, method: str, *options: str) -> Outcome:
    """Call one method with the MCP Inspector's command line."""
    data_dir = f"SERVICETSUNAMI_DATA_DIR={work_dir / 'data'}"
    return run_script(
        _INSPECTOR,
        "--cli",
        f"--method={method}",
        *options,
        "-e",
        data_dir,
        "--",
        *SERVER,
        work_dir=work_dir,
    )


def lint_schemas(work_dir: Path) -> Outcome:
    """List the tools, and let the Inspector say what other clients may not understand."""
    listed = inspect(work_dir, "tools/list", "--strict")
    return replace(listed, ok=listed.ok and "Warning:" not in listed.stderr)


def main_job(work_dir: Path) -> Outcome:
    """Do the main job with the TypeScript SDK; prints a sentence for each step done."""
    (work_dir / "age.onnx").write_bytes(regressor())
    return run_script(
        str(Path(__file__).parent / "main_job.mjs"), str(work_dir), *SERVER, work_dir=work_dir
    )


def answer(outcome: Outcome) -> Any:
    """The JSON that the Inspector printed."""
    return json.loads(outcome.stdout)


def run_script(*arguments: str, work_dir: Path) -> Outcome:
    """Run a script with Node, where the packages are."""
    folder = node.install()
    done = subprocess.run(
        [str(node.node()), *arguments],
        cwd=folder,
        env=os.environ | {"HOME": str(work_dir)},  # The Inspector keeps a settings file there.
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return Outcome(ok=done.returncode == 0, stdout=done.stdout, stderr=done.stderr)
