"""Reads CSV, TSV and every other delimited text: sniffed here, parsed by DuckDB."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from servicetsunami.engines.files.cells import Cell, text_cell
from servicetsunami.engines.files.dialect import (
    Dialect,
    Layout,
    Rows,
    find_dialect,
    find_layout,
    read_rows,
)
from servicetsunami.engines.files.encodings import guess_legacy
from servicetsunami.engines.files.engine import quoted, sealed_connection
from servicetsunami.engines.files.guess import (
    FIT_SHARE_MIN,
    Guess,
    guess_column,
    uses_decimal_comma,
)
from servicetsunami.engines.files.lines import LineFinder
from servicetsunami.engines.files.names import SafeNames, safe_names
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import ColumnReport, Corrections, Details, Source
from servicetsunami.engines.files.sample import LINE_BYTES_MAX
from servicetsunami.engines.files.stream import RAW_CHARACTERS_MAX, TextQuery, TypedStream
from servicetsunami.engines.files.text import Text, prepare_text
from servicetsunami.engines.files.workspace import Workspace
from servicetsunami.errors import InvalidInput

SAMPLED_ROWS = 8_192
_JUDGED_CHARACTERS = 256 * 1024
_COLUMNS_MAX = 4_000
_REJECTED_LINES_MAX = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    text: Text
    layout: Layout
    names: SafeNames
    guesses: tuple[Guess, ...]
    padded: bool
    row_bytes: float


@contextmanager
def open_delimited(
    path: Path, options: ReadOptions, work: Workspace, corrections: Corrections
) -> Generator[Source]:
    """Open delimited text; see `open_path`."""
    text = prepare_text(path, options, corrections, directory=work.directory)
    plan = _plan(text, options, corrections)
    source = work.linked(text.path)
    connection = sealed_connection(
        work.directory, source, memory_limit_mb=work.memory_limit_mb, threads=work.threads
    )
    try:
        cells = tuple(
            text_cell(position, name, guess, options)
            for position, (name, guess) in enumerate(
                zip(plan.names.names, plan.guesses, strict=True)
            )
        )
        query = _query(plan, source, cells, options)
        stream = TypedStream(connection, query, corrections=corrections, work=work)
        yield Source(
            reader=stream.reader(),
            columns=_reports(plan, cells),
            format="csv",
            details=_details(plan, options),
            warnings=_warnings(plan),
            collect_rejects=stream.rejects,
        )
    finally:
        connection.close()


def _plan(text: Text, options: ReadOptions, corrections: Corrections) -> _Plan:
    head = _judged_head(text)
    dialect = find_dialect(head, options)
    layout = find_layout(head, dialect, options)
    width = len(layout.names)
    if width > _COLUMNS_MAX:
        raise InvalidInput(
            f"The file has {width:,} columns; at most {_COLUMNS_MAX:,} can be ingested.",
            "Check the delimiter, or turn columns into rows first.",
        )
    rows, sampled_bytes = _sampled_rows(text, layout)
    fitting = [row for row in rows if len(row) == width]
    padded = _is_padded(rows, width)
    if padded:
        fitting = [row + [""] * (width - len(row)) for row in rows if len(row) <= width]
    columns = [[row[i] for row in fitting] for i in range(width)]
    names = safe_names(layout.names)
    return _Plan(
        text=text,
        layout=layout,
        names=names,
        guesses=tuple(_guesses(columns, layout, names, options, corrections)),
        padded=padded,
        row_bytes=sampled_bytes / max(1, len(rows)),
    )


def _judged_head(text: Text) -> str:
    """Give enough whole lines to judge by: more would only cost time."""
    head = text.blocks[0]
    end = head.find("\n", _JUDGED_CHARACTERS)
    return head if end < 0 else head[: end + 1]


def _is_padded(rows: Rows, width: int) -> bool:
    """Tell whether short rows are the writer's habit; a footer, or one odd row, is not."""
    short = [number for number, row in enumerate(rows) if len(row) < width]
    footer = len(rows) - len(short)
    return len(short) > max(1, len(rows) * (1 - FIT_SHARE_MIN)) and short[0] < footer


def _sampled_rows(text: Text, layout: Layout) -> tuple[Rows, float]:
    """Give rows of the beginning and of blocks further on, and how many bytes they take."""
    dialect = layout.dialect
    head = text.blocks[0].splitlines(keepends=True)[layout.skip_lines :]
    rows_max = SAMPLED_ROWS if len(text.blocks) == 1 else SAMPLED_ROWS // 2
    rows = _filled_rows("".join(head), dialect, rows_max)
    sampled_bytes = len(text.blocks[0]) * len(rows) / max(1, len(rows), len(head))
    for block in text.blocks[1:]:
        rows += _filled_rows(block, dialect, SAMPLED_ROWS // 32)
    return rows, max(1.0, sampled_bytes * len(rows) / max(1, min(len(rows), rows_max)))


def _filled_rows(text: str, dialect: Dialect, rows_max: int) -> Rows:
    rows = read_rows(text, dialect.delimiter, dialect.quote, rows_max=rows_max)
    return [row for row in rows if row]


def _guesses(
    columns: Sequence[Sequence[str]],
    layout: Layout,
    names: SafeNames,
    options: ReadOptions,
    corrections: Corrections,
) -> Iterator[Guess]:
    declared = declared_types(options.columns, layout.names, names.names)
    comma = (
        options.decimal_separator == ","
        if options.decimal_separator
        else uses_decimal_comma(columns, delimiter=layout.dialect.delimiter)
    )
    for position, cells in enumerate(columns):
        if kind := declared.get(position):
            yield _declared(kind, cells, options, comma=comma)
            continue
        guess = guess_column(_without(cells, options), options, decimal_comma=comma)
        if correction := corrections.columns.get(position):
            same = correction.type == guess.type
            how = (
                f"{guess.how}; {correction.why}"
                if same
                else f"{correction.why}, so not {guess.type}"
            )
            guess = Guess(type=correction.type, how=how, decimal_comma=guess.decimal_comma)
        yield guess


def _without(cells: Sequence[str], options: ReadOptions) -> Sequence[str]:
    if not options.null_values:
        return cells
    return ["" if cell in options.null_values else cell for cell in cells]


def _declared(kind: str, cells: Sequence[str], options: ReadOptions, *, comma: bool) -> Guess:
    form = {
        "date": options.date_format,
        "timestamp": options.timestamp_format,
        "timestamp_ntz": options.timestamp_format,
    }.get(kind)
    if form is None and kind in ("date", "timestamp", "timestamp_ntz"):
        form = guess_column(cells, options, decimal_comma=False).format
    return Guess(type=kind, how="given by you", format=form, declared=True, decimal_comma=comma)


def declared_types(
    given: Mapping[str, str], sources: Sequence[str], names: Sequence[str]
) -> dict[int, str]:
    """Find the positions of columns that the caller named; raises InvalidInput for others."""
    places = {name.casefold(): i for i, name in reversed(list(enumerate(sources))) if name}
    places |= {name.casefold(): i for i, name in enumerate(names)}
    declared: dict[int, str] = {}
    for name, kind in given.items():
        if name.casefold() not in places:
            near = get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise InvalidInput(
                f"There is no column {name!r} to give the type {kind}.",
                f"{hint}The columns are {', '.join(names[:50])}.",
            )
        declared[places[name.casefold()]] = kind
    return declared


def _query(plan: _Plan, source: Path, cells: tuple[Cell, ...], options: ReadOptions) -> TextQuery:
    dialect = plan.layout.dialect
    arguments = {
        "auto_detect": "false",
        "compression": "'none'",
        "delim": quoted(dialect.delimiter),
        "quote": quoted(dialect.quote),
        "escape": quoted(dialect.quote),
        "header": "false",
        "skip": str(plan.layout.skip_records),
        "nullstr": f"[{', '.join(map(quoted, ('', *options.null_values)))}]",
        "columns": "{" + ", ".join(f"'t{i}': 'VARCHAR'" for i in range(len(cells))) + "}",
        "max_line_size": str(LINE_BYTES_MAX),
        "buffer_size": str(LINE_BYTES_MAX * 2),
        "null_padding": str(plan.padded).lower(),
        "parallel": str(not plan.padded).lower(),
        "store_rejects": "true",
        "rejects_limit": str(_REJECTED_LINES_MAX),
        "rejects_line_size_limit": str(RAW_CHARACTERS_MAX),
    }
    written = ", ".join(f"{name} = {value}" for name, value in arguments.items())

    def scan(prefix: str) -> str:
        tables = f"rejects_table = '{prefix}_errors', rejects_scan = '{prefix}_scans'"
        return f"SELECT * FROM read_csv({quoted(str(source))}, {written}, {tables})"

    texts = ", ".join(f"coalesce({cell.text}, '')" for cell in cells)
    return TextQuery(
        scan=scan,
        cells=cells,
        raw=f"concat_ws({quoted(dialect.delimiter)}, {texts})",
        lines=LineFinder(
            path=plan.text.path, newline=plan.text.newline, skip_lines=plan.layout.skip_lines
        ),
        rows_estimated=plan.text.size_bytes / plan.row_bytes,
        reports_natively=True,
        learn_encoding=lambda offsets: _late_encoding(plan.text, offsets),
    )


def _late_encoding(text: Text, offsets: list[int]) -> str | None:
    """Judge the lines that are not UTF-8, if nothing before them was anything but ASCII."""
    if not text.encoding.ascii_only:
        return None
    lines: list[bytes] = []
    with text.path.open("rb") as file:
        for offset in offsets[:200]:
            file.seek(offset)
            lines.append(file.readline(4096))
    return guess_legacy(b"\n".join(lines)).name


def _reports(plan: _Plan, cells: Sequence[Cell]) -> tuple[ColumnReport, ...]:
    return tuple(
        ColumnReport(name=cell.name, source_name=source, type=cell.type, how=guess.how)
        for cell, source, guess in zip(cells, plan.layout.names, plan.guesses, strict=True)
    )


def _details(plan: _Plan, options: ReadOptions) -> Details:
    layout = plan.layout
    comma = any(guess.decimal_comma for guess in plan.guesses)
    formats = {
        name: guess.format
        for name, guess in zip(plan.names.names, plan.guesses, strict=True)
        if guess.format
    }
    return Details(
        encoding=plan.text.encoding.name,
        delimiter=layout.dialect.delimiter if len(layout.names) > 1 else None,
        quote=layout.dialect.quote,
        header=layout.header,
        skipped_lines=layout.skip_lines - (1 if layout.header else 0),
        date_formats=formats,
        decimal_separator="," if comma else options.decimal_separator,
    )


def _warnings(plan: _Plan) -> list[str]:
    layout = plan.layout
    warnings = [*plan.text.warnings, *_layout_warnings(layout)]
    if layout.header:
        warnings += plan.names.warnings
    if plan.padded:
        warnings.append(
            "More than 1 % of the rows have too few cells: what is missing at their end is null."
        )
    warnings += [
        f"Column {name}: {guess.warning}"
        for name, guess in zip(plan.names.names, plan.guesses, strict=True)
        if guess.warning
    ]
    return warnings


def _layout_warnings(layout: Layout) -> list[str]:
    warnings: list[str] = []
    if layout.dialect.doubtful:
        warnings.append(
            "No delimiter cuts the rows into an equal number of cells, so the file was read as "
            "ONE column. Pass the options delimiter and skip_rows if it has more."
        )
    if layout.preamble:
        shown = "; ".join(layout.preamble[:3])
        warnings.append(f"{len(layout.preamble)} lines above the table were skipped: {shown}.")
    if not layout.header:
        warnings.append(
            f"There seems to be no header ({layout.header_how}): the columns are called column_1 "
            "and so on. Pass header=true if the first row is one."
        )
    elif layout.header_how.startswith("assumed"):
        warnings.append(f"The first row was taken as the header ({layout.header_how}).")
    return warnings
