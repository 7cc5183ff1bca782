"""Databricks types as Arrow has them; imports pyarrow, so it is for children only."""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from servicetsunami.engines.sql.types import Kind, SqlType, parse_type

_ATOMS: Final[Mapping[Kind, pa.DataType]] = {
    Kind.VOID: pa.null(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TINYINT: pa.int8(),
    Kind.SMALLINT: pa.int16(),
    Kind.INT: pa.int32(),
    Kind.BIGINT: pa.int64(),
    Kind.FLOAT: pa.float32(),
    Kind.DOUBLE: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.BINARY: pa.binary(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
    Kind.TIMESTAMP_NTZ: pa.timestamp("us"),
    Kind.VARIANT: pa.string(),
    Kind.YEAR_MONTH: pa.month_day_nano_interval(),
    Kind.DAY_TIME: pa.month_day_nano_interval(),
}


def arrow_type(databricks_type: str) -> pa.DataType:
    """Turn Databricks type text into an Arrow type; raises InvalidInput for what is no type."""
    return to_arrow(parse_type(databricks_type))


def to_arrow(kind: SqlType) -> pa.DataType:
    """Turn a parsed type into an Arrow type."""
    if kind.kind is Kind.DECIMAL:
        return pa.decimal128(kind.precision, kind.scale)
    if kind.kind is Kind.ARRAY:
        return pa.list_(to_arrow(kind.parts[0]))
    if kind.kind is Kind.MAP:
        return pa.map_(*map(to_arrow, kind.parts))
    if kind.kind is Kind.STRUCT:
        names = zip(kind.names, map(to_arrow, kind.parts), strict=True)
        return pa.struct(list(names))
    return _ATOMS[kind.kind]
