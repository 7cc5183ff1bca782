"""What a caller may say about a file, checked before anything is opened."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Self

from servicetsunami.engines.files.types import normal_type
from servicetsunami.errors import InvalidInput

FORMATS = ("csv", "json", "ndjson", "parquet", "arrow", "excel")
_FORMAT_ALIASES = {
    "tsv": "csv",
    "txt": "csv",
    "text": "csv",
    "jsonl": "ndjson",
    "feather": "arrow",
    "ipc": "arrow",
    "xlsx": "excel",
    "xls": "excel",
    "xlsb": "excel",
    "ods": "excel",
}
_ALIASES = {
    "sep": "delimiter",
    "delim": "delimiter",
    "separator": "delimiter",
    "quotechar": "quote",
    "charset": "encoding",
    "dateformat": "date_format",
    "timestampformat": "timestamp_format",
    "sheet_name": "sheet",
    "nullvalue": "null_values",
    "na_values": "null_values",
    "dtypes": "columns",
    "types": "columns",
    "schema": "columns",
    "skip": "skip_rows",
    "skiprows": "skip_rows",
    "decimal": "decimal_separator",
    "thousands": "thousands_separator",
}
# Longest first, so that MMM is not read as MM and M.
_JAVA_LETTERS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "dd": "%d",
    "d": "%d",
    "EEEE": "%A",
    "EEE": "%a",
    "E": "%a",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "h": "%I",
    "mm": "%M",
    "m": "%M",
    "ss": "%S",
    "s": "%S",
    "SSSSSS": "%f",
    "SSS": "%g",
    "a": "%p",
    "XXX": "%z",
    "X": "%z",
    "Z": "%z",
}
_JAVA_TOKEN = re.compile("'([^']*)'|" + "|".join(sorted(_JAVA_LETTERS, key=len, reverse=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read a file; what is None is found out from its content.

    `columns` gives Databricks types by column name, as in the file or as reported. Formats are
    strptime's (`%d/%m/%Y`) or Spark's (`dd/MM/yyyy`). `sheet` is a name or a number from 1.
    `null_values` replaces the usual markers of missing values, and holds for text columns too.
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    encoding: str | None = None
    date_format: str | None = None
    timestamp_format: str | None = None
    sheet: str | int | None = None
    null_values: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    skip_rows: int | None = None
    decimal_separator: str | None = None
    thousands_separator: str | None = None

    @classmethod
    def parse(cls, given: Mapping[str, object]) -> Self:
        """Check options as a person or a model writes them.

        Raises InvalidInput for an unknown option, naming the nearest, and for a value of the
        wrong kind.
        """
        known = [option.name for option in fields(cls)]
        values: dict[str, object] = {}
        for key, value in given.items():
            name = _ALIASES.get(key.lower(), key.lower())
            if name not in known:
                near = get_close_matches(name, [*known, *_ALIASES], n=1, cutoff=0.5)
                hint = f"Did you mean {_ALIASES.get(near[0], near[0])}? " if near else ""
                raise InvalidInput(
                    f"There is no option {key!r} for reading files.",
                    f"{hint}The options are {', '.join(known)}.",
                )
            if value is not None:
                values[name] = _CHECKS[name](name, value)
        return cls(**values)  # ty: ignore[invalid-argument-type]


def _wrong(name: str, value: object, wanted: str) -> InvalidInput:
    return InvalidInput(f"The option {name} cannot be {value!r}.", f"Give {wanted}.")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a text")
    return value


def _format(name: str, value: object) -> str:
    word = _text(name, value).lower().lstrip(".")
    word = _FORMAT_ALIASES.get(word, word)
    if word not in FORMATS:
        raise _wrong(name, value, f"one of {', '.join(FORMATS)}, or leave it out")
    return word


def _one_sign(name: str, value: object) -> str:
    text = {"tab": "\t", "\\t": "\t", "space": " ", "pipe": "|"}.get(str(value).lower(), value)
    if not isinstance(text, str) or len(text.encode()) != 1 or text in "\r\n":
        raise _wrong(name, value, "one character, such as ',' or 'tab'")
    return text


def _quote(name: str, value: object) -> str:
    return "" if value == "" else _one_sign(name, value)


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    return value


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, value, "a whole number from 0")
    return value


def _sheet(name: str, value: object) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    return _text(name, value)


def _encoding(name: str, value: object) -> str:
    try:
        "".encode(_text(name, value))
    except LookupError:
        raise _wrong(name, value, "an encoding such as utf-8 or windows-1252") from None
    return str(value)


def _date_format(name: str, value: object) -> str:
    text = _text(name, value)
    if "%" in text:
        return text
    changed = _JAVA_TOKEN.sub(_strptime_token, text)
    if "%" not in changed or re.search(r"(?<!%)[A-SU-Za-z]", changed):
        raise _wrong(name, value, "a format such as dd/MM/yyyy or %d/%m/%Y")
    return changed


def _strptime_token(found: re.Match[str]) -> str:
    literal = found.group(1)
    return _JAVA_LETTERS[found.group()] if literal is None else literal


def _null_values(name: str, value: object) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(each, str) for each in values):
        raise _wrong(name, value, "a text or a list of texts, such as ['NA', '-']")
    return tuple(str(each) for each in values)


def _columns(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "a mapping such as {'price': 'decimal(10,2)'}")
    return {str(key): normal_type(_text(name, kind)) for key, kind in value.items()}


_CHECKS = {
    "format": _format,
    "delimiter": _one_sign,
    "quote": _quote,
    "header": _boolean,
    "encoding": _encoding,
    "date_format": _date_format,
    "timestamp_format": _date_format,
    "sheet": _sheet,
    "null_values": _null_values,
    "columns": _columns,
    "skip_rows": _count,
    "decimal_separator": _one_sign,
    "thousands_separator": _one_sign,
}
