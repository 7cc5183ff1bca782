"""Finds the delimiter, the quote and the first row of data in a sample of delimited text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.sample import LINE_BYTES_MAX
from servicetsunami.errors import InvalidInput

_DELIMITERS = (",", "\t", ";", "|", "~", "^", "\x1f", "\x01")
# What parts the cells where there is but one column: a sign that no text contains.
_ABSENT = "\x1e"
_JUDGED_ROWS = 200
_PREAMBLE_ROWS_MAX = 20
_CONSISTENT = 0.5
_TYPED = re.compile(
    r"\s*([+-]?[\d.,]+(e[+-]?\d+)?%?|true|false|na|n/a|null|[\dT:./ Zz+-]*\d[\dT:./ Zz+-]*)?\s*",
    re.IGNORECASE,
)

Rows = list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How the text is cut into rows and cells. `width` is the usual number of cells in a row."""

    delimiter: str
    quote: str
    width: int
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the data starts: `skip_lines` physical lines come before it, header included.

    `skip_records` is the same in rows, of which a quoted one may take several lines.
    """

    dialect: Dialect
    names: tuple[str, ...]
    header: bool
    header_how: str
    skip_lines: int
    skip_records: int
    preamble: tuple[str, ...]


def find_dialect(text: str, options: ReadOptions) -> Dialect:
    """Try the usual delimiters and take the one that cuts most rows alike into typed cells."""
    quotes = [options.quote] if options.quote is not None else _quotes(text)
    delimiters = [options.delimiter] if options.delimiter else _DELIMITERS
    best: tuple[float, Dialect] | None = None
    for delimiter in delimiters:
        for quote in quotes:
            score, dialect = _judge(text, delimiter, quote)
            if best is None or score > best[0]:
                best = (score, dialect)
    if best is None or (best[0] == 0.0 and not options.delimiter):
        doubtful = _has_delimiters(text)
        quote = "" if doubtful else quotes[0]
        return Dialect(delimiter=_ABSENT, quote=quote, width=1, doubtful=doubtful)
    return best[1]


def _quotes(text: str) -> list[str]:
    singles = len(
        re.findall(r"(?:^|[,;|\t])'[^'\n]*'(?=[,;|\t\r\n]|$)", text[:65536], re.MULTILINE)
    )
    return ['"', "'"] if singles > 2 and singles > text[:65536].count('"') else ['"']


def _judge(text: str, delimiter: str, quote: str) -> tuple[float, Dialect]:
    rows = [row for row in read_rows(text, delimiter, quote, rows_max=_JUDGED_ROWS) if row]
    widths = Counter(map(len, rows))
    if not widths:
        return 0.0, Dialect(delimiter=delimiter, quote=quote, width=1)
    # The widest of equally frequent widths: a title line must not outvote a single row.
    width, alike = max(widths.items(), key=lambda item: (item[1], item[0]))
    consistency = alike / len(rows)
    cells = [cell for row in rows if len(row) == width for cell in row]
    typed = sum(1 for cell in cells if _TYPED.fullmatch(cell)) / len(cells)
    score = consistency * (1 - 0.4 / width) * (0.3 + 0.7 * typed)
    if width == 1 or consistency < _CONSISTENT:
        score = 0.0
    return score, Dialect(delimiter=delimiter, quote=quote, width=width)


def _has_delimiters(text: str) -> bool:
    lines = [line for line in text[:65536].splitlines() if line.strip()]
    return any(
        sum(1 for line in lines if sign in line) > len(lines) / 3 for sign in _DELIMITERS[:4]
    )


def read_rows(text: str, delimiter: str, quote: str, *, rows_max: int) -> Rows:
    """Cut text into at most `rows_max` rows of cells; blank lines are empty rows."""
    reader = _reader(text, delimiter, quote)
    rows: Rows = []
    try:
        for row in reader:
            rows.append(row)
            if len(rows) >= rows_max:
                break
    except csv.Error as error:
        raise InvalidInput(
            f"The text cannot be cut into cells: {error} (near line {reader.line_num}).",
            "Check the quotes there, or pass options delimiter and quote.",
        ) from error
    return rows


def _reader(text: str, delimiter: str, quote: str):  # noqa: ANN202 - csv's type has no name.
    csv.field_size_limit(LINE_BYTES_MAX)
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    lines = io.StringIO(text, newline="")
    return csv.reader(lines, delimiter=delimiter, quotechar=quote or None, quoting=quoting)


def find_layout(text: str, dialect: Dialect, options: ReadOptions) -> Layout:
    """Skip what stands above the table, and decide whether its first row is a header."""
    skip = options.skip_rows or 0
    lines = text.splitlines(keepends=True)
    reader = _reader("".join(lines[skip:]), dialect.delimiter, dialect.quote)
    preamble: list[str] = []
    above, records, first = 0, 0, []
    for row in reader:
        first = row
        given = options.skip_rows is not None or len(preamble) >= _PREAMBLE_ROWS_MAX
        if row and (given or not _is_preamble(row, dialect.width)):
            break
        if row:
            preamble.append(dialect.delimiter.join(row).strip(dialect.delimiter)[:80])
        above, records = reader.line_num, records + 1
    rows = [row for _, row in zip(range(_JUDGED_ROWS), reader, strict=False) if row]
    header, how = _is_header(first, rows, options)
    width = max(dialect.width, len(first))
    names = [*first, *[""] * (width - len(first))] if header else [""] * width
    return Layout(
        dialect=dialect,
        names=tuple(name.strip() for name in names),
        header=header,
        header_how=how,
        skip_lines=skip + above + (_line_count(first) if header else 0),
        skip_records=skip + records + (1 if header else 0),
        preamble=tuple(preamble),
    )


def _line_count(row: Sequence[str]) -> int:
    return 1 + sum(cell.count("\n") for cell in row)


def _is_preamble(row: Sequence[str], width: int) -> bool:
    filled = sum(1 for cell in row if cell.strip())
    return width > 1 and (filled <= 1 or row[0].startswith("#")) and len(row) != width


def _is_header(first: Sequence[str], rows: Rows, options: ReadOptions) -> tuple[bool, str]:
    if options.header is not None:
        return options.header, "given by you"
    if not first:
        return False, "there is no row"
    if any(_is_number(cell) for cell in first):
        years = _are_years(first, rows)
        return years, "its first row holds years" if years else "its first row holds numbers"
    columns = [[row[i] for row in rows if i < len(row)] for i in range(len(first))]
    if any(_is_text_above_values(name, cells) for name, cells in zip(first, columns, strict=True)):
        return True, "its first row is text above values of another kind"
    return _is_header_of_text(first, columns)


def _is_text_above_values(name: str, cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip()]
    fitting = sum(1 for cell in filled if _TYPED.fullmatch(cell))
    return fitting > len(filled) * 0.7 and not _TYPED.fullmatch(name)


def _is_header_of_text(first: Sequence[str], columns: Rows) -> tuple[bool, str]:
    if any(name in cells for name, cells in zip(first, columns, strict=True) if name.strip()):
        return False, "its first row occurs again below"
    if any(_TYPED.fullmatch(cell) for cell in first if cell.strip()):
        return False, "its first row holds values like those below"
    return True, "assumed, since all columns are text"


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+([.,]\d+)?\s*", cell) is not None


def _are_years(first: Sequence[str], rows: Rows) -> bool:
    """Tell whether numbers in the first row are years above values that are none."""
    numbers = [cell.strip() for cell in first if _is_number(cell)]
    if len(numbers) == len(first) or len(set(numbers)) < len(numbers):
        return False
    return all(_is_year(cell) for cell in numbers) and not any(
        _is_year(row[i].strip())
        for row in rows[:50]
        for i in range(min(len(row), len(first)))
        if _is_number(first[i])
    )


def _is_year(cell: str) -> bool:
    return re.fullmatch(r"(19|20)\d\d", cell) is not None
