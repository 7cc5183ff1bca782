"""How results look: coloured and aligned for a person, plain when piped, JSON when asked."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from servicetsunami.cli.doctor import Check, Level
from servicetsunami.cli.status import USAGE_PERIOD, Status
from servicetsunami.domain.redaction import redacted
from servicetsunami.errors import ServerError

_LOOKS = {Level.OK: ("ok", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "red")}


def console() -> Console:
    """Where results go; without colours when that is not a terminal."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def show_error(error: ServerError) -> None:
    """Say on stderr what failed and what to do."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print(Text.assemble(("error: ", "bold red"), redacted(error.what)))
    errors.print(Text(f"       {redacted(error.next_step)}"))


def show_checks(checks: Sequence[Check]) -> None:
    """One line for each check, and the fix below what is not well."""
    out = console()
    table = Table(box=None, show_header=False, pad_edge=False, expand=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for check in checks:
        word, style = _LOOKS[check.level]
        detail = Text(check.detail)
        if check.fix:
            detail.append(f"\nfix: {check.fix}", style="cyan")
        table.add_row(Text(word, style=style), check.name, detail)
    out.print(table)
    worst = max(check.level for check in checks)
    verdict = {
        Level.OK: "Everything is in order.",
        Level.WARN: "It works; see the warnings.",
        Level.FAIL: "Something needs to be fixed.",
    }
    out.print(Text(verdict[worst], style=_LOOKS[worst][1]))


def show_status(status: Status) -> None:
    """The state in a few lines, and the calls of the last days."""
    out = console()
    if not status.exists:
        out.print(f"{status.data_dir}: nothing here yet.")
        out.print("The first ingest creates it; `servicetsunami demo` shows how.")
        return
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("data directory", str(status.data_dir))
    size = f"{status.row_count:,} rows, {human_bytes(status.size_bytes)}"
    facts.add_row("datasets", f"{status.datasets:,}: {size}")
    facts.add_row("outbox", _outbox(status))
    out.print(facts)
    if status.usage:
        out.print(_usage(status))


def _outbox(status: Status) -> str:
    if status.outbox_oldest_at is None:
        return "empty"
    age = datetime.now(UTC) - status.outbox_oldest_at
    waiting = f"{status.outbox_items:,} waiting for a Databricks workspace"
    if status.outbox_parked:
        waiting += f", {status.outbox_parked:,} parked"
    return f"{waiting}, the oldest for {human_seconds(age.total_seconds())}"


def _usage(status: Status) -> Table:
    table = Table(
        title=f"\nCalls of the last {USAGE_PERIOD.days} days",
        title_justify="left",
        title_style="bold",
        box=None,
        header_style="dim",
        pad_edge=False,
    )
    for name in ("tool", "calls", "failed", "rows", "bytes", "seconds"):
        table.add_column(name, justify="left" if name == "tool" else "right")
    for each in status.usage:
        table.add_row(
            each.tool,
            f"{each.calls:,}",
            f"{each.failures:,}",
            f"{each.rows:,}",
            human_bytes(each.size_bytes),
            f"{each.seconds:,.1f}",
        )
    return table


def human_bytes(count: int) -> str:
    """A size in decimal units, with three significant digits."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{value:,.0f} TB"


def human_seconds(seconds: float) -> str:
    """A length of time in its largest unit."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
