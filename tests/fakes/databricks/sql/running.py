"""One statement from text to result: a change, a listing, or a SELECT."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.fakes.databricks.errors import ApiError
from tests.fakes.databricks.sql import billing, tables
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.sql.selects import Spilled, compile_select, spill, spill_table
from tests.fakes.databricks.sql.writes import NAME, Writer
from tests.fakes.databricks.state import State


@dataclass(frozen=True)
class Order:
    """What a client asked to have run."""

    sql: str
    catalog: str
    schema: str
    parameters: tuple[Mapping[str, Any], ...] = ()
    row_limit: int | None = None
    chunk_rows: int = 1000


def run(state: State, order: Order, path: Path) -> Spilled:
    """Raises SqlError for whatever Databricks would fail."""
    parameters = {each["name"]: _value(each) for each in order.parameters}
    writer = Writer(state, order.catalog, order.schema, parameters)
    try:
        is_write, counts = writer.run(order.sql)
        if is_write:
            return _counted(counts or {}, path)
        listing = _listing(state, writer, order.sql, path)
        if listing is not None:
            return listing
        if billing.concerns(order.sql):
            return billing.answer(state, order.sql, parameters, path)
        compiled = compile_select(state, order.sql, order.catalog, parameters)
    except ApiError as error:
        name = "INSUFFICIENT_PERMISSIONS" if error.status == 403 else str(error.code)
        raise SqlError(name, error.message) from error
    return spill(compiled, path, chunk_rows=order.chunk_rows, row_limit=order.row_limit)


def _counted(counts: dict[str, int], path: Path) -> Spilled:
    table = pa.table({name: [count] for name, count in counts.items()})
    return spill_table(table, [(name, "bigint") for name in counts], path)


def _listing(state: State, writer: Writer, sql: str, path: Path) -> Spilled | None:
    text = sql.strip().rstrip(";")
    history = re.fullmatch(rf"DESCRIBE\s+HISTORY\s+{NAME}(?:\s+LIMIT\s+(\d+))?", text, re.I)
    if history:
        table = tables.find(state, writer.name(history[1]))
        found = [(at, each.operation) for at, each in enumerate(table.versions)][::-1]
        found = found[: int(history[2])] if history[2] else found
        rows = {"version": [at for at, _ in found], "operation": [name for _, name in found]}
        return spill_table(pa.table(rows), [("version", "bigint"), ("operation", "string")], path)
    shown = re.fullmatch(rf"SHOW\s+TABLES(?:\s+(?:IN|FROM)\s+{NAME})?", text, re.I)
    if shown:
        catalog, schema = writer.name(shown[1] or writer.schema, 2).split(".")
        names = sorted(state.schema(catalog, schema).tables)
        rows = {"database": [schema] * len(names), "tableName": names}
        listed = {**rows, "isTemporary": [False] * len(names)}
        kinds = [("database", "string"), ("tableName", "string"), ("isTemporary", "boolean")]
        return spill_table(pa.table(listed), kinds, path)
    described = re.fullmatch(rf"DESC(?:RIBE)?(?:\s+TABLE)?\s+{NAME}", text, re.I)
    if described:
        columns = tables.find(state, writer.name(described[1])).columns
        rows = {"col_name": [n for n, _ in columns], "data_type": [k for _, k in columns]}
        listed = {**rows, "comment": pa.array([None] * len(columns), pa.string())}
        kinds = [("col_name", "string"), ("data_type", "string"), ("comment", "string")]
        return spill_table(pa.table(listed), kinds, path)
    return None


def _value(parameter: Mapping[str, Any]) -> Any:
    """The value of a parameter, cast as its type says."""
    text, kind = parameter.get("value"), str(parameter.get("type") or "STRING").upper()
    if text is None:
        return None
    read = _READERS.get(kind.partition("(")[0], str)
    try:
        return read(text)
    except ValueError as error:
        raise SqlError("INVALID_PARAMETER_MARKER_VALUE", f"{text} is no {kind}.") from error


_READERS: dict[str, Callable[[str], Any]] = {
    "INT": int,
    "BIGINT": int,
    "SMALLINT": int,
    "TINYINT": int,
    "DOUBLE": float,
    "FLOAT": float,
    "DECIMAL": Decimal,
    "BOOLEAN": lambda text: text.lower() == "true",
    "DATE": date.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
}
