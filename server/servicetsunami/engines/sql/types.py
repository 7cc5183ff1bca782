"""SQL types, written as Databricks writes them, and their DuckDB counterparts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from servicetsunami.errors import InvalidInput


class Kind(StrEnum):
    """The kinds of SQL type; the value is the name that Databricks prints."""

    VOID = "void"
    BOOLEAN = "boolean"
    TINYINT = "tinyint"
    SMALLINT = "smallint"
    INT = "int"
    BIGINT = "bigint"
    FLOAT = "float"
    DOUBLE = "double"
    DECIMAL = "decimal"
    STRING = "string"
    BINARY = "binary"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMP_NTZ = "timestamp_ntz"
    YEAR_MONTH = "interval year to month"
    DAY_TIME = "interval day to second"
    VARIANT = "variant"
    ARRAY = "array"
    MAP = "map"
    STRUCT = "struct"


@dataclass(frozen=True, slots=True)
class SqlType:
    """One type. `parts` holds the element, the key and value, or the fields of a nested type."""

    kind: Kind
    precision: int = 0
    scale: int = 0
    parts: "tuple[SqlType, ...]" = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Print the type as Databricks does."""
        if self.kind is Kind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        if self.kind is Kind.DAY_TIME and self.precision:
            return "interval day"
        if self.kind is Kind.STRUCT:
            inner = ",".join(
                f"{_backticked(name)}:{part}"
                for name, part in zip(self.names, self.parts, strict=True)
            )
            return f"struct<{inner}>"
        if self.parts:
            return f"{self.kind}<{','.join(map(str, self.parts))}>"
        return str(self.kind)


VOID: Final = SqlType(Kind.VOID)
BOOLEAN: Final = SqlType(Kind.BOOLEAN)
TINYINT: Final = SqlType(Kind.TINYINT)
SMALLINT: Final = SqlType(Kind.SMALLINT)
INT: Final = SqlType(Kind.INT)
BIGINT: Final = SqlType(Kind.BIGINT)
FLOAT: Final = SqlType(Kind.FLOAT)
DOUBLE: Final = SqlType(Kind.DOUBLE)
STRING: Final = SqlType(Kind.STRING)
BINARY: Final = SqlType(Kind.BINARY)
DATE: Final = SqlType(Kind.DATE)
TIMESTAMP: Final = SqlType(Kind.TIMESTAMP)
TIMESTAMP_NTZ: Final = SqlType(Kind.TIMESTAMP_NTZ)
YEAR_MONTH: Final = SqlType(Kind.YEAR_MONTH)
DAY_TIME: Final = SqlType(Kind.DAY_TIME)
DAY: Final = SqlType(Kind.DAY_TIME, precision=1)
"""A day-time interval that has days only: added to a date it gives a date."""
VARIANT: Final = SqlType(Kind.VARIANT)


def decimal(precision: int, scale: int) -> SqlType:
    """Make a decimal type of at most 38 digits."""
    return SqlType(Kind.DECIMAL, precision=precision, scale=scale)


def array(element: SqlType) -> SqlType:
    """Make an array type."""
    return SqlType(Kind.ARRAY, parts=(element,))


def map_of(key: SqlType, value: SqlType) -> SqlType:
    """Make a map type."""
    return SqlType(Kind.MAP, parts=(key, value))


def struct(names: tuple[str, ...], parts: tuple[SqlType, ...]) -> SqlType:
    """Make a struct type; raises InvalidInput for names that a template would misread."""
    if any(re.search(r"\{\d+\}", name) for name in names):
        raise InvalidInput(f"The field names {names} cannot be used.", "Rename the fields.")
    return SqlType(Kind.STRUCT, parts=parts, names=names)


_ATOMS: Final[Mapping[str, SqlType]] = MappingProxyType(
    {str(kind): SqlType(kind) for kind in Kind if kind not in {Kind.ARRAY, Kind.MAP, Kind.STRUCT}}
    | {
        "byte": TINYINT,
        "short": SMALLINT,
        "integer": INT,
        "long": BIGINT,
        "real": FLOAT,
        "text": STRING,
        "bool": BOOLEAN,
        "timestamp_ltz": TIMESTAMP,
        "decimal": decimal(10, 0),
        "dec": decimal(10, 0),
        "numeric": decimal(10, 0),
        "null": VOID,
        "interval day": DAY,
    }
    | dict.fromkeys(("interval year", "interval month"), YEAR_MONTH)
    | dict.fromkeys(
        (
            *("interval hour", "interval minute", "interval second"),
            *("interval day to hour", "interval day to minute", "interval hour to minute"),
            *("interval hour to second", "interval minute to second"),
        ),
        DAY_TIME,
    )
)
_DUCKDB: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.VOID: "INTEGER",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.TINYINT: "TINYINT",
        Kind.SMALLINT: "SMALLINT",
        Kind.INT: "INTEGER",
        Kind.BIGINT: "BIGINT",
        Kind.FLOAT: "FLOAT",
        Kind.DOUBLE: "DOUBLE",
        Kind.STRING: "VARCHAR",
        Kind.BINARY: "BLOB",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
        Kind.TIMESTAMP_NTZ: "TIMESTAMP",
        Kind.YEAR_MONTH: "INTERVAL",
        Kind.DAY_TIME: "INTERVAL",
        Kind.VARIANT: "JSON",
    }
)
_FROM_DUCKDB: Final[Mapping[str, SqlType]] = MappingProxyType(
    {
        "boolean": BOOLEAN,
        "tinyint": TINYINT,
        "smallint": SMALLINT,
        "integer": INT,
        "bigint": BIGINT,
        "hugeint": decimal(38, 0),
        "bignum": STRING,
        "utinyint": SMALLINT,
        "usmallint": INT,
        "uinteger": BIGINT,
        "ubigint": decimal(20, 0),
        "uhugeint": decimal(38, 0),
        "float": FLOAT,
        "double": DOUBLE,
        "varchar": STRING,
        "json": STRING,
        "uuid": STRING,
        "enum": STRING,
        "time": STRING,
        "time with time zone": STRING,
        "bit": STRING,
        "blob": BINARY,
        "date": DATE,
        "timestamp": TIMESTAMP_NTZ,
        "timestamp_s": TIMESTAMP_NTZ,
        "timestamp_ms": TIMESTAMP_NTZ,
        "timestamp_ns": TIMESTAMP_NTZ,
        "timestamp with time zone": TIMESTAMP,
        "interval": DAY_TIME,
        "variant": VARIANT,
        "null": VOID,
        '"null"': VOID,
    }
)
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|[<>(),:\[\]]|[\w.]+)")
_DEPTH_MAX = 40
_T = TypeVar("_T")


def _backticked(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return "`" + name.replace("`", "``") + "`"


def _bare(name: str) -> str:
    quote = name[0]
    return name[1:-1].replace(quote * 2, quote) if quote in "`\"'" else name


class _Reader:
    """A cursor over the words of a type text; both notations share it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = _TOKEN.findall(text)
        if "".join(text.split()) != "".join("".join(self._tokens).split()):
            raise self.bad()
        self._at = 0
        self._depth = 0

    def bad(self) -> InvalidInput:
        return InvalidInput(
            f"{self.text!r} is not a type that is known here.",
            "Use a Databricks SQL type such as decimal(10,2) or array<string>.",
        )

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise self.bad()
        self._at += 1
        return token

    def skip(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self._at += 1
        return True

    def words(self) -> str:
        """Read the words of a name such as `timestamp with time zone`."""
        found = [self.take()]
        while re.match(r"\w", self.peek()):
            found.append(self.take())
        return " ".join(found).lower()

    def listed(self, item: Callable[[], _T], close: str) -> tuple[_T, ...]:
        """Read items with commas between them, up to and with the closing bracket."""
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise self.bad()
        items: list[_T] = []
        while not self.skip(close):
            if items:
                self.take(",")
            items.append(item())
        self._depth -= 1
        return tuple(items)

    def number(self) -> int:
        token = self.take()
        if not token.isdecimal():
            raise self.bad()
        return int(token)

    def whole(self, read: Callable[[], SqlType]) -> SqlType:
        found = read()
        if self.peek():
            raise self.bad()
        return found


class _Databricks(_Reader):
    def read(self) -> SqlType:
        name = self.words()
        if name in {"array", "map"} and self.skip("<"):
            parts = self.listed(self.read, ">")
            if len(parts) != (1 if name == "array" else 2):
                raise self.bad()
            return SqlType(Kind(name), parts=parts)
        if name == "struct" and self.skip("<"):
            fields = self.listed(self._field, ">")
            return struct(tuple(f for f, _ in fields), tuple(t for _, t in fields))
        return self._sized(name)

    def _field(self) -> tuple[str, SqlType]:
        name = _bare(self.take())
        self.skip(":")
        return name, self.read()

    def _sized(self, name: str) -> SqlType:
        sizes = self.listed(self.number, ")") if self.skip("(") else ()
        if name in {"decimal", "dec", "numeric"} and sizes:
            precision, scale = (*sizes, 0)[:2]
            if not 0 <= scale <= precision <= 38:
                raise self.bad()
            return decimal(precision, scale)
        if name in {"varchar", "char"}:
            return STRING
        if name not in _ATOMS:
            raise self.bad()
        return _ATOMS[name]


class _DuckDb(_Reader):
    def read(self) -> SqlType:
        found = self._one()
        while self.skip("["):
            if self.peek() != "]":
                self.number()
            self.take("]")
            found = array(found)
        return found

    def _one(self) -> SqlType:
        name = self.words()
        if name == "decimal" and self.skip("("):
            precision, scale = self.listed(self.number, ")")
            return decimal(precision, scale)
        if name == "map" and self.skip("("):
            return SqlType(Kind.MAP, parts=self.listed(self.read, ")"))
        if name in {"struct", "union"} and self.skip("("):
            fields = self.listed(self._field, ")")
            return struct(tuple(f for f, _ in fields), tuple(t for _, t in fields))
        if name in {"row", "tuple"} and self.skip("("):
            parts = self.listed(self.read, ")")
            return struct(tuple(f"col{n}" for n, _ in enumerate(parts, 1)), parts)
        if name == "enum" and self.skip("("):
            self.listed(self.take, ")")
        if name.strip() not in _FROM_DUCKDB:
            raise self.bad()
        return _FROM_DUCKDB[name]

    def _field(self) -> tuple[str, SqlType]:
        return _bare(self.take()), self.read()


def parse_type(databricks_type: str) -> SqlType:
    """Read Databricks type text; raises InvalidInput for what is no type."""
    reader = _Databricks(databricks_type)
    return reader.whole(reader.read)


def render_duckdb(kind: SqlType) -> str:
    """Write the type as DuckDB names it."""
    if kind.kind is Kind.DECIMAL:
        return f"DECIMAL({kind.precision},{kind.scale})"
    if kind.kind is Kind.ARRAY:
        return f"{render_duckdb(kind.parts[0])}[]"
    if kind.kind is Kind.MAP:
        return f"MAP({', '.join(map(render_duckdb, kind.parts))})"
    if kind.kind is Kind.STRUCT:
        fields = (
            '"' + name.replace('"', '""') + '" ' + render_duckdb(part)
            for name, part in zip(kind.names, kind.parts, strict=True)
        )
        return f"STRUCT({', '.join(fields)})"
    return _DUCKDB[kind.kind]


def databricks_type(duckdb_type: str) -> str:
    """Turn DuckDB type text such as `MAP(VARCHAR, INTEGER[])` into `map<string,array<int>>`."""
    reader = _DuckDb(duckdb_type)
    return str(reader.whole(reader.read))


def duckdb_type(databricks_type: str) -> str:
    """Turn Databricks type text such as `array<decimal(10,2)>` into `DECIMAL(10,2)[]`."""
    return render_duckdb(parse_type(databricks_type))
