"""Shows values as Databricks' `display` does: tables as rows and columns, the rest as Jupyter."""

import math
from collections.abc import Mapping
from typing import Any

TABLE = "application/vnd.servicetsunami.table+json"
EXIT = "application/vnd.servicetsunami.exit+json"
"""Kinds of output that the server reads, beside those of Jupyter."""
ROWS_MAX = 1_000


def show(value: object = None, *_: object, **__: object) -> None:
    """Show a value in the cell's output; data frames as tables of at most 1,000 rows."""
    from IPython.display import display  # noqa: PLC0415 - after the kernel's start

    frame = as_frame(value)
    if frame is None:
        display(value)
        return
    display(table(frame), raw=True)


def register(formatters: Any) -> None:  # noqa: ANN401 - IPython's formatters, by mime type
    """Have data frames that end a cell shown as tables, too."""
    from IPython.core.formatters import JSONFormatter  # noqa: PLC0415 - after the kernel's start

    formatter = JSONFormatter()
    formatter.for_type_by_name("pandas", "DataFrame", lambda frame: table(frame)[TABLE])
    formatters[TABLE] = formatter


def as_frame(value: object) -> Any:  # noqa: ANN401 - a pandas data frame, or None
    """The pandas data frame that a value is or can be made; None for other values."""
    convert = getattr(value, "toPandas", None)
    if convert is not None:
        return convert()
    kind = type(value)
    if kind.__module__.split(".")[0] == "pandas" and kind.__name__ in {"DataFrame", "Series"}:
        return value.to_frame() if kind.__name__ == "Series" else value  # ty: ignore
    return None


def table(frame: Any) -> Mapping[str, object]:  # noqa: ANN401 - a pandas data frame
    """A data frame as the mime bundle of an output."""
    shown = frame.head(ROWS_MAX)
    rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False, name=None)]
    content = {
        "columns": [str(name) for name in frame.columns],
        "rows": rows,
        "row_count": len(frame),
    }
    return {TABLE: content, "text/plain": shown.to_string(max_rows=20)}


def _cell(value: object) -> object:
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "item"):
        return _cell(value.item())  # ty: ignore[not-callable]
    text = str(value)
    return None if text in {"NaT", "<NA>"} else text
