"""The official client of vector search, installed once into .venv/ai-search, beside our own.

It brings MLflow and forty packages more, which nothing here should ever be resolved against.
"""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fakes.databricks import FakeWorkspace

REQUIREMENT = "databricks-ai-search==0.81"
_FOLDER = Path(__file__).parents[2] / ".venv" / "ai-search"
_CLIENT = Path(__file__).with_name("ai_search_client.py")
_INSTALL_TIMEOUT_S = 300
_TIMEOUT_S = 120


def run(workspace: FakeWorkspace, step: str, **arguments: Any) -> dict[str, Any]:
    """Have it do a step in a process of its own; what it says came of it."""
    asked = {
        "url": workspace.url,
        "token": workspace.token,
        "step": step,
        "arguments": arguments,
    }
    done = subprocess.run(
        [_python(), _CLIENT],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def _python() -> Path:
    """The interpreter of its environment, which is made when it is first needed."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    python, installed = _FOLDER / "bin" / "python", _FOLDER / "installed"
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.is_file() or installed.read_text() != REQUIREMENT:
            _call(sys.executable, "-m", "venv", str(_FOLDER))
            _call(str(python), "-m", "pip", "install", "--quiet", REQUIREMENT)
            installed.write_text(REQUIREMENT)
    return python


def _call(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
