"""Dates and times that stand in a statement as text: read once, here, not row by row."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

_DAY: Final = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[ T].*)?)?)?", re.ASCII)
_MOMENT: Final = re.compile(
    r"(?P<day>\d{4}(?:-\d{1,2}(?:-\d{1,2})?)?)"
    r"(?:[ T](?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?)?)?)?"
    r" ?(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?)?",
    re.ASCII,
)
_OFFSET: Final = re.compile(r"([+-])(\d{1,2}):?(\d{2})?$", re.ASCII)
_OFFSET_HOURS_MAX: Final = 18
_OFFSET_MINUTES_MAX: Final = 59


def day(text: str) -> date | None:
    """Read a date as CAST does; None for what it does not read, or what is left to the engine."""
    found = _DAY.fullmatch(text.strip())
    if found is None:
        return None
    year, month, number = (int(part or 1) for part in found.groups())
    try:
        return date(year, month, number)
    except ValueError:
        return None


def moment(text: str) -> datetime | None:
    """Read a timestamp as CAST does, in UTC; None as for `day`, and for zones with a name."""
    found = _MOMENT.fullmatch(text.strip())
    first = day(found["day"]) if found is not None else None
    if found is None or first is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups()[1:4])
    micros = int((found[5] or "")[:6].ljust(6, "0"))
    try:
        wall = datetime(first.year, first.month, first.day, hour, minute, second, micros, UTC)
    except ValueError:
        return None
    offset = _offset(found["zone"] or "")
    return None if offset is None else wall - offset


def _offset(zone: str) -> timedelta | None:
    found = _OFFSET.search(zone)
    if found is None:
        return timedelta()
    if int(found[2]) > _OFFSET_HOURS_MAX or int(found[3] or 0) > _OFFSET_MINUTES_MAX:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -size if found[1] == "-" else size
