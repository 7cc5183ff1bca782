"""Reads one worksheet of an Excel or OpenDocument workbook."""

from __future__ import annotations

import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from servicetsunami.engines.files.inline import ValueRows
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import Corrections, Details, Source
from servicetsunami.engines.files.workspace import Workspace
from servicetsunami.errors import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

# A worksheet is unpacked in memory: this many bytes of XML are about 300 MB of cells.
_UNPACKED_BYTES_MAX = 400 * 1024**2
_LEADING_ROWS_MAX = 50


@contextmanager
def open_workbook(
    path: Path, options: ReadOptions, work: Workspace, _corrections: Corrections
) -> Generator[Source]:
    """Open a worksheet; see `open_path`. Without the option `sheet` it is the first with cells."""
    _check_size(path)
    with _whole():
        workbook = _load(path)
        name, sheet = _pick(workbook, options)
        top, header, has_header, above = _header(sheet, options)
    width = max(len(header), sheet.total_width)
    rows_total = max(1, sheet.total_height - top)
    values = ValueRows(
        keys=tuple(header) + ("",) * (width - len(header)),
        rows=lambda: _rows(sheet, top, width),
        options=options,
        basis="all rows of the sheet",
        whole_floats=True,
        on_rows=lambda rows: work.on_progress(rows, min(1.0, rows / rows_total)),
    )
    yield Source(
        reader=values.reader(),
        columns=values.columns,
        format="excel",
        details=Details(
            header=has_header,
            sheet=name,
            sheets=tuple(workbook.sheet_names),
            skipped_lines=len(above),
        ),
        warnings=[*_sheet_warnings(workbook, name, options, above), *values.warnings],
        collect_rejects=values.rejects,
    )


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    if size > _UNPACKED_BYTES_MAX:
        raise LimitExceeded(
            f"The workbook unpacks to {size:,} bytes; at most {_UNPACKED_BYTES_MAX:,} fit.",
            "Save the sheet as CSV and ingest that: CSV has no limit of size.",
        )


def _load(path: Path) -> CalamineWorkbook:
    import python_calamine  # noqa: PLC0415

    with path.open("rb") as file:
        return python_calamine.CalamineWorkbook.from_filelike(file)


@contextmanager
def _whole() -> Generator[None]:
    """Tell of a workbook that cannot be read, also of one whose parts are longer than they say."""
    import python_calamine  # noqa: PLC0415

    try:
        yield
    except (python_calamine.CalamineError, OSError) as error:
        raise InvalidInput(
            f"The workbook cannot be opened: {error}.",
            "It may be damaged or protected by a password: save it again without.",
        ) from error


def _pick(workbook: CalamineWorkbook, options: ReadOptions) -> tuple[str, CalamineSheet]:
    names = workbook.sheet_names
    if isinstance(options.sheet, int) and options.sheet <= len(names):
        return names[options.sheet - 1], workbook.get_sheet_by_index(options.sheet - 1)
    if options.sheet in names:
        return str(options.sheet), workbook.get_sheet_by_name(str(options.sheet))
    if options.sheet is not None:
        raise InvalidInput(
            f"The workbook has no sheet {options.sheet!r}.", f"Its sheets are {', '.join(names)}."
        )
    for index, name in enumerate(names):
        sheet = workbook.get_sheet_by_index(index)
        if sheet.total_height > 0:
            return name, sheet
    raise InvalidInput("The workbook has no sheet with cells.", "Check the file.")


def _header(sheet: CalamineSheet, options: ReadOptions) -> tuple[int, list[str], bool, list[str]]:
    """Find the first row of data (from 0), the names, and the texts that stand above.

    A title above the table fills fewer cells than the header; a header is a row of texts that
    fills as many as the rows below.
    """
    start = options.skip_rows or 0
    leading = [
        list(row)
        for _, row in zip(range(start + _LEADING_ROWS_MAX), sheet.iter_rows(), strict=False)
    ][start:]
    filled = [sum(1 for cell in row if cell not in ("", None)) for row in leading]
    enough = max(filled, default=0) * 0.6 if options.skip_rows is None else 1
    top = next((i for i, count in enumerate(filled) if count and count >= enough), 0)
    above = [" ".join(str(cell) for cell in row if cell not in ("", None)) for row in leading[:top]]
    first = leading[top] if leading else []
    texts = all(isinstance(cell, str) for cell in first)
    has_header = options.header if options.header is not None else texts
    names = [_name(cell) for cell in first] if has_header else [""] * len(first)
    data = start + top + (1 if has_header else 0)
    return data, names, has_header, [text for text in above if text]


def _name(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _rows(sheet: CalamineSheet, top: int, width: int) -> Iterator[tuple[int, Sequence[object]]]:
    """Give (row number as Excel shows it, cells), without empty rows."""
    first_row = sheet.start[0] if sheet.start else 0
    for number, row in enumerate(sheet.iter_rows()):
        if number < top or all(cell in ("", None) for cell in row):
            continue
        cells = [_cell(cell) for cell in row]
        yield first_row + number + 1, cells + [None] * (width - len(cells))


def _cell(value: object) -> object:
    if value == "":
        return None
    if isinstance(value, time | timedelta):
        return str(value)
    return value


def _sheet_warnings(
    workbook: CalamineWorkbook, name: str, options: ReadOptions, above: Sequence[str]
) -> Iterator[str]:
    others = [other for other in workbook.sheet_names if other != name]
    if others and options.sheet is None:
        yield f"The sheet {name!r} was read; there are also {', '.join(map(repr, others))}."
    if above:
        yield f"Rows above the table were skipped: {'; '.join(above[:3])[:200]}."
