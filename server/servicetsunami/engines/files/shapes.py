"""Infers types of values that know their own kind (JSON, worksheet cells), and fits them.

Unlike text cells, a value says whether it is a number or a text; only dates hide in strings,
and are taken for dates where ISO 8601 is complete.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from servicetsunami.engines.files.guess import FIT_SHARE_MIN, MARKERS, Guess
from servicetsunami.engines.files.types import element_types, is_integer, is_nested, struct_fields

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_TIMESTAMP = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?"
)
_BIGINT = range(-(2**63), 2**63)
_DECIMAL_END = 10**38
_DEPTH_MAX = 8
"""Values nested deeper than this are kept as JSON text."""
_MAP_KEYS_MIN = 100
_MARKER_SET = frozenset(MARKERS)
# Each candidate with the kinds of value it holds without loss, narrowest first.
_CANDIDATES: tuple[tuple[str, frozenset[str]], ...] = (
    ("boolean", frozenset({"boolean"})),
    ("bigint", frozenset({"bigint"})),
    ("decimal(38,0)", frozenset({"bigint", "large"})),
    ("double", frozenset({"bigint", "double"})),
    ("date", frozenset({"date"})),
    ("timestamp", frozenset({"date", "timestamp"})),
    ("array", frozenset({"array"})),
    ("struct", frozenset({"struct"})),
)


class Misfit(ValueError):
    """A value cannot become the wanted type without loss."""


@dataclass(slots=True)
class Shape:
    """What has been seen of one column, or of one place inside nested values.

    With `whole_floats` a float without a fraction counts as a whole number, as worksheets
    know no others. With `reads_dates` ISO 8601 strings count as dates.
    """

    whole_floats: bool = False
    reads_dates: bool = False
    depth: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    elements: Shape | None = None
    fields: dict[str, Shape] = field(default_factory=dict)
    examples: dict[str, object] = field(default_factory=dict)

    def add(self, value: object) -> None:
        """Take note of one value."""
        kind = self._kind(value)
        self.kinds[kind] += 1
        self.examples.setdefault(kind, value)
        if kind == "struct" and isinstance(value, Mapping):
            for key, inner in value.items():
                self.fields.setdefault(str(key), Shape(depth=self.depth + 1)).add(inner)
        elif kind == "array" and isinstance(value, list | tuple):
            self.elements = self.elements or Shape(depth=self.depth + 1)
            for inner in value:
                self.elements.add(inner)

    def _kind(self, value: object) -> str:
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            return "null"
        if isinstance(value, bool | int | float):
            return self._number_kind(value)
        if isinstance(value, datetime):
            return "timestamp" if value.time() != time() or value.tzinfo else "date"
        if isinstance(value, str):
            return self._text_kind(value)
        is_too_deep = self.depth >= _DEPTH_MAX and isinstance(value, Mapping | list | tuple)
        return "string" if is_too_deep else _plain_kind(value)

    def _number_kind(self, value: float) -> str:
        if isinstance(value, bool):
            return "boolean"
        if isinstance(value, float):
            whole = self.whole_floats and value.is_integer() and abs(value) < 2**53
            return "bigint" if whole else "double"
        if value in _BIGINT:
            return "bigint"
        return "large" if abs(value) < _DECIMAL_END else "string"

    def _text_kind(self, value: str) -> str:
        if self.reads_dates and _ISO_DATE.fullmatch(value):
            return "date"
        if self.reads_dates and _ISO_TIMESTAMP.fullmatch(value):
            return "timestamp"
        return "marker" if value in _MARKER_SET else "string"

    def guess(self, basis: str) -> Guess:
        """Decide for the narrowest type that at least 99 % of the values fit."""
        kinds = {kind: n for kind, n in self.kinds.items() if kind not in ("null", "marker")}
        total = sum(kinds.values())
        if not total:
            return Guess(type="string", how=f"{basis}: no value")
        for candidate, held in _CANDIDATES:
            fitting = sum(count for kind, count in kinds.items() if kind in held)
            if fitting >= total * FIT_SHARE_MIN and not self._loses_nested(candidate, kinds):
                return self._guess_of(candidate, basis)
        if len(kinds) == 1:
            return Guess(type="string", how=f"{basis}{self._marker_note(as_null=False)}")
        shown = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        return Guess(
            type="string",
            how=f"{basis}; mixed types",
            warning=f"the values are of several types ({shown}): kept as text",
        )

    def _loses_nested(self, candidate: str, kinds: Mapping[str, int]) -> bool:
        return candidate in ("array", "struct") and len(kinds) > 1

    def _guess_of(self, candidate: str, basis: str) -> Guess:
        kind = self.type_text() if candidate in ("array", "struct") else candidate
        note = self._marker_note(as_null=True)
        if candidate in ("date", "timestamp") and isinstance(self.examples.get(candidate), str):
            note += "; ISO 8601 in strings"
        return Guess(type=kind, how=f"{basis}{note}")

    def _marker_note(self, *, as_null: bool) -> str:
        if not self.kinds["marker"]:
            return ""
        return f"; {self.examples['marker']!r} {'read as null' if as_null else 'kept as text'}"

    def type_text(self) -> str:
        """Give the type that holds every value at this place, text if need be."""
        kinds = {kind for kind in self.kinds if kind != "null"}
        if kinds == {"array"}:
            element = self.elements.type_text() if self.elements else "string"
            return f"array<{element}>"
        if kinds == {"struct"}:
            return self._struct_text()
        for candidate, held in _CANDIDATES[:4]:
            if kinds and kinds <= held:
                return candidate
        return "string"

    def _struct_text(self) -> str:
        inner = {name: shape.type_text() for name, shape in self.fields.items()}
        if len(inner) > _MAP_KEYS_MIN and len(set(inner.values())) == 1:
            return f"map<string,{next(iter(inner.values()))}>"
        plain = all(re.fullmatch(r"\w{1,255}", name) for name in inner)
        if not inner or not plain or len({name.casefold() for name in inner}) < len(inner):
            return "string"
        return f"struct<{','.join(f'{name}:{kind}' for name, kind in inner.items())}>"


def _plain_kind(value: object) -> str:
    if isinstance(value, date):
        return "date"
    if isinstance(value, Mapping):
        return "struct"
    if isinstance(value, list | tuple):
        return "array"
    return "double" if isinstance(value, Decimal) else "string"


def fitter(kind: str) -> Callable[[object], object]:
    """Give a function that turns a value into what Arrow takes for the type, or raises Misfit."""
    if is_nested(kind):
        return _nullable(_nested_fitter(kind))
    if kind == "string":
        return _as_text
    if is_integer(kind):
        return _nullable(_as_integer)
    simple = {
        "boolean": _as_boolean,
        "double": _as_double,
        "float": _as_double,
        "date": _as_date,
        "timestamp": _as_timestamp,
        "timestamp_ntz": lambda value: _as_timestamp(value).replace(tzinfo=None),
        "binary": lambda value: str(value).encode(),
    }
    return _nullable(simple.get(kind, _as_decimal))


def _nullable(fit: Callable[[object], object]) -> Callable[[object], object]:
    def fit_or_null(value: object) -> object:
        if value is None or (isinstance(value, str) and (value == "" or value in _MARKER_SET)):
            return None
        return fit(value)

    return fit_or_null


def _nested_fitter(kind: str) -> Callable[[object], object]:
    if kind.startswith("struct<"):
        fields = {name: fitter(inner) for name, inner in struct_fields(kind)}
        return lambda value: _as_struct(value, fields)
    inner = element_types(kind)
    if kind.startswith("array<"):
        element = fitter(inner[0])
        return lambda value: _as_list(value, element)
    key, item = fitter(inner[0]), fitter(inner[1])
    return lambda value: _as_map(value, key, item)


def _as_struct(value: object, fields: Mapping[str, Callable[[object], object]]) -> object:
    if not isinstance(value, Mapping) or not value.keys() <= fields.keys():
        raise Misfit
    return {name: fit(value.get(name)) for name, fit in fields.items()}


def _as_list(value: object, element: Callable[[object], object]) -> object:
    if not isinstance(value, list | tuple):
        raise Misfit
    return [element(each) for each in value]


def _as_map(
    value: object, key: Callable[[object], object], item: Callable[[object], object]
) -> object:
    if not isinstance(value, Mapping):
        raise Misfit
    return [(key(name), item(each)) for name, each in value.items()]


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta | Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _as_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise Misfit


def _as_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise Misfit
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\s*[+-]?\d{1,40}\s*", value) else _misfit()
    if value != value // 1 or int(value) not in _BIGINT:
        raise Misfit
    return int(value)


def _misfit() -> int:
    raise Misfit


def _as_double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise Misfit
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise Misfit from error


def _as_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise Misfit
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise Misfit from error


def _as_date(value: object) -> date:
    moment = _as_timestamp(value)
    if moment.time() != time():
        raise Misfit
    return moment.date()


def _as_timestamp(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise Misfit from error
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise Misfit
