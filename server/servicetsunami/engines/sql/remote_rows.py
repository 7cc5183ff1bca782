"""Turns the cells of Databricks' JSON_ARRAY results into Arrow, as if computed here.

A cell is a text or null; what it means is said by the column's type. Nested values are JSON text.
Imports pyarrow: for children only.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from servicetsunami.engines.sql.arrow_types import to_arrow
from servicetsunami.engines.sql.types import Kind, SqlType
from servicetsunami.errors import RemoteRefused

_MONTHS: Final = re.compile(r"(?:INTERVAL ')?(-?)(\d+)-(\d+)(?:' .*)?")
_DAYS: Final = re.compile(r"(?:INTERVAL ')?(-?)(\d+) (\d+):(\d+):(\d+)(?:\.(\d{1,9}))?(?:' .*)?")
_NOT_FINITE: Final = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
_NANOS: Final = 1_000_000_000


def batches(path: Path, names: Sequence[str], types: Sequence[SqlType]) -> pa.RecordBatchReader:
    """Read a file of chunks, one JSON array of rows on each line, as batches of Arrow.

    Raises RemoteRefused, while it is read, for a cell that is not of its column's type.
    """
    schema = pa.schema([(f"c{at}", to_arrow(kind)) for at, kind in enumerate(types)])
    return pa.RecordBatchReader.from_batches(schema, _read(path, schema, names, types))


def _read(
    path: Path, schema: pa.Schema, names: Sequence[str], types: Sequence[SqlType]
) -> Iterator[pa.RecordBatch]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            rows = json.loads(line)
            if not rows:
                continue
            columns = [
                _column([row[at] for row in rows], schema.field(at).type, names[at], kind)
                for at, kind in enumerate(types)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(cells: list[Any], arrow: pa.DataType, name: str, kind: SqlType) -> pa.Array:
    try:
        return pa.array([None if cell is None else _value(cell, kind) for cell in cells], arrow)
    except (ValueError, TypeError, KeyError, InvalidOperation, pa.ArrowException) as error:
        raise RemoteRefused(
            f"Databricks gave a value in the column {name!r} that is no {kind}.",
            "Cast the column to string in the statement.",
        ) from error


def _value(cell: Any, kind: SqlType) -> Any:  # noqa: ANN401 - any cell, any value
    """One cell, or one value inside a nested one, where JSON has already been read."""
    if cell is None:
        return None
    if kind.parts:
        found = json.loads(cell) if isinstance(cell, str) else cell
        return _nested(found, kind)
    return _ATOMS[kind.kind](cell)


def _nested(found: Any, kind: SqlType) -> Any:  # noqa: ANN401 - what JSON gave
    if kind.kind is Kind.ARRAY:
        return [_value(each, kind.parts[0]) for each in found]
    if kind.kind is Kind.MAP:
        key, value = kind.parts
        # Keys that are not texts may come as pairs; as keys of an object they are texts.
        pairs = found.items() if isinstance(found, Mapping) else found
        return [(_value(k, key), _value(v, value)) for k, v in pairs]
    by_name = zip(kind.names, kind.parts, strict=True)
    return {name: _value(found.get(name), part) for name, part in by_name}


def _boolean(cell: object) -> bool:
    if cell in (True, "true"):
        return True
    if cell in (False, "false"):
        return False
    raise ValueError(cell)


def _double(cell: object) -> float:
    text = str(cell)
    return float(_NOT_FINITE.get(text, text))


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _moment(cell: object) -> datetime:
    moment = datetime.fromisoformat(str(cell))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _local_moment(cell: object) -> datetime:
    return datetime.fromisoformat(str(cell)).replace(tzinfo=None)


def _months(cell: object) -> pa.MonthDayNano:
    found = _MONTHS.fullmatch(str(cell))
    if found is None:
        raise ValueError(cell)
    months = 12 * int(found[2]) + int(found[3])
    return pa.MonthDayNano([-months if found[1] else months, 0, 0])


def _days(cell: object) -> pa.MonthDayNano:
    found = _DAYS.fullmatch(str(cell))
    if found is None:
        raise ValueError(cell)
    sign = -1 if found[1] else 1
    hours, minutes, seconds = (int(found[at]) for at in (3, 4, 5))
    nanos = int((found[6] or "").ljust(9, "0"))
    whole = ((hours * 60 + minutes) * 60 + seconds) * _NANOS + nanos
    return pa.MonthDayNano([0, sign * int(found[2]), sign * whole])


def _whole(cell: object) -> int:
    return int(str(cell))


_ATOMS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.VOID: lambda _: None,
    Kind.BOOLEAN: _boolean,
    Kind.TINYINT: _whole,
    Kind.SMALLINT: _whole,
    Kind.INT: _whole,
    Kind.BIGINT: _whole,
    Kind.FLOAT: _double,
    Kind.DOUBLE: _double,
    Kind.DECIMAL: lambda cell: Decimal(str(cell)),
    Kind.STRING: _text,
    Kind.VARIANT: _text,
    Kind.BINARY: lambda cell: base64.b64decode(cell, validate=True),
    Kind.DATE: lambda cell: date.fromisoformat(str(cell)),
    Kind.TIMESTAMP: _moment,
    Kind.TIMESTAMP_NTZ: _local_moment,
    Kind.YEAR_MONTH: _months,
    Kind.DAY_TIME: _days,
}
