"""Arrow types that a Delta table can keep, and which of them may meet in one column.

Imports pyarrow: for the processes that write, not for the server.
"""

import pyarrow as pa
from pyarrow import types

DECIMAL_DIGITS_MAX = 38
_LARGER_INTEGERS = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}
_TEXT = (
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_time,
    types.is_null,
)
_BINARY = (
    types.is_binary,
    types.is_large_binary,
    types.is_binary_view,
    types.is_fixed_size_binary,
)
_NAMES = {
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.date32(): "date",
}


def stored_type(arrow: pa.DataType) -> pa.DataType | None:
    """The type under which a column of this Arrow type is kept; None if there is none.

    Unsigned integers become the next larger signed ones, times of day become text, timestamps
    count microseconds (in UTC where they have a zone), and a column of nothing but NULL is text.
    """
    if isinstance(arrow, pa.BaseExtensionType):
        return stored_type(arrow.storage_type)
    if types.is_dictionary(arrow):
        return stored_type(arrow.value_type)
    if types.is_nested(arrow):
        return _stored_nested(arrow)
    return _stored_number(arrow) or _stored_scalar(arrow)


def _stored_number(arrow: pa.DataType) -> pa.DataType | None:
    if types.is_float16(arrow):
        return pa.float32()
    if types.is_decimal(arrow):
        fits = arrow.precision <= DECIMAL_DIGITS_MAX and 0 <= arrow.scale <= arrow.precision
        return pa.decimal128(arrow.precision, arrow.scale) if fits else None
    if types.is_integer(arrow) or types.is_floating(arrow):
        return _LARGER_INTEGERS.get(arrow, arrow)
    return None


def _stored_scalar(arrow: pa.DataType) -> pa.DataType | None:
    if types.is_timestamp(arrow):
        return pa.timestamp("us", "UTC" if arrow.tz else None)
    if types.is_date(arrow):
        return pa.date32()
    if types.is_boolean(arrow):
        return arrow
    if any(is_text(arrow) for is_text in _TEXT):
        return pa.string()
    return pa.binary() if any(is_binary(arrow) for is_binary in _BINARY) else None


def _stored_nested(arrow: pa.DataType) -> pa.DataType | None:
    if types.is_struct(arrow):
        fields = [(each.name, stored_type(each.type)) for each in arrow]
        return pa.struct(fields) if fields and all(kept for _, kept in fields) else None
    if types.is_map(arrow):
        key, value = stored_type(arrow.key_type), stored_type(arrow.item_type)
        return pa.map_(key, value) if key and value else None
    if types.is_union(arrow) or types.is_run_end_encoded(arrow):
        return None
    item = stored_type(arrow.value_type)
    return pa.list_(item) if item else None


def can_become(source: pa.DataType, target: pa.DataType) -> bool:
    """Tell whether rows of one stored type may be put into a column of another.

    Numbers may meet numbers, and every value is checked on the way; dates become timestamps, and
    both kinds of timestamp meet in UTC; whole numbers, dates and truth values become text.
    """
    if source == target or types.is_null(source):
        return True
    if types.is_nested(source) or types.is_nested(target):
        return _nested_can_become(source, target)
    if is_number(source) and is_number(target):
        return True
    if types.is_timestamp(target):
        return types.is_date(source) or types.is_timestamp(source)
    whole = types.is_integer(source) or types.is_decimal(source)
    return types.is_string(target) and (whole or types.is_date(source) or types.is_boolean(source))


def _nested_can_become(source: pa.DataType, target: pa.DataType) -> bool:
    if types.is_struct(source) and types.is_struct(target):
        return [each.name for each in source] == [each.name for each in target] and all(
            can_become(mine.type, theirs.type) for mine, theirs in zip(source, target, strict=True)
        )
    if types.is_list(source) and types.is_list(target):
        return can_become(source.value_type, target.value_type)
    if types.is_map(source) and types.is_map(target):
        return can_become(source.key_type, target.key_type) and can_become(
            source.item_type, target.item_type
        )
    return False


def is_number(arrow: pa.DataType) -> bool:
    """Tell whether the type is an integer, a decimal or a floating-point number."""
    return types.is_integer(arrow) or types.is_floating(arrow) or types.is_decimal(arrow)


def name_of(arrow: pa.DataType) -> str:
    """The type as Databricks SQL writes it, for messages."""
    if types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if types.is_timestamp(arrow):
        return "timestamp" if arrow.tz else "timestamp_ntz"
    return _NAMES.get(arrow, str(arrow))
