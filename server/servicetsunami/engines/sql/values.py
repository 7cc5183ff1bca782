"""Turns Arrow columns into JSON values, so that nothing is lost on the way to a model.

JSON has neither 64-bit integers, decimals, NaN, dates nor bytes: these become text. `columns` of
an answer carry the SQL types, so that a reader can tell such text from a string.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from servicetsunami.errors import SqlRefused

if TYPE_CHECKING:
    import pyarrow as pa

INTEGER_MAX = 2**53
"""The largest integer that every JSON reader keeps exact."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROS = 1_000_000
_DAY_MICROS = 86_400 * _MICROS
_UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DATE_INFINITY = 2**31 - 1
_TIME_INFINITY = 2**63 - 1


def encode(array: "pa.Array") -> list[Any]:
    """Turn one column into JSON values, in order; raises SqlRefused for a type without any."""
    import pyarrow as pa  # noqa: PLC0415 - only the child process has it

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return encode(array.storage)
    for matches, encoder in _encoders(pa):
        if matches(kind):
            return encoder(array)
    raise SqlRefused(
        f"Values of the type {kind} cannot be shown.", "Cast the column to string in the statement."
    )


def _encoders(
    pa: Any,  # noqa: ANN401 - the module itself
) -> list[tuple[Callable[[Any], bool], Callable[[Any], list[Any]]]]:
    is_ = pa.types
    return [
        (is_.is_integer, _integers),
        (is_.is_string, _plain),
        (is_.is_large_string, _plain),
        (is_.is_floating, _floats),
        (is_.is_boolean, _plain),
        (is_.is_null, _plain),
        (is_.is_decimal, _decimals),
        (is_.is_date32, _dates),
        (is_.is_timestamp, _timestamps),
        (is_.is_time, _times),
        (is_.is_interval, _intervals),
        (is_.is_duration, _durations),
        (is_.is_binary, _binaries),
        (is_.is_large_binary, _binaries),
        (is_.is_map, _maps),
        (is_.is_list, _lists),
        (is_.is_large_list, _lists),
        (is_.is_fixed_size_list, _fixed_lists),
        (is_.is_struct, _structs),
        (is_.is_dictionary, lambda array: encode(array.dictionary_decode())),
    ]


def _each(values: list[Any], turn: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else turn(value) for value in values]


def _plain(array: "pa.Array") -> list[Any]:
    return array.to_pylist()


def _integers(array: "pa.Array") -> list[Any]:
    values = array.to_pylist()
    if array.type.bit_width < 64:
        return values
    return _each(values, lambda v: v if -INTEGER_MAX <= v <= INTEGER_MAX else str(v))


def _floats(array: "pa.Array") -> list[Any]:
    return _each(array.to_pylist(), _short_float if array.type.bit_width < 64 else _float)


def _float(value: float) -> float | str:
    if value != value:  # noqa: PLR0124 - the one value that is not itself
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _short_float(value: float) -> float | str:
    # A 32-bit 0.1 is 0.10000000149011612 in 64 bits; nobody wrote those digits.
    import numpy as np  # noqa: PLC0415

    shown = _float(value)
    return shown if isinstance(shown, str) else float(str(np.float32(value)))


def _decimals(array: "pa.Array") -> list[Any]:
    return _each(array.to_pylist(), lambda v: format(v, "f"))


def _binaries(array: "pa.Array") -> list[Any]:
    return _each(array.to_pylist(), lambda v: base64.b64encode(v).decode("ascii"))


def _dates(array: "pa.Array") -> list[Any]:
    return _each(_raw(array, "int32"), _date)


def _date(days: int) -> str:
    if abs(days) == _DATE_INFINITY:
        return "infinity" if days > 0 else "-infinity"
    try:
        return (_EPOCH + timedelta(days=days)).date().isoformat()
    except OverflowError:
        return _far_date(days)


def _far_date(days: int) -> str:
    """Write a day outside the years 1 to 9999, counting in the 400-year cycles of the calendar."""
    cycles, rest = divmod(days, 146_097)
    near = _EPOCH + timedelta(days=rest)
    year = near.year + 400 * cycles
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{near.month:02d}-{near.day:02d}"


def _timestamps(array: "pa.Array") -> list[Any]:
    zone = "Z" if array.type.tz is not None else ""
    per_second = _UNITS_PER_SECOND[array.type.unit]

    def turn(value: int) -> str:
        if abs(value) == _TIME_INFINITY:
            return "infinity" if value > 0 else "-infinity"
        days, rest = divmod(value, 86_400 * per_second)
        return f"{_date(days)}T{_clock(rest, per_second)}{zone}"

    return _each(_raw(array, "int64"), turn)


def _times(array: "pa.Array") -> list[Any]:
    per_second = _UNITS_PER_SECOND[array.type.unit]
    raw = _raw(array, f"int{array.type.bit_width}")
    return _each(raw, lambda v: _clock(v, per_second))


def _clock(value: int, per_second: int) -> str:
    seconds, fraction = divmod(value, per_second)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if not fraction:
        return text
    digits = len(str(per_second)) - 1
    return f"{text}.{f'{fraction:0{digits}d}'.rstrip('0')}"


def _intervals(array: "pa.Array") -> list[Any]:
    return _each(array.to_pylist(), lambda v: _interval(v.months, v.days, v.nanoseconds // 1_000))


def _durations(array: "pa.Array") -> list[Any]:
    factor = _MICROS / _UNITS_PER_SECOND[array.type.unit]
    return _each(_raw(array, "int64"), lambda v: _interval(0, 0, int(v * factor)))


def _interval(months: int, days: int, micros: int) -> str:
    """Write `years-months`, or `days hours:minutes:seconds`, or both with a blank between."""
    parts = []
    if months:
        parts.append(f"{'-' if months < 0 else ''}{abs(months) // 12}-{abs(months) % 12}")
    total = days * _DAY_MICROS + micros
    if total or not months:
        whole, rest = divmod(abs(total), _DAY_MICROS)
        parts.append(f"{'-' if total < 0 else ''}{whole} {_clock(rest, _MICROS)}")
    return " ".join(parts)


def _lists(array: "pa.Array") -> list[Any]:
    offsets = array.offsets.to_pylist()
    values = encode(array.values.slice(offsets[0], offsets[-1] - offsets[0]))
    return _cut(array, values, offsets)


def _fixed_lists(array: "pa.Array") -> list[Any]:
    size = array.type.list_size
    values = encode(array.values.slice(array.offset * size, len(array) * size))
    return _cut(array, values, [size * at for at in range(len(array) + 1)])


def _maps(array: "pa.Array") -> list[Any]:
    offsets = array.offsets.to_pylist()
    start, length = offsets[0], offsets[-1] - offsets[0]
    keys = encode(array.keys.slice(start, length))
    items = encode(array.items.slice(start, length))
    pairs = _cut(array, list(zip(keys, items, strict=True)), offsets)
    if str(array.type.key_type) in {"string", "large_string"}:
        return _each(pairs, dict)
    return _each(pairs, lambda found: [list(pair) for pair in found])


def _structs(array: "pa.Array") -> list[Any]:
    names = [array.type.field(at).name for at in range(array.type.num_fields)]
    # flatten() and not field(): it heeds the slice and the nulls of the parent.
    fields = [encode(field) for field in array.flatten()]
    valid = array.is_valid().to_pylist()
    rows = zip(*fields, strict=True) if fields else ((),) * len(array)
    return [
        dict(zip(names, row, strict=True)) if there else None
        for there, row in zip(valid, rows, strict=True)
    ]


def _cut(array: "pa.Array", values: list[Any], offsets: list[int]) -> list[Any]:
    valid = array.is_valid().to_pylist()
    base = offsets[0]
    return [
        values[offsets[at] - base : offsets[at + 1] - base] if valid[at] else None
        for at in range(len(array))
    ]


def _raw(array: "pa.Array", integer: str) -> list[Any]:
    # Not to_pylist(): Python's dates end at 9999, and nanoseconds would import pandas.
    return array.view(integer).to_pylist()
