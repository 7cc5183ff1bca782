"""Reads JSON: lines of objects, an array of objects, or objects one after the other."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servicetsunami.engines.files.cells import Cell, Check, text_cell
from servicetsunami.engines.files.delimited import declared_types
from servicetsunami.engines.files.engine import quoted, readable, sealed_connection
from servicetsunami.engines.files.guess import Guess
from servicetsunami.engines.files.lines import LineFinder
from servicetsunami.engines.files.names import safe_names
from servicetsunami.engines.files.options import ReadOptions
from servicetsunami.engines.files.report import ColumnReport, Corrections, Details, Source
from servicetsunami.engines.files.sample import LINE_BYTES_MAX
from servicetsunami.engines.files.shapes import Shape
from servicetsunami.engines.files.stream import TextQuery, TypedStream
from servicetsunami.engines.files.text import Text, prepare_text
from servicetsunami.engines.files.types import is_nested
from servicetsunami.engines.files.workspace import Workspace
from servicetsunami.errors import InvalidInput

if TYPE_CHECKING:
    import duckdb

_SAMPLED_RECORDS = 20_480
_SAMPLED_BYTES = 32 * 1024**2
_COLUMNS_MAX = 4_000
_LOOKED_AT_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Documents:
    """`records` is SQL that gives each document as text in the column `record`."""

    kind: str
    records: str
    reports_natively: bool


@contextmanager
def open_documents(
    path: Path, options: ReadOptions, work: Workspace, corrections: Corrections
) -> Generator[Source]:
    """Open JSON; see `open_path`."""
    text = prepare_text(path, options, corrections, directory=work.directory)
    source = work.linked(text.path)
    connection = sealed_connection(
        work.directory, source, memory_limit_mb=work.memory_limit_mb, threads=work.threads
    )
    try:
        documents = _documents(text, source, options)
        keys, guesses = _columns(connection, documents, text, options, corrections)
        names = safe_names(keys)
        cells = tuple(
            text_cell(position, name, guess, options)
            for position, (name, guess) in enumerate(zip(names.names, guesses, strict=True))
        )
        stream = TypedStream(
            connection,
            _query(documents, keys, cells, text),
            corrections=corrections,
            work=work,
        )
        yield Source(
            reader=stream.reader(),
            columns=tuple(
                ColumnReport(name=cell.name, source_name=key, type=cell.type, how=guess.how)
                for cell, key, guess in zip(cells, keys, guesses, strict=True)
            ),
            format="ndjson" if documents.kind == "newline_delimited" else "json",
            details=Details(encoding=text.encoding.name),
            warnings=[
                *text.warnings,
                *names.warnings,
                *_wrapper_warning(documents, keys, guesses),
                *(
                    f"Column {name}: {guess.warning}"
                    for name, guess in zip(names.names, guesses, strict=True)
                    if guess.warning
                ),
            ],
            collect_rejects=stream.rejects,
        )
    finally:
        connection.close()


def _wrapper_warning(
    documents: _Documents, keys: Sequence[str], guesses: Sequence[Guess]
) -> Iterator[str]:
    """An export often wraps its rows in one object: say that this is one row, not many."""
    lists = [
        key
        for key, guess in zip(keys, guesses, strict=True)
        if guess.type.startswith("array<struct")
    ]
    if documents.kind == "unstructured" and lists:
        yield (
            f"The file is one object, so it is one row; its rows may be the list {lists[0]!r}. "
            f"Query them with explode({lists[0]}), or ingest that list alone."
        )


def _documents(text: Text, source: Path, options: ReadOptions) -> _Documents:
    start = text.blocks[0].lstrip("\ufeff \t\r\n")
    name = quoted(str(source))
    if options.format == "ndjson" or (start[:1] == "{" and _is_lines(start)):
        scan = (
            f"SELECT line AS record FROM read_csv({name}, auto_detect = false, "
            "compression = 'none', delim = '\x01', quote = '', escape = '', header = false, "
            f"columns = {{'line': 'VARCHAR'}}, max_line_size = {LINE_BYTES_MAX}, "
            f"buffer_size = {LINE_BYTES_MAX * 2}, store_rejects = true, "
            "rejects_table = '$PREFIX_errors', rejects_scan = '$PREFIX_scans') "
            "WHERE trim(line, ' \t\r') <> ''"
        )
        return _Documents(kind="newline_delimited", records=scan, reports_natively=True)
    kind = "array" if start[:1] == "[" else "unstructured"
    scan = (
        f"SELECT json::VARCHAR AS record FROM read_json({name}, format = '{kind}', "
        "records = false, compression = 'none', columns = {'json': 'JSON'}, "
        f"maximum_object_size = {LINE_BYTES_MAX})"
    )
    return _Documents(kind=kind, records=scan, reports_natively=False)


def _is_lines(start: str) -> bool:
    """Tell whether most of the first lines are whole objects; a few may be broken."""
    lines = [line.strip() for line in start.split("\n", _LOOKED_AT_LINES)[:_LOOKED_AT_LINES]]
    lines = [line for line in lines if line]
    whole = sum(1 for line in lines if line.startswith("{") and line.endswith("}"))
    return len(lines) > 1 and whole * 2 > len(lines)


def _columns(
    connection: duckdb.DuckDBPyConnection,
    documents: _Documents,
    text: Text,
    options: ReadOptions,
    corrections: Corrections,
) -> tuple[list[str], list[Guess]]:
    """Infer types from a sample, but keys and nested types from every document."""
    import duckdb  # noqa: PLC0415

    try:
        shapes, count = _sampled_shapes(connection, documents, text)
        if not text.complete or count >= _SAMPLED_RECORDS:
            _add_late_keys(connection, documents, shapes)
        nested = [key for key, shape in shapes.items() if {"struct", "array"} & shape.kinds.keys()]
        if nested and (not text.complete or count >= _SAMPLED_RECORDS):
            shapes.update(_full_shapes(connection, documents, nested))
    except duckdb.Error as error:
        raise InvalidInput(
            f"The JSON cannot be read: {readable(error)}",
            "Repair it there, or write one object per line (NDJSON): then broken lines are "
            "rejected one by one.",
        ) from error
    if not shapes:
        raise InvalidInput(
            "There is no JSON object in the file.",
            "Give objects (one per row), as an array or one per line.",
        )
    keys = list(shapes)
    if len(keys) > _COLUMNS_MAX:
        raise InvalidInput(
            f"The objects have {len(keys):,} different keys; at most {_COLUMNS_MAX:,} fit a table.",
            "Keys that are data belong into an array of {key, value} objects.",
        )
    declared = declared_types(options.columns, keys, safe_names(keys).names)
    basis = f"sniffed from {count} documents"
    return keys, [
        _guess(position, shape, basis, declared.get(position), corrections)
        for position, shape in enumerate(shapes.values())
    ]


def _guess(
    position: int, shape: Shape, basis: str, declared: str | None, corrections: Corrections
) -> Guess:
    if declared:
        return Guess(type=declared, how="given by you", declared=True)
    guess = shape.guess(basis)
    if correction := corrections.columns.get(position):
        return Guess(type=correction.type, how=f"{correction.why}, so not {guess.type}")
    return guess


def _scan(documents: _Documents, prefix: str) -> str:
    return documents.records.replace("$PREFIX", prefix)


def _sampled_shapes(
    connection: duckdb.DuckDBPyConnection, documents: _Documents, text: Text
) -> tuple[dict[str, Shape], int]:
    """Take documents of the beginning and, of a large file, others from anywhere in it."""
    records = max(1, text.blocks[0].count("\n"))
    record_bytes = max(1, len(text.blocks[0]) // records)
    limit = max(100, min(_SAMPLED_RECORDS, _SAMPLED_BYTES // record_bytes))
    scan = _scan(documents, "sample")
    if text.complete:
        query = f"SELECT record FROM ({scan}) LIMIT {limit}"
    else:
        query = f"SELECT record FROM ({scan}) USING SAMPLE reservoir({limit} ROWS) REPEATABLE (1)"
    shapes: dict[str, Shape] = {}
    count = 0
    for (record,) in connection.sql(query).fetchall():
        for key, value in _parsed(record).items():
            shapes.setdefault(key, Shape(reads_dates=True)).add(value)
        count += 1
    return shapes, count


def _parsed(record: str) -> dict[str, object]:
    try:
        value = json.loads(record)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _add_late_keys(
    connection: duckdb.DuckDBPyConnection, documents: _Documents, shapes: dict[str, Shape]
) -> None:
    found = connection.sql(
        f"SELECT DISTINCT unnest(json_keys(record)) FROM ({_scan(documents, 'keys')}) "
        f"WHERE json_valid(record) AND json_type(record) = 'OBJECT' LIMIT {_COLUMNS_MAX * 2}"
    ).fetchall()
    late = [key for (key,) in found if key not in shapes]
    if late:
        shapes.update(_full_shapes(connection, documents, late))


def _full_shapes(
    connection: duckdb.DuckDBPyConnection, documents: _Documents, keys: Sequence[str]
) -> dict[str, Shape]:
    shapes = {key: Shape(reads_dates=True) for key in keys}
    pointers = ", ".join(quoted(_pointer(key)) for key in keys)
    scan = (
        f"SELECT json_extract(record, [{pointers}])::VARCHAR[] AS found "
        f"FROM ({_scan(documents, 'shapes')}) WHERE json_valid(record)"
    )
    for batch in connection.sql(scan).to_arrow_reader(2048):
        for found in batch.column(0).to_pylist():
            for shape, text in zip(shapes.values(), found, strict=True):
                if text is not None:
                    shape.add(json.loads(text))
    return shapes


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _query(
    documents: _Documents, keys: Sequence[str], cells: tuple[Cell, ...], text: Text
) -> TextQuery:
    pointers = ", ".join(quoted(_pointer(key)) for key in keys)
    columns = ", ".join(_text_sql(position, cell) for position, cell in enumerate(cells))

    def scan(prefix: str) -> str:
        found = (
            f"SELECT record, CASE WHEN json_valid(record) AND json_type(record) = 'OBJECT' "
            f"THEN record END AS document FROM ({_scan(documents, prefix)})"
        )
        lists = (
            f"SELECT record, document, json_extract(document, [{pointers}]) AS raws, "
            f"json_extract_string(document, [{pointers}]) AS strings FROM ({found})"
        )
        return f"SELECT record, document, {columns} FROM ({lists})"

    lines = None
    if documents.reports_natively:
        lines = LineFinder(
            path=text.path, newline=text.newline, skip_lines=0, one_record_per_line=True
        )
    records = max(1, text.blocks[0].count("\n"))
    return TextQuery(
        scan=scan,
        cells=cells,
        raw="record",
        row_checks=(Check(condition="document IS NULL", reason="not a JSON object"),),
        lines=lines,
        rows_estimated=text.size_bytes * records / max(1, len(text.blocks[0])),
        reports_natively=documents.reports_natively,
    )


def _text_sql(position: int, cell: Cell) -> str:
    """Numbers, booleans and nested values come as JSON text, so that "5" is not taken for 5."""
    plain = cell.type in ("string", "date", "timestamp", "timestamp_ntz", "binary")
    if plain and not is_nested(cell.type):
        return f"strings[{position + 1}] AS {cell.text}"
    return f"nullif(raws[{position + 1}]::VARCHAR, 'null') AS {cell.text}"
