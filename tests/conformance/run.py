"""The official MCP conformance suite against our server: `make conformance`.

Prints one table; the exit code is 1 when a scenario fails that the revision requires.
"""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.clients.node import NodeMissingError, install
from tests.conformance.suite import REVISIONS, Verdict, judge, running_server

_ABSENT = "[dim]-[/]"


def main() -> int:
    """Run both revisions against one server; the exit code."""
    try:
        install()
        with running_server() as url:
            verdicts = {revision: judge(url, revision) for revision in REVISIONS}
    except NodeMissingError as error:
        print(error)
        return 2
    console = Console()
    console.print(_table(verdicts))
    unmet = 0
    for revision, found in verdicts.items():
        required = [verdict for verdict in found if verdict.required]
        failed = [verdict for verdict in required if not verdict.passed]
        unmet += len(failed)
        console.print(
            f"{revision}: {len(required) - len(failed)} of {len(required)} required scenarios pass"
        )
        for verdict in failed:
            console.print(f"  {verdict.scenario}: {'; '.join(verdict.failures)}", markup=False)
    return 1 if unmet else 0


def _table(verdicts: dict[str, list[Verdict]]) -> Table:
    """Scenarios down, revisions across; what is not required is shown as such."""
    table = Table("scenario", *verdicts)
    cells = {
        revision: {verdict.scenario: _cell(verdict) for verdict in found}
        for revision, found in verdicts.items()
    }
    for scenario in dict.fromkeys(name for found in cells.values() for name in found):
        table.add_row(scenario, *(found.get(scenario, _ABSENT) for found in cells.values()))
    return table


def _cell(verdict: Verdict) -> str:
    if verdict.passed:
        return f"[green]ok[/] ({verdict.checks_passed} checks)"
    if verdict.required:
        return "[red]FAILED[/]"
    return "[dim]fails, not required[/]"


if __name__ == "__main__":
    sys.exit(main())
