"""MCP clients that others wrote, against our server: `make clients`.

Prints what each of them did; the exit code is 1 when one of them was not content.
"""

import sys
import tempfile
from pathlib import Path

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.clients.node import NodeMissingError
from tests.clients.others import Outcome, hosted, inspect, lint_schemas, main_job


def main() -> int:
    """Run every client, each with an empty data directory; the exit code."""
    console = Console(highlight=False)
    try:
        outcomes = _outcomes()
    except NodeMissingError as error:
        print(error)
        return 2
    for name, outcome in outcomes.items():
        console.print(f"[green]ok[/]     {name}" if outcome.ok else f"[red]FAILED[/] {name}")
        if not outcome.ok:
            console.print(outcome.trouble, markup=False)
    return 0 if all(outcome.ok for outcome in outcomes.values()) else 1


def _outcomes() -> dict[str, Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        return {
            "Inspector: tools/list --strict": lint_schemas(work_dir),
            "Inspector: tools/call": inspect(work_dir, "tools/call", "--tool-name=list_assets"),
            "Inspector: resources/templates/list": inspect(work_dir, "resources/templates/list"),
            "TypeScript SDK: the main job": main_job(work_dir),
            "TypeScript SDK: hosted, over HTTP": hosted(_made(work_dir / "http"), "http"),
            "TypeScript SDK: hosted, over SSE": hosted(_made(work_dir / "sse"), "sse"),
        }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
