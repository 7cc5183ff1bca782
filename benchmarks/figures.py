"""One measured figure, and the table of them all."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

HEADER = ("figure", "ours", "baseline", "ratio", "target", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of ours, the baseline it is compared with, and what we want of both.

    `ours_max` and `ours_min` bound the figure itself, `ratio_max` and `ratio_min` its ratio to the
    baseline. A figure without a bound is there to be read.
    """

    name: str
    unit: str
    ours: float
    baseline: float | None = None
    ours_max: float | None = None
    ours_min: float | None = None
    ratio_max: float | None = None
    ratio_min: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the baseline."""
        return self.ours / self.baseline if self.baseline else None

    @property
    def ok(self) -> bool:
        """Whether every bound is kept."""
        ratio = self.ratio or 0.0
        return (
            (self.ours_max is None or self.ours <= self.ours_max)
            and (self.ours_min is None or self.ours >= self.ours_min)
            and (self.ratio_max is None or ratio <= self.ratio_max)
            and (self.ratio_min is None or ratio >= self.ratio_min)
        )

    @property
    def target(self) -> str:
        """The bounds in words."""
        bounds = (
            ("<= {} " + self.unit, self.ours_max),
            (">= {} " + self.unit, self.ours_min),
            ("<= {}x", self.ratio_max),
            (">= {}x", self.ratio_min),
        )
        return ", ".join(text.format(f"{bound:,g}") for text, bound in bounds if bound is not None)

    def cells(self) -> tuple[str, ...]:
        """One row of the table."""
        return (
            self.name,
            f"{_round(self.ours)} {self.unit}",
            f"{_round(self.baseline)} {self.unit}" if self.baseline else "",
            f"{self.ratio:.2f}x" if self.ratio else "",
            self.target,
            ("ok" if self.ok else "OVER") if self.target else "",
        )


def as_table(figures: Sequence[Figure]) -> Table:
    """The table for a terminal."""
    table = Table(*HEADER)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:4]:
        column.justify = "right"
    for figure in figures:
        table.add_row(*figure.cells(), style=None if figure.ok else "red")
    return table


def as_markdown(figures: Sequence[Figure]) -> str:
    """The table for a page."""
    rule = ("---", "---:", "---:", "---:", "---", "---")
    rows = [HEADER, rule, *(figure.cells() for figure in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _round(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
