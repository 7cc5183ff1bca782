"""Quartz cron expressions: when a schedule fires, as the Quartz scheduler 2.3 itself would say.

Fields are seconds, minutes, hours, day of month, month, day of week and, optionally, year; one of
the two days is `?`. Sunday is 1. Source: Quartz' CronExpression; the tests compare with its
answers (`tests/domain/quartz_vectors.json`).

Wall-clock times that a change to summer time leaves out are skipped; of those that come twice
only the later instant fires, as in Quartz, which lets Java resolve them so.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from servicetsunami.errors import InvalidInput

_MONTHS: Final = {
    name: n
    for n, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1
    )
}
_DAYS: Final = {
    name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)
}
_FIELDS: Final = (
    ("second", 0, 59, {}, 59),
    ("minute", 0, 59, {}, 59),
    ("hour", 0, 23, {}, 23),
    ("day of month", 1, 31, {}, 31),
    ("month", 1, 12, _MONTHS, 12),
    ("day of week", 1, 7, _DAYS, 7),
    ("year", 1970, 2099, {}, 129),
)
_YEAR_MAX: Final = 2099
_REQUIRED: Final = 6
_WITH_YEAR: Final = 7
_PART: Final = re.compile(r"(\*|[0-9A-Z]+)(?:-([0-9A-Z]+))?(?:/(\d+))?")
_LAST: Final = re.compile(r"L(?:-(\d{1,2}))?(W)?")
_WEEKDAY: Final = re.compile(r"(\d{1,2})W")
_OF_MONTH: Final = re.compile(r"([1-7]|[A-Z]{3})(?:#([1-5])|(L))")
_SATURDAY, _SUNDAY = 5, 6
_OFFSET_MAX: Final = 30

_DayTest = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class _Field:
    """The numbers that a field allows, and further tests of days that numbers cannot tell."""

    values: frozenset[int]
    tests: tuple[_DayTest, ...] = ()
    is_open: bool = False
    """It is `?`: the other day decides."""


@dataclass(frozen=True)
class Cron:
    """A checked expression."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Check an expression; raises InvalidInput that names the field and what it may hold."""
        found = cls(" ".join(text.upper().split()))
        _ = found._fields
        return found

    @cached_property
    def _fields(self) -> tuple[_Field, ...]:
        texts = self.text.split(" ")
        if not _REQUIRED <= len(texts) <= _WITH_YEAR or not self.text:
            raise InvalidInput(
                f"The cron expression {self.text!r} has {len(texts) if self.text else 0} fields; "
                "Quartz has 6 or 7: seconds first.",
                "For six in the morning write '0 0 6 * * ?'.",
            )
        texts += ["*"] * (_WITH_YEAR - len(texts))
        if (texts[3] == "?") == (texts[5] == "?"):
            raise InvalidInput(
                f"In {self.text!r} one of day of month and day of week has to be ?, the other not.",
                "For every day write '0 0 6 * * ?', for Mondays '0 0 6 ? * MON'.",
            )
        return tuple(_field(index, text, self.text) for index, text in enumerate(texts))

    def after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant later than `moment` (aware), in UTC; None when there is none.

        Whole seconds, as Quartz.
        """
        start = (moment.astimezone(UTC) + timedelta(seconds=1)).replace(microsecond=0)
        wall = start.astimezone(zone).replace(tzinfo=None)
        for candidate in self._walls(wall):
            # fold=1: of an hour that comes twice, the later one.
            local = candidate.replace(tzinfo=zone, fold=1)
            instant = local.astimezone(UTC)
            is_real = instant.astimezone(zone).replace(tzinfo=None) == candidate
            if is_real and instant >= start:
                return instant
        return None

    def upcoming(self, moment: datetime, zone: ZoneInfo, count: int) -> list[datetime]:
        """The next instants later than `moment`, at most `count`."""
        found: list[datetime] = []
        while len(found) < count and (instant := self.after(moment, zone)) is not None:
            found.append(instant)
            moment = instant
        return found

    def _walls(self, start: datetime) -> Iterator[datetime]:
        """Wall-clock times that fit, from `start` on."""
        seconds, minutes, hours = (sorted(field.values) for field in self._fields[:3])
        for day in self._days(start.date()):
            floor = start.time() if day == start.date() else time.min
            for hour in hours:
                if hour < floor.hour:
                    continue
                for minute in minutes:
                    if (hour, minute) < (floor.hour, floor.minute):
                        continue
                    for second in seconds:
                        if (hour, minute, second) >= (floor.hour, floor.minute, floor.second):
                            yield datetime.combine(day, time(hour, minute, second))

    def _days(self, first: date) -> Iterator[date]:
        month_days, months, week_days, years = self._fields[3:]
        for year in sorted(year for year in years.values if year >= first.year):
            for month in sorted(months.values):
                if (year, month) < (first.year, first.month):
                    continue
                for day in range(1, calendar.monthrange(year, month)[1] + 1):
                    found = date(year, month, day)
                    if found >= first and _fits_day(found, month_days, week_days):
                        yield found


def _fits_day(day: date, month_days: _Field, week_days: _Field) -> bool:
    if month_days.is_open:
        is_listed = quartz_weekday(day) in week_days.values
        return is_listed or any(test(day) for test in week_days.tests)
    return day.day in month_days.values or any(test(day) for test in month_days.tests)


def quartz_weekday(day: date) -> int:
    """1 for Sunday to 7 for Saturday."""
    return (day.weekday() + 1) % 7 + 1


def _field(index: int, text: str, whole: str) -> _Field:
    name = _FIELDS[index][0]
    if text == "?":
        if name not in {"day of month", "day of week"}:
            raise _wrong(whole, name, text, "? is for the two days only")
        return _Field(frozenset(), is_open=True)
    values, tests = set[int](), list[_DayTest]()
    for part in text.split(","):
        test = _day_test(name, part, whole)
        if test is not None:
            tests.append(test)
        else:
            values |= _numbers(index, part, whole)
    return _Field(frozenset(values), tuple(tests))


def _numbers(index: int, part: str, whole: str) -> set[int]:
    """The numbers of one part of a field: `*`, `5`, `1-5`, `*/15`, `10-50/20`."""
    name, low, high, _, step_max = _FIELDS[index]
    found = _PART.fullmatch(part.replace("/", "*/", 1) if part.startswith("/") else part)
    if found is None or (found[1] == "*" and found[2]):
        raise _wrong(whole, name, part, f"it takes {low} to {high}, lists, ranges and steps")
    step = int(found[3] or 0)
    if step > step_max:
        raise _wrong(whole, name, part, f"a step is at most {step_max}")
    first = low if found[1] == "*" else _number(found[1], index, whole)
    last = high if found[1] == "*" or step else first
    if found[2]:
        last = _number(found[2], index, whole)
    if first > last and name == "year":
        raise _wrong(whole, name, part, "the first year is the smaller one")
    # 22-2 and FRI-MON go over the end.
    size = high - low + 1
    span = last - first if first <= last else last - first + size
    return {low + (first - low + offset) % size for offset in range(0, span + 1, step or 1)}


def _number(text: str, index: int, whole: str) -> int:
    name, low, high, names, _ = _FIELDS[index]
    value = names.get(text) if not text.isdecimal() else int(text)
    if value is None or not low <= value <= high:
        shown = f"{low} to {high}" + (f" or {', '.join(names)}" if names else "")
        raise _wrong(whole, name, text, f"it takes {shown}")
    return value


def _day_test(name: str, part: str, whole: str) -> _DayTest | None:
    """What L, W and # mean; None for a part that is made of numbers."""
    if name == "day of month":
        return _month_day_test(part, whole)
    if name != "day of week":
        return None
    if part == "L":
        return lambda day: quartz_weekday(day) == _DAYS["SAT"]
    found = _OF_MONTH.fullmatch(part)
    if found is None or (not found[1].isdecimal() and found[1] not in _DAYS):
        return None
    weekday = int(found[1]) if found[1].isdecimal() else _DAYS[found[1]]
    if found[3]:
        return lambda day: quartz_weekday(day) == weekday and day.day > _last(day) - 7
    nth = int(found[2])
    return lambda day: quartz_weekday(day) == weekday and (day.day - 1) // 7 + 1 == nth


def _month_day_test(part: str, whole: str) -> _DayTest | None:
    last = _LAST.fullmatch(part)
    if last is not None:
        back, to_weekday = int(last[1] or 0), last[2] is not None
        if back > _OFFSET_MAX:
            raise _wrong(whole, "day of month", part, f"L- takes at most {_OFFSET_MAX}")
        if to_weekday:
            return lambda day: day.day == _nearest(day, max(1, _last(day) - back))
        return lambda day: day.day == max(1, _last(day) - back)
    weekday = _WEEKDAY.fullmatch(part)
    if weekday is None:
        return None
    wanted = int(weekday[1])
    if not 1 <= wanted <= 31:
        raise _wrong(whole, "day of month", part, "W takes a day from 1 to 31")
    return lambda day: wanted <= _last(day) and day.day == _nearest(day, wanted)


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest(day: date, wanted: int) -> int:
    """The working day next to the wanted day of that month, without leaving the month."""
    weekday = day.replace(day=wanted).weekday()
    if weekday == _SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == _SUNDAY:
        return wanted + 1 if wanted < _last(day) else wanted - 2
    return wanted


def _wrong(whole: str, name: str, part: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"In the cron expression {whole!r} the field {name} cannot be {part!r}: {why}.",
        "Quartz counts: seconds minutes hours day-of-month month day-of-week [year].",
    )
