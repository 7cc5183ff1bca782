"""Reads MERGE INTO as a SELECT of all rows that the target has afterwards.

Three parts, as MERGE sees rows: those of the target that the source has as well, those that it has
not, and those of the source that are new. `sqlglot` is imported late: it is heavy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.dataset import Column
from servicetsunami.domain.remote import backticked
from servicetsunami.errors import InvalidInput, SqlRefused

if TYPE_CHECKING:
    from sqlglot import exp

_DIALECT: Final = "databricks"
_TARGET, _SOURCE, _ROW, _DROP, _CHECK = "merge_t", "merge_s", "merge_row", "merge_drop", "merge_ok"
_AMBIGUOUS: Final = (
    "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE: several rows of the source match one "
    "row of the target"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clause:
    """One WHEN: its condition, and the new values by column; None for a row that is deleted."""

    condition: str
    values: Mapping[str, str] | None


def merged(tree: "exp.Expression", target: str, columns: Sequence[Column]) -> str:
    """The SELECT of the rows that the target has after a MERGE.

    Raises InvalidInput for columns that it has not, SqlRefused for a form that is not known.
    """
    here = backticked(tree.this.alias_or_name)
    using = tree.args["using"]
    if not using.alias_or_name:
        raise SqlRefused("MERGE needs a name for its source.", "Write USING (SELECT …) AS s.")
    there = backticked(using.alias_or_name)
    on = tree.args["on"].sql(_DIALECT)
    whens = tree.args["whens"].expressions
    names = ", ".join(backticked(column.name) for column in columns)
    matched = [_clause(w, there, target, columns) for w in whens if w.args.get("matched")]
    left = [
        _clause(w, there, target, columns)
        for w in whens
        if not w.args.get("matched") and w.args.get("source")
    ]
    fresh = [
        _clause(w, there, target, columns)
        for w in whens
        if not w.args.get("matched") and not w.args.get("source")
    ]
    twice = (
        f"CASE WHEN count(*) OVER (PARTITION BY {here}.{_ROW}) > 1 THEN raise_error('{_AMBIGUOUS}')"
        " ELSE 0 END"
    )
    both = f"{_TARGET} AS {here} JOIN {_SOURCE} AS {there} ON {on}"
    alone = f"{_TARGET} AS {here} WHERE NOT EXISTS (SELECT 1 FROM {_SOURCE} AS {there} WHERE {on})"
    parts = [
        _kept(names, matched, columns, here, both, twice if matched else "0"),
        _kept(names, left, columns, here, alone, "0"),
    ]
    if fresh:
        parts.append(_added(fresh, columns, here, there, on))
    quoted = ".".join(backticked(part) for part in target.split("."))
    table = f"SELECT *, row_number() OVER (ORDER BY 1) AS {_ROW} FROM {quoted}"
    source = f"SELECT * FROM {using.sql(_DIALECT)}"
    return f"WITH {_TARGET} AS ({table}), {_SOURCE} AS ({source}) " + " UNION ALL ".join(parts)


def _kept(  # noqa: PLR0917 - the parts of one SELECT
    names: str,
    clauses: Sequence[_Clause],
    columns: Sequence[Column],
    here: str,
    rows: str,
    check: str,
) -> str:
    """The rows of the target that stay, with their new values."""
    shown = [
        f"{_case(clauses, column, otherwise=f'{here}.{backticked(column.name)}')} "
        f"AS {backticked(column.name)}"
        for column in columns
    ]
    drops = [f"WHEN {each.condition} THEN {each.values is None}" for each in clauses]
    drop = f"CASE {' '.join(drops)} ELSE FALSE END" if drops else "FALSE"
    inside = f"SELECT {', '.join(shown)}, {drop} AS {_DROP}, {check} AS {_CHECK} FROM {rows}"
    return f"SELECT {names} FROM ({inside}) WHERE NOT {_DROP} AND {_CHECK} = 0"


def _added(
    clauses: Sequence[_Clause], columns: Sequence[Column], here: str, there: str, on: str
) -> str:
    """The rows of the source that the target has not."""
    shown = [
        f"{_case(clauses, column, otherwise='NULL')} AS {backticked(column.name)}"
        for column in columns
    ]
    wanted = " OR ".join(f"coalesce({each.condition}, FALSE)" for each in clauses)
    known = f"SELECT 1 FROM {_TARGET} AS {here} WHERE {on}"
    return (
        f"SELECT {', '.join(shown)} FROM {_SOURCE} AS {there} "
        f"WHERE NOT EXISTS ({known}) AND ({wanted})"
    )


def _case(clauses: Sequence[_Clause], column: Column, *, otherwise: str) -> str:
    """The value of a column by the first clause that applies."""
    cases = [
        f"WHEN {each.condition} THEN {(each.values or {}).get(column.name.lower(), otherwise)}"
        for each in clauses
    ]
    value = f"CASE {' '.join(cases)} ELSE {otherwise} END" if cases else otherwise
    return f"CAST({value} AS {column.type})"


def _clause(when: "exp.Expression", there: str, target: str, columns: Sequence[Column]) -> _Clause:
    from sqlglot import exp  # noqa: PLC0415 - heavy

    given = when.args.get("condition")
    condition = "TRUE" if given is None else f"({given.sql(_DIALECT)})"
    then = when.args["then"]
    if isinstance(then, exp.Var) and then.name.upper() == "DELETE":
        return _Clause(condition=condition, values=None)
    whole = {column.name.lower(): f"{there}.{backticked(column.name)}" for column in columns}
    if isinstance(then, exp.Update):
        if isinstance(then.expressions[0], exp.Star):
            return _Clause(condition=condition, values=whole)
        values = {
            each.this.name.lower(): each.expression.sql(_DIALECT) for each in then.expressions
        }
    elif isinstance(then, exp.Insert) and isinstance(then.this, exp.Star):
        return _Clause(condition=condition, values=whole)
    elif isinstance(then, exp.Insert) and isinstance(then.this, exp.Tuple):
        keys = [each.name.lower() for each in then.this.expressions]
        given_values = [each.sql(_DIALECT) for each in then.expression.expressions]
        if len(keys) != len(given_values):
            raise InvalidInput(
                f"INSERT of the MERGE names {len(keys)} columns and {len(given_values)} values.",
                "Give one value for each column.",
            )
        values = dict(zip(keys, given_values, strict=True))
    else:
        raise SqlRefused(
            f"MERGE cannot do {then.sql(_DIALECT)[:60]!r}.",
            "Use UPDATE SET, DELETE, INSERT * or INSERT (columns) VALUES (values).",
        )
    refuse_unknown("MERGE", values, target, columns)
    return _Clause(condition=condition, values=values)


def refuse_unknown(
    verb: str, values: Mapping[str, str], target: str, columns: Sequence[Column]
) -> None:
    """Raise InvalidInput for new values of columns that the target has not."""
    unknown = values.keys() - {column.name.lower() for column in columns}
    if unknown:
        raise InvalidInput(
            f"{verb} sets {', '.join(sorted(unknown))}, which {target} has not.",
            f"Its columns are {', '.join(column.name for column in columns)}.",
        )
