"""Runs a statement over the corpus's tables, and compares its answer with Spark's."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import duckdb
import pyarrow as pa

from servicetsunami.domain.dataset import Column
from servicetsunami.engines.sql.dialect import (
    Translation,
    confirm,
    explain_failure,
    macros,
    session_settings,
    translate,
)
from servicetsunami.engines.sql.gate import admit
from servicetsunami.engines.sql.types import duckdb_type
from servicetsunami.errors import NotFound, ServerError, SqlRefused
from tests.engines.sql.dialect.corpora import PARAMETERS
from tests.engines.sql.dialect.plain import plain_atom


class Verdict(StrEnum):
    """How an answer compares with Spark's."""

    RIGHT = "right"
    REFUSED = "refused"
    BOTH_FAIL = "both fail"
    DIFFERENT = "different in silence"
    RAN = "ran where Spark fails"
    FAILED = "failed where Spark answers"


class Bridge:
    """A DuckDB connection as a worker has it, with the corpus's tables."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.connection = duckdb.connect()
        for statement in session_settings():
            self.connection.execute(statement)
        self._columns: dict[str, tuple[Column, ...]] = {}
        for name, table in tables.items():
            self._create(name.partition(".")[2], table)

    def _create(self, name: str, table: Mapping[str, Any]) -> None:
        self._columns[name] = tuple(Column(name=n, type=t) for n, t in table["columns"])
        kinds = [kind for _, kind in table["columns"]]
        rows = ", ".join(
            "(" + ", ".join(literal(v, k) for v, k in zip(row, kinds, strict=True)) + ")"
            for row in table["rows"]
        )
        names = ", ".join(f'"{column.name}"' for column in self._columns[name])
        base = name.replace(".", "_")
        self.connection.execute(
            f"CREATE TABLE base_{base} AS SELECT * FROM (VALUES {rows}) v({names})"
        )

    def translate(self, sql: str) -> Translation:
        """Admit and translate a statement, and make its views."""
        statement = admit(sql, catalog="main")
        columns = {}
        for ref in statement.tables:
            if str(ref.name) not in self._columns:
                raise NotFound.dataset(str(ref.name), list(self._columns))
            base = str(ref.name).replace(".", "_")
            view = f"CREATE OR REPLACE TEMP VIEW {ref.view} AS SELECT * FROM base_{base}"
            self.connection.execute(view)
            columns[ref.view] = self._columns[str(ref.name)]
        return translate(statement, columns=columns, parameters=PARAMETERS)

    def run(self, translation: Translation) -> duckdb.DuckDBPyRelation:
        """Run what a statement was translated to, with the macros that it needs."""
        for statement in macros(translation.sql).values():
            self.connection.execute(statement)
        return self.connection.sql(translation.sql)

    def ask(self, sql: str) -> list[list[Any]]:
        """Run a statement; DuckDB's errors become ours, as in a worker."""
        translation = self.translate(sql)
        confirm(self.connection, translation.sql)
        try:
            table = self.run(translation).to_arrow_table()
        except duckdb.Error as error:
            raise explain_failure(error, admit(sql, catalog="main")) from error
        columns = [[plain(v, c.type) for v in c.to_pylist()] for c in table.columns]
        return [list(row) for row in zip(*columns, strict=True)]

    def judge(self, case: Mapping[str, Any]) -> tuple[Verdict, str]:
        """Compare one case; the text says what was different."""
        try:
            rows = self.ask(case["sql"])
        except SqlRefused as error:
            return Verdict.REFUSED, str(error)
        except ServerError as error:
            failed = "error_class" in case
            return (Verdict.BOTH_FAIL if failed else Verdict.FAILED), str(error)
        if "error_class" in case:
            return Verdict.RAN, f"{case['error_class']}, ours: {rows}"
        if not same_rows(case["sql"], case["rows"], rows):
            return Verdict.DIFFERENT, f"Spark: {case['rows']}, ours: {rows}"
        return Verdict.RIGHT, ""


def literal(value: Any, kind: str) -> str:
    """Write a cell of the corpus's tables as DuckDB SQL."""
    name = duckdb_type(kind)
    if value is None:
        return f"CAST(NULL AS {name})"
    if kind.startswith("array"):
        return f"CAST([{', '.join(literal(v, 'string') for v in value)}] AS {name})"
    if kind.startswith("map"):
        keys, values = (
            f"CAST([{', '.join(literal(v, 'string') for v in part)}] AS VARCHAR[])"
            for part in (value, value.values())
        )
        return f"map({keys}, {values})"
    if kind.startswith("struct"):
        city, postcode = (literal(v, "string") for v in value)
        return f"struct_pack(city := {city}, zip := {postcode})"
    escaped = str(value).replace("'", "''")
    return f"CAST('{escaped}' AS {name})"


def plain(value: Any, kind: pa.DataType) -> Any:
    """Write an answer as the corpus does."""
    if isinstance(value, list) and pa.types.is_map(kind):
        pairs = sorted(value, key=lambda pair: str(pair[0]))
        return {str(plain(k, kind.key_type)): plain(v, kind.item_type) for k, v in pairs}
    if isinstance(value, list):
        return [plain(item, kind.value_type) for item in value]
    if isinstance(value, dict):
        return {key: plain(part, kind.field(key).type) for key, part in value.items()}
    return plain_atom(value)


def same_cell(left: Any, right: Any) -> bool:
    """Compare two cells; numbers to six places."""
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= 2e-6 * max(1.0, abs(left))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_cell, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same_cell(left[k], right[k]) for k in left)
    return left == right and type(left) is type(right)


def is_ordered(sql: str) -> bool:
    """Tell whether the statement's last clause orders its rows."""
    outside = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", sql)))
    return re.search(r"(?i)\border\s+by\b", outside) is not None


def same_rows(sql: str, left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Compare answers; without ORDER BY as bags of rows."""
    if not is_ordered(sql):
        left, right = sorted(left, key=json.dumps), sorted(right, key=json.dumps)
    return len(left) == len(right) and all(map(same_cell, left, right))
