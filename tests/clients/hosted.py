"""Every framework, and the TypeScript SDK, at one hosted server, with an API key."""

import os
import re
import subprocess
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.clients.environments import FRAMEWORKS, Environment
from tests.clients.others import COMMAND, run_script
from tests.hosted.serving import HttpServer, http_server

WAYS: Final = ("http", "sse")
STEPS: Final = (
    *("connect", "wrong token", "list", "ingest", "query", "notebook"),
    *("follow", "cancel", "error", "progress"),
)
_AT_ONCE: Final = 3
"""Much of the time they wait."""
_LINE: Final = re.compile(r"^(ok|hidden|failed) ([a-z ]+?)(?: \(|:|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelled:
    """How one client got on over one transport: what became of each step."""

    client: str
    way: str
    steps: dict[str, str]
    trouble: str

    @property
    def is_content(self) -> bool:
        """Whether all steps were taken; what a framework hides from its users is no fault."""
        return {*self.steps} == {*STEPS} and "failed" not in self.steps.values()


@contextmanager
def key_and_server(work_dir: Path) -> Generator[tuple[str, HttpServer]]:
    """A server with a tenant, and its key, which may read, write and run."""
    environment = os.environ | {"SERVICETSUNAMI_DATA_DIR": str(work_dir / "data")}
    scopes = [f"--scope=lake:{scope}" for scope in ("read", "write", "run")]
    made = subprocess.run(
        [*COMMAND, "token", "create", "--tenant=acme", "--name=agent", *scopes],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    with http_server(work_dir, SERVICETSUNAMI_AUTH="true") as server:
        yield made.stdout.strip(), server


def travel(work_dir: Path) -> Iterator[Travelled]:
    """All clients over all transports, some at once; each as it has ended."""
    for name in FRAMEWORKS:
        Environment(name).install()
    with key_and_server(work_dir) as (key, server), ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [(name, way) for name in ("typescript", *FRAMEWORKS) for way in WAYS]
        yield from pool.map(lambda each: _one(*each, server.url, key, work_dir), asked)


def _one(name: str, way: str, url: str, key: str, work_dir: Path) -> Travelled:
    if name == "typescript":
        return typescript(way, url, key, work_dir)
    done = Environment(name).travel(url, key, way)
    return _told(name, way, done.stdout, done.stderr)


def typescript(way: str, url: str, key: str, work_dir: Path) -> Travelled:
    """The official TypeScript SDK 1.x."""
    script = str(Path(__file__).parent / "hosted.mjs")
    done = run_script(script, url, key, way, work_dir=work_dir)
    return _told("typescript", way, done.stdout, done.stderr)


def _told(client: str, way: str, stdout: str, stderr: str) -> Travelled:
    steps = {step: outcome for outcome, step in _LINE.findall(stdout)}
    trouble = f"{stdout[-1500:]}\n{stderr[-3000:]}".strip()
    return Travelled(client=client, way=way, steps=steps, trouble=trouble)
