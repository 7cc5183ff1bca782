"""MCP clients that others wrote, against our server: `make clients`.

Prints what each of them did; the exit code is 1 when one of them was not content.
"""

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.clients.environments import FRAMEWORKS, EnvironmentMissingError
from tests.clients.hosted import STEPS, Travelled, travel
from tests.clients.node import NodeMissingError
from tests.clients.others import Outcome, inspect, lint_schemas, main_job

MARKS = {"ok": "[green]ok[/]", "hidden": "-", "failed": "[red]FAILED[/]"}


def main() -> int:
    """Run every client, each with an empty data directory; the exit code."""
    console = Console(highlight=False, width=160)
    try:
        with tempfile.TemporaryDirectory() as folder:
            outcomes = _outcomes(Path(folder))
        for name, outcome in outcomes.items():
            console.print(f"[green]ok[/]     {name}" if outcome.ok else f"[red]FAILED[/] {name}")
            if not outcome.ok:
                console.print(outcome.trouble, markup=False)
        with tempfile.TemporaryDirectory() as folder:
            travelled = list(travel(Path(folder)))
    except (NodeMissingError, EnvironmentMissingError) as error:
        print(error)
        return 2
    console.print(_table(travelled))
    for each in travelled:
        if not each.is_content:
            console.print(f"{each.client} over {each.way}:\n{each.trouble}", markup=False)
    all_ok = all(outcome.ok for outcome in outcomes.values())
    return 0 if all_ok and all(each.is_content for each in travelled) else 1


def _outcomes(work_dir: Path) -> dict[str, Outcome]:
    return {
        "Inspector: tools/list --strict": lint_schemas(work_dir),
        "Inspector: tools/call": inspect(work_dir, "tools/call", "--tool-name=list_assets"),
        "Inspector: resources/templates/list": inspect(work_dir, "resources/templates/list"),
        "TypeScript SDK: the main job": main_job(work_dir),
    }


def _table(travelled: list[Travelled]) -> Table:
    """Client and transport against step; `-` for what a framework does not let one see."""
    table = Table("client", "over", *STEPS, title="Hosted, with an API key")
    for each in travelled:
        name = FRAMEWORKS.get(each.client, "@modelcontextprotocol/sdk 1.x")
        marks = [MARKS[each.steps.get(step, "failed")] for step in STEPS]
        table.add_row(escape(name), each.way, *marks)
    return table


if __name__ == "__main__":
    sys.exit(main())
