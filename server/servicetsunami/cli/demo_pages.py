"""How the demo looks: one step after the other, readable at 80 columns."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from servicetsunami.cli.demo_data import DATA_NOTE
from servicetsunami.cli.showing import human_bytes

_COLUMNS_SHOWN = 8
_WARNINGS_SHOWN = 3
_WIDTH_MAX = 100
_INDENT = (0, 0, 0, 2)


class DemoPages:
    """Prints the demo as it goes."""

    def __init__(self, out: Console | None = None) -> None:
        self._out = out or Console(highlight=False)
        self._out.width = min(self._out.width, _WIDTH_MAX)
        self._step = 0

    def opening(self, data_dir: Path) -> None:
        """Say what is going to happen, and where."""
        self._out.print(Text("ServiceTsunami MCP: the main job, on real data", style="bold"))
        self._out.print(Text(f"{DATA_NOTE}, kept in {data_dir}", style="dim"))

    def tools(self, tools: Sequence[tuple[str, str]], *, seconds: float) -> None:
        """List the tools that a model gets."""
        self._heading("Start the server over stdio, and ask for its tools", seconds)
        table = _table(header=False)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for name, purpose in tools:
            table.add_row(name, purpose)
        self._show(table)

    def ingest_opening(self, *, again: bool) -> None:
        """Begin the report of what was ingested."""
        self._heading(
            "The datasets of an earlier run (--fresh starts over)" if again else "Ingest five files"
        )

    def ingested(self, name: str, file: str, report: Mapping[str, Any], *, seconds: float) -> None:
        """Report a new dataset: how much, how fast, and what was odd about the file."""
        line = self._line(name, report)
        rate = report["rows_written"] / max(seconds, 0.001)
        line.append(f"  {seconds:5.2f} s", style="green")
        line.append(f"  {file}", style="dim")
        if report["rows_written"] > 100_000:
            line.append(f", {rate:,.0f} rows/s", style="dim")
        self._show(line)
        if report["rejected_rows"]:
            self._show(Text(f"        {report['rejected_rows']} rows rejected", style="yellow"))
        for warning in report["warnings"][:_WARNINGS_SHOWN]:
            self._show(Padding(Text(warning, style="yellow"), (0, 0, 0, 10)))

    def reused(self, name: str, asset: Mapping[str, Any]) -> None:
        """Mention a dataset of an earlier run."""
        self._show(self._line(name, asset))

    def described(self, asset: Mapping[str, Any], *, seconds: float) -> None:
        """Show the columns of a dataset with their ranges."""
        self._heading(f"Describe {asset['name']}", seconds)
        table = _table()
        for name in ("column", "type", "nulls", "from", "to"):
            table.add_column(name, justify="right" if name == "nulls" else "left", no_wrap=True)
        columns = asset["columns"]
        for column in columns[:_COLUMNS_SHOWN]:
            nulls = column.get("nulls")
            table.add_row(
                column["name"],
                Text(column["type"], style="cyan"),
                "" if nulls is None else f"{nulls:,}",
                *cells([column.get("min"), column.get("max")], separators=False),
            )
        self._show(table)
        if len(columns) > _COLUMNS_SHOWN:
            rest = ", ".join(column["name"] for column in columns[_COLUMNS_SHOWN:])
            self._show(Text(f"and {rest}", style="dim"))

    def changed(self, report: Mapping[str, Any], *, first: int, seconds: float) -> None:
        """Show that a dataset has a new version."""
        self._heading("Correct a row of airlines with a merge", seconds)
        self._show(
            Text(f"Version {first} stays readable; version {report['version']} is the new one.")
        )

    def answer(self, asked: str, sql: str, answer: Mapping[str, Any], *, seconds: float) -> None:
        """Show a question, its SQL, and the answer as a table."""
        self._heading(asked, seconds)
        self._show(Syntax(sql, "sql", theme="ansi_dark", background_color="default"))
        columns = [
            [row[index] for row in answer["rows"]] for index in range(len(answer["columns"]))
        ]
        table = _table()
        for column, values in zip(answer["columns"], columns, strict=True):
            numeric = any(isinstance(value, int | float) for value in values)
            table.add_column(column["name"], justify="right" if numeric else "left")
        for row in zip(*map(cells, columns), strict=True):
            table.add_row(*row)
        self._out.print()
        self._show(table)
        read = ", ".join(f"{each['table']} version {each['version']}" for each in answer["tables"])
        self._show(Text(f"computed: {answer['ran_on']}, from {read}", style="dim"))

    def closing(self, data_dir: Path, *, typed: str, seconds: float) -> None:
        """Say what to type next; `typed` is how this command can be typed here."""
        self._out.print()
        self._out.print(Text(f"All of it took {seconds:.1f} s. What to type next:", style="bold"))
        table = _table(header=False)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(style="dim")
        for command, purpose in (
            (f"{typed} init --client claude-desktop", "or another client"),
            (f"{typed} doctor", "is everything in order?"),
            (f"{typed} status", "what is stored"),
        ):
            table.add_row(command, purpose)
        self._show(table)
        self._out.print("To ask your client about these flights, set it up with the demo's data:")
        line = f"  {typed} --data-dir {data_dir} init --client claude-code"
        self._out.print(Text(line, style="cyan"), soft_wrap=True)
        self._out.print('Then ask: "Which day of 2013 had the most cancelled flights, and why?"')

    def _heading(self, title: str, seconds: float | None = None) -> None:
        self._step += 1
        line = Text.assemble((f"{self._step}. {title}", "bold"))
        if seconds is not None:
            line.append(f"  {took(seconds)}", style="green")
        self._out.print()
        self._out.print(line)

    def _line(self, name: str, asset: Mapping[str, Any]) -> Text:
        size = human_bytes(asset["size_bytes"])
        return Text.assemble((f"{name:<9}", "cyan"), f"{asset['row_count']:>8,} rows  {size:>8}")

    def _show(self, content: Table | Text | Syntax | Padding) -> None:
        self._out.print(Padding(content, _INDENT, expand=False))


def _table(*, header: bool = True) -> Table:
    return Table(box=None, show_header=header, header_style="dim", pad_edge=False)


def cells(values: Sequence[object], *, separators: bool = True) -> list[str]:
    """One column as it stands in a table, its whole numbers all written alike."""
    large = any(isinstance(value, int) and abs(value) >= 10_000 for value in values)
    return [_cell(value, separators=separators and large) for value in values]


def _cell(value: object, *, separators: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if separators and isinstance(value, int):
        return f"{value:,}"
    return json.dumps(value)


def took(seconds: float) -> str:
    """How long a step took."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
