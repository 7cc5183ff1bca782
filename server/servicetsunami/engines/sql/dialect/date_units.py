"""The words for units of time, and what they stand for."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{unit: unit for unit in ("year", "quarter", "month", "week", "day", "hour", "minute")},
        **{unit: unit for unit in ("second", "millisecond", "microsecond")},
        "dayofyear": "day",
    }
)


TRUNCATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("year", "yyyy", "yy"), "year"),
        "quarter": "quarter",
        **dict.fromkeys(("month", "mon", "mm"), "month"),
        "week": "week",
    }
)


TIME_TRUNCATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **TRUNCATIONS,
        **dict.fromkeys(("day", "dd"), "day"),
        **{unit: unit for unit in ("hour", "minute", "second", "millisecond", "microsecond")},
    }
)


PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("year", "y", "years", "yr", "yrs"), "year"),
        **dict.fromkeys(("yearofweek",), "yearofweek"),
        **dict.fromkeys(("quarter", "qtr"), "quarter"),
        **dict.fromkeys(("month", "mon", "mons", "months"), "month"),
        **dict.fromkeys(("week", "w", "weeks"), "weekofyear"),
        **dict.fromkeys(("day", "d", "days"), "day"),
        **dict.fromkeys(("dayofweek", "dow"), "dayofweek"),
        **dict.fromkeys(("dayofweek_iso", "dow_iso"), "isodow"),
        "doy": "dayofyear",
        **dict.fromkeys(("hour", "h", "hours", "hr", "hrs"), "hour"),
        **dict.fromkeys(("minute", "m", "min", "mins", "minutes"), "minute"),
        **dict.fromkeys(("second", "s", "sec", "seconds", "secs"), "seconds"),
    }
)


ADDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "year": "to_months(CAST({1} * 12 AS INTEGER))",
        "quarter": "to_months(CAST({1} * 3 AS INTEGER))",
        "month": "to_months(CAST({1} AS INTEGER))",
        "week": "to_days(CAST({1} * 7 AS INTEGER))",
        "day": "to_days(CAST({1} AS INTEGER))",
        "hour": "to_hours({1})",
        "minute": "to_minutes({1})",
        "second": "to_microseconds({1} * 1000000)",
        "millisecond": "to_microseconds({1} * 1000)",
        "microsecond": "to_microseconds({1})",
    }
)


APART: Final[Mapping[str, int]] = MappingProxyType(
    {
        "week": 7 * 86_400_000_000,
        "day": 86_400_000_000,
        "hour": 3_600_000_000,
        "minute": 60_000_000,
        "second": 1_000_000,
        "millisecond": 1_000,
        "microsecond": 1,
    }
)


WEEKDAYS: Final = ("mo", "tu", "we", "th", "fr", "sa", "su")


WEEKDAY_NAMES: Final = frozenset(
    {
        *WEEKDAYS,
        *("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    }
)
