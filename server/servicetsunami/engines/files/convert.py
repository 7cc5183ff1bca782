"""Turns any Arrow column into one that a Delta table can hold, losing nothing in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicetsunami.engines.files.names import safe_names

if TYPE_CHECKING:
    import pyarrow as pa


def delta_type(kind: pa.DataType) -> tuple[pa.DataType, str]:
    """Give the type to store an Arrow type as, and what changes ("" if nothing does)."""
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(kind, pa.BaseExtensionType):
        inner, note = delta_type(kind.storage_type)
        return inner, note or f"{kind.extension_name} as its storage"
    if pa.types.is_dictionary(kind):
        return delta_type(kind.value_type)
    for is_nested, convert in (
        (pa.types.is_struct, _struct_type),
        (pa.types.is_map, _map_type),
        (_is_any_list, _list_type),
    ):
        if is_nested(kind):
            return convert(kind)
    return _scalar_type(kind)


def _is_any_list(kind: pa.DataType) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    types = pa.types
    return any(
        test(kind)
        for test in (
            types.is_list,
            types.is_large_list,
            types.is_fixed_size_list,
            types.is_list_view,
            types.is_large_list_view,
        )
    )


def _struct_type(kind: pa.StructType) -> tuple[pa.DataType, str]:
    import pyarrow as pa  # noqa: PLC0415

    names = safe_names([field.name for field in kind])
    inner = [delta_type(field.type) for field in kind]
    notes = [note for _, note in inner if note] + (["fields renamed"] if names.warnings else [])
    fields = [(name, each) for name, (each, _) in zip(names.names, inner, strict=True)]
    return pa.struct(fields), "; ".join(dict.fromkeys(notes))


def _map_type(kind: pa.MapType) -> tuple[pa.DataType, str]:
    import pyarrow as pa  # noqa: PLC0415

    (key, key_note), (item, item_note) = delta_type(kind.key_type), delta_type(kind.item_type)
    return pa.map_(key, item), key_note or item_note


def _list_type(kind: pa.ListType) -> tuple[pa.DataType, str]:
    import pyarrow as pa  # noqa: PLC0415

    inner, note = delta_type(kind.value_type)
    return pa.list_(inner), note


def _scalar_type(kind: pa.DataType) -> tuple[pa.DataType, str]:
    import pyarrow as pa  # noqa: PLC0415

    widened = {
        pa.uint8(): (pa.int16(), ""),
        pa.uint16(): (pa.int32(), ""),
        pa.uint32(): (pa.int64(), ""),
        pa.uint64(): (pa.decimal128(20, 0), "uint64 as decimal"),
        pa.float16(): (pa.float32(), ""),
        pa.date64(): (pa.date32(), ""),
        pa.null(): (pa.string(), "no value at all"),
    }
    kept = {pa.bool_(), pa.date32(), pa.float32(), pa.float64(), pa.string(), pa.binary()}
    kept |= {pa.int8(), pa.int16(), pa.int32(), pa.int64()}
    if kind in kept:
        return kind, ""
    return widened.get(kind) or _family_type(kind)


def _family_type(kind: pa.DataType) -> tuple[pa.DataType, str]:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_timestamp(kind):
        note = "nanoseconds cut to microseconds" if kind.unit == "ns" else ""
        return pa.timestamp("us", tz="UTC" if kind.tz else None), note
    if pa.types.is_decimal(kind) and kind.precision <= 38 and 0 <= kind.scale <= kind.precision:
        return pa.decimal128(kind.precision, kind.scale), ""
    if "binary" in str(kind):
        return pa.binary(), ""
    texts = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string(), "" if texts else f"{kind} as text"


def converted(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Convert an array to the type that `delta_type` gave for it."""
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == target:
        return array
    if pa.types.is_struct(target):
        inner = [converted(array.field(i), field.type) for i, field in enumerate(target)]
        return pa.StructArray.from_arrays(inner, fields=list(target), mask=array.is_null())
    if pa.types.is_map(target):
        return _converted_map(array, target)
    if pa.types.is_list(target):
        return _converted_list(array, target)
    kind = array.type
    if pa.types.is_duration(kind) or pa.types.is_interval(kind) or pa.types.is_time(kind):
        texts = [None if value is None else str(value) for value in array.to_pylist()]
        return pa.array(texts, type=pa.string())
    return array.cast(target, safe=not pa.types.is_timestamp(target))


def _converted_list(array: pa.Array, target: pa.ListType) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    plain = array.cast(pa.list_(array.type.value_type))
    first, count, offsets = _own_offsets(plain)
    values = converted(plain.values.slice(first, count), target.value_type)
    return pa.ListArray.from_arrays(offsets, values, type=target, mask=plain.is_null())


def _converted_map(array: pa.MapArray, target: pa.MapType) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    first, count, offsets = _own_offsets(array)
    keys = converted(array.keys.slice(first, count), target.key_type)
    items = converted(array.items.slice(first, count), target.item_type)
    return pa.MapArray.from_arrays(offsets, keys, items, type=target, mask=array.is_null())


def _own_offsets(array: pa.ListArray | pa.MapArray) -> tuple[int, int, pa.Array]:
    """Give the part of the children that a slice uses, and offsets into that part."""
    import pyarrow as pa  # noqa: PLC0415

    offsets = array.offsets.to_numpy()
    first = int(offsets[0])
    return first, int(offsets[-1]) - first, pa.array(offsets - first, type=pa.int32())
