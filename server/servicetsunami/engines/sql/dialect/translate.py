"""A whole statement: its query compiled, its columns cast to their types and named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from servicetsunami.domain.dataset import Column
from servicetsunami.engines.sql.dialect.compile import expression
from servicetsunami.engines.sql.dialect.env import Env, Query, Shared
from servicetsunami.engines.sql.dialect.expr import identifier
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.dialect.queries import query
from servicetsunami.engines.sql.dialect.statement import Statement
from servicetsunami.engines.sql.types import Kind, SqlType, render_duckdb


@dataclass(frozen=True, slots=True)
class Translation:
    """DuckDB text, and its columns as Databricks names and types them.

    `result_names` are the names in the DuckDB result: the same, but each of them once.
    """

    sql: str
    column_names: tuple[str, ...]
    column_types: tuple[str, ...]
    result_names: tuple[str, ...]


def session_settings() -> Sequence[str]:
    """List the SET statements that a connection needs before it is locked."""
    return (
        "SET TimeZone = 'UTC'",
        "SET Calendar = 'gregorian'",
        "SET preserve_insertion_order = true",
        "SET error_on_division_by_zero = true",
        "SET default_order = 'ASC'",
        "SET default_null_order = 'NULLS_FIRST'",
        "SET scalar_subquery_error_on_multiple_rows = true",
        "SET lambda_syntax = 'DISABLE_SINGLE_ARROW'",
        "SET integer_division = false",
    )


def compile_query(
    tree: exp.Expression,
    *,
    columns: Mapping[str, Sequence[Column]],
    parameters: Mapping[str, object],
) -> Translation:
    """Compile the query of a statement whose tables were bound to views."""
    shared = Shared(columns=columns, parameters=parameters, expression=expression, query=query)
    try:
        found = Env(shared).query(tree)
    except RecursionError:
        raise refused("A statement nested this deep", "Simplify the statement.") from None
    names = tuple(column.name for column in found.columns)
    result_names = unique(names)
    return Translation(
        sql=_finished(found, result_names, shared.fresh("r")),
        column_names=names,
        column_types=tuple(str(column.type) for column in found.columns),
        result_names=result_names,
    )


def _finished(found: Query, names: tuple[str, ...], alias: str) -> str:
    items = ", ".join(
        f"{_typed(f'{alias}.{column.id}', column.type)} AS {identifier(name)}"
        for column, name in zip(found.columns, names, strict=True)
    )
    return f"SELECT {items} FROM ({found.sql}) AS {alias}"


def _typed(sql: str, kind: SqlType) -> str:
    """Give the column just the type that Databricks reports; arithmetic may have been wider."""
    if _has_decimal(kind):
        return f"CAST({sql} AS {render_duckdb(kind)})"
    return sql


def _has_decimal(kind: SqlType) -> bool:
    return kind.kind is Kind.DECIMAL or any(map(_has_decimal, kind.parts))


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Tell columns of the same name apart by a number; DuckDB does not see case."""
    taken = {name.lower() for name in names}
    seen: set[str] = set()
    out = []
    for name in names:
        new, count = name or "_", 1
        while new.lower() in seen or (count > 1 and new.lower() in taken):
            count += 1
            new = f"{name}_{count}"
        seen.add(new.lower())
        out.append(new)
    return tuple(out)


def translate(
    statement: Statement,
    *,
    columns: Mapping[str, Sequence[Column]],
    parameters: Mapping[str, object],
) -> Translation:
    """Translate an admitted query to DuckDB SQL.

    `columns` gives each table's columns by its view name, `parameters` the values by name.
    Raises InvalidInput for unknown columns and types that do not fit, SqlRefused for what has no
    equal in DuckDB.
    """
    if statement.tree is None:
        raise refused(f"Translating {statement.kind}", "It is answered without a query.")
    return compile_query(statement.tree, columns=columns, parameters=parameters)
