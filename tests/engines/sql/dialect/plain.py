"""Values as the corpora write them: numbers as floats to six places, times as text."""

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any


def plain_atom(value: Any) -> Any:
    """Write a value that has no parts."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, datetime):
        fraction = f".{value.microsecond:06d}" if value.microsecond else ""
        return f"{value:%Y-%m-%d %H:%M:%S}{fraction}"
    if hasattr(value, "nanoseconds"):
        return f"interval:{value.days * 86400.0 + value.nanoseconds / 1e9}"
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    return value


_WRITERS = {
    bool: bool,
    int: float,
    float: lambda value: round(value, 6),
    Decimal: lambda value: round(float(value), 6),
    date: date.isoformat,
    timedelta: lambda value: f"interval:{value.total_seconds()}",
    bytes: lambda value: "b:" + value.hex(),
}
