"""Brings incoming rows into the form of a table: names, types, order, missing columns.

Imports pyarrow: for the processes that write, not for the server.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from servicetsunami.errors import InvalidInput
from servicetsunami.stores.tables.types import DECIMAL_DIGITS_MAX, can_become, name_of, stored_type

_FORBIDDEN = re.compile(r"[ ,;{}()\n\t=]")
"""What Databricks refuses in the column names of a table without column mapping."""


@dataclass(frozen=True, slots=True)
class Conformed:
    """How rows of one schema become rows of another.

    `schema` is what comes out; `sources[i]` is the incoming column for output column i, or None
    where it stays NULL. `added` are the columns that the table does not have yet.
    """

    schema: pa.Schema
    sources: tuple[int | None, ...]
    added: tuple[str, ...] = ()

    def batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """The rows in their new form, as they come.

        Raises InvalidInput, naming the column, for a value that the table's type cannot hold.
        """
        for batch in reader:
            arrays = [
                pa.nulls(batch.num_rows, field.type)
                if source is None
                else _cast(batch.column(source), field)
                for field, source in zip(self.schema, self.sources, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def conform_new(incoming: pa.Schema) -> Conformed:
    """Plan a table for these rows alone; raises InvalidInput for names and types it cannot have."""
    _check_names(incoming.names)
    fields = [pa.field(each.name, _stored(each)) for each in incoming]
    return Conformed(pa.schema(fields), tuple(range(len(incoming))))


def conform_to(incoming: pa.Schema, table: pa.Schema, *, fill_missing: bool) -> Conformed:
    """Plan how rows join a table: names meet in any case, new columns go to the end.

    With `fill_missing`, columns that the rows lack are NULL; without, they are left out. Raises
    InvalidInput, naming the column and both types, where the types cannot meet.
    """
    _check_names(incoming.names)
    places = {each.name.lower(): place for place, each in enumerate(incoming)}
    fields: list[pa.Field] = []
    sources: list[int | None] = []
    for field in table:
        place = places.pop(field.name.lower(), None)
        if place is not None:
            _check_types(incoming.field(place), field)
        if place is not None or fill_missing:
            fields.append(pa.field(field.name, field.type, field.nullable))
            sources.append(place)
    added = [
        pa.field(incoming.field(place).name, _stored(incoming.field(place)))
        for place in places.values()
    ]
    return Conformed(
        pa.schema([*fields, *added]),
        (*sources, *places.values()),
        tuple(each.name for each in added),
    )


def _check_names(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip() or _FORBIDDEN.search(name):
            raise InvalidInput(
                f"The column name {name!r} is empty or has a character that tables cannot have.",
                "Rename it: letters, digits and _ always work; spaces and ,;{}()= never do.",
            )
        other = seen.setdefault(name.lower(), name)
        if other is not name:
            raise InvalidInput(
                f"The columns {other!r} and {name!r} differ in nothing but case, or not at all.",
                "Rename one of them: column names are compared without case.",
            )


def _check_types(incoming: pa.Field, column: pa.Field) -> None:
    # A column without any value arrives as text, since nothing told its type: `_cast` looks.
    if types.is_null(incoming.type) or types.is_string(incoming.type):
        return
    if not can_become(_stored(incoming), column.type):
        raise _mismatch(column, _stored(incoming))


def _mismatch(column: pa.Field, incoming: pa.DataType) -> InvalidInput:
    return InvalidInput(
        f"The column {column.name!r} is {name_of(column.type)} in the dataset but "
        f"{name_of(incoming)} in the new rows.",
        "Convert the new rows, or use mode 'overwrite' to replace the dataset and its schema.",
    )


def _stored(field: pa.Field) -> pa.DataType:
    kept = stored_type(field.type)
    if kept is None:
        raise InvalidInput(
            f"The column {field.name!r} has the type {field.type}, which tables cannot keep.",
            "Convert it first, for example to text.",
        )
    return kept


def _cast(array: pa.Array, field: pa.Field) -> pa.Array:
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if array.type == field.type:
        return array
    if types.is_string(array.type) and not can_become(array.type, field.type):
        return _nothing_but_nulls(array, field)
    return _converted(array, field)


def _nothing_but_nulls(array: pa.Array, field: pa.Field) -> pa.Array:
    if array.null_count < len(array):
        raise _mismatch(field, array.type)
    return pa.nulls(len(array), field.type)


def _converted(array: pa.Array, field: pa.Field) -> pa.Array:
    try:
        if types.is_timestamp(array.type) and types.is_timestamp(field.type):
            return _cast_timestamp(array, field.type)
        if types.is_integer(array.type) and types.is_decimal(field.type):
            array = array.cast(pa.decimal128(_digits(field.type.scale), field.type.scale))
        cast = array.cast(field.type)
    except pa.ArrowInvalid as error:
        raise _lost(field, str(error)) from error
    if types.is_floating(array.type) and types.is_floating(field.type):
        _check_finite(array, cast, field)
    return cast


def _cast_timestamp(array: pa.Array, target: pa.TimestampType) -> pa.Array:
    # Nanoseconds are cut to microseconds, which is all that a Delta table keeps. A timestamp
    # without a zone and one with a zone meet in UTC, the session's zone here and there.
    return array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(target)


def _digits(scale: int) -> int:
    # Arrow wants room for the largest integer of the type, whatever the values are.
    return min(DECIMAL_DIGITS_MAX, 20 + scale)


def _check_finite(before: pa.Array, after: pa.Array, field: pa.Field) -> None:
    became_infinite = pc.call_function(
        "and", [pc.call_function("is_inf", [after]), pc.call_function("is_finite", [before])]
    )
    if pc.call_function("any", [became_infinite]).as_py():
        raise _lost(field, "a number is too large")


def _lost(field: pa.Field, reason: str) -> InvalidInput:
    return InvalidInput(
        f"The column {field.name!r} is {name_of(field.type)} in the dataset, and the new rows have "
        f"a value that does not fit: {reason}.",
        "Correct the value, or use mode 'overwrite' to replace the dataset and its schema.",
    )
