"""Cells of a JSON_ARRAY result: texts or null, as Databricks writes them."""

import base64
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from servicetsunami.engines.sql.dialect.literals import java_double


def cells(batch: pa.RecordBatch, types: list[str]) -> list[list[str | None]]:
    columns = [
        [None if value is None else text(value, kind) for value in column.to_pylist()]
        for column, kind in zip(batch.columns, types, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def text(value: Any, kind: str) -> str:
    if isinstance(value, list | dict):
        return json.dumps(_nested(value), ensure_ascii=False, separators=(",", ":"))
    return str(_plain(value, kind))


def _plain(value: Any, kind: str = "") -> str:
    for python_type, write in _WRITERS.items():
        if isinstance(value, python_type):
            return write(value, kind)
    return str(value)


def _moment(value: datetime, kind: str) -> str:
    shown = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    return shown if kind == "timestamp_ntz" else shown + "Z"


def _float(value: float, kind: str) -> str:
    return java_double(value)


def _span(value: timedelta, kind: str) -> str:
    micros = value // timedelta(microseconds=1)
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    seconds, part = divmod(micros, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{sign}{day} {hour:02}:{minute:02}:{second:02}.{part:06}000"


_WRITERS: dict[type, Callable[[Any, str], str]] = {
    bool: lambda value, _: str(value).lower(),
    int: lambda value, _: str(value),
    float: _float,
    Decimal: lambda value, _: format(value, "f"),
    datetime: _moment,
    date: lambda value, _: value.isoformat(),
    timedelta: _span,
    bytes: lambda value, _: base64.b64encode(value).decode(),
    str: lambda value, _: value,
}


def _nested(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nested(each) for key, each in value.items()}
    if isinstance(value, list) and value and all(isinstance(each, tuple) for each in value):
        return {_key(key): _nested(each) for key, each in value}
    if isinstance(value, list):
        return [_nested(each) for each in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124
        return value
    return _plain(value)


def _key(key: Any) -> str:
    return key if isinstance(key, str) else _plain(key)
