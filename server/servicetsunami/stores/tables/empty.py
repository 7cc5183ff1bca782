"""Writes a file of no rows with given columns, for results that are empty."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from servicetsunami.domain.dataset import Column
from servicetsunami.errors import InvalidInput

_TYPES: Final = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}
_DECIMAL: Final = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def write_empty(path: Path, columns: Sequence[Column]) -> None:
    """Write an Arrow file; raises InvalidInput for nested columns, which have no rows to show."""
    schema = pa.schema([pa.field(column.name, _type(column)) for column in columns])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema):
        pass


def _type(column: Column) -> pa.DataType:
    text = column.type.lower()
    decimal = _DECIMAL.fullmatch(text)
    if decimal is not None:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    found = _TYPES.get(text)
    if found is None:
        raise InvalidInput(
            f"The result has no rows, and {column.name} is of type {column.type}.",
            "Leave nested columns out where a result may be empty.",
        )
    return found
