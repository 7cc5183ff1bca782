"""Deny by default: one statement, of a kind on the list, over the tenant's own tables."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from servicetsunami.domain.dataset import DatasetName
from servicetsunami.domain.remote import TableAddress
from servicetsunami.engines.sql.dialect import shapes
from servicetsunami.engines.sql.dialect.calls import name_of
from servicetsunami.engines.sql.dialect.lexer import first_word, parse
from servicetsunami.engines.sql.dialect.library import FUNCTIONS, TABLE_FUNCTIONS
from servicetsunami.engines.sql.dialect.problems import refused, unknown_function
from servicetsunami.engines.sql.dialect.statement import Statement, StatementKind, TableRef
from servicetsunami.errors import InvalidInput, SqlRefused

__all__ = ["Statement", "StatementKind", "TableRef", "admit"]

_FULL_PARTS: Final = 3
SQL_LENGTH_MAX: Final = 100_000
"""Characters of one statement at most."""


def admit(sql: str, *, catalog: str, others: Collection[str] = ()) -> Statement:
    """Admit one read-only statement over the tables of one catalog.

    `others` are further catalogs, on Databricks, whose tables may be named; `*` stands for all.
    Raises InvalidInput for a text that is no SQL or that names another catalog, and SqlRefused for
    everything that is not on the list: other statements, functions, metadata schemas, depth.
    """
    if len(sql) > SQL_LENGTH_MAX:
        raise refused(f"A statement of more than {SQL_LENGTH_MAX} characters", "Split it.")
    source, verb = _Source(sql, catalog, frozenset(others)), first_word(sql)
    if verb == "SHOW":
        return _show(source)
    if verb not in _VERBS:
        raise _forbidden(verb)
    trees = parse(sql)
    if len(trees) != 1:
        raise SqlRefused(
            f"Exactly one statement can run at a time, {len(trees)} were given.",
            "Send them one after the other.",
        )
    if isinstance(trees[0], exp.Describe):
        return _describe(source, trees[0])
    return _query(source, trees[0], StatementKind.SELECT)


@dataclass(frozen=True, slots=True)
class _Source:
    sql: str
    catalog: str
    others: frozenset[str] = frozenset()

    def dataset(self, text: str) -> DatasetName:
        """A dataset of the tenant's own catalog."""
        self._refuse_metadata(text)
        return DatasetName.parse(text, catalog=self.catalog)

    def table(self, parts: Sequence[str]) -> tuple[DatasetName, str | None]:
        """A table, and its catalog where that is another one."""
        text = ".".join(parts)
        self._refuse_metadata(text)
        other = parts[0].lower() if len(parts) == _FULL_PARTS else self.catalog
        if other == self.catalog.lower() or self.others.isdisjoint({"*", other}):
            return DatasetName.parse(text, catalog=self.catalog), None
        address = TableAddress.parse(text)
        return DatasetName(schema=address.schema, table=address.table), address.catalog

    def _refuse_metadata(self, text: str) -> None:
        lowered = text.lower().replace("`", "")
        if re.match(r"(?:[^.]+\.)?(?:information_schema|system)\.", lowered + "."):
            raise refused(
                f"The metadata schema in {text}", "Call list_assets or describe_asset instead."
            )


def _forbidden(verb: str) -> SqlRefused:
    return SqlRefused(
        f"The statement {verb[:40] or '?'} is not allowed here: only reading is.",
        "Use SELECT, SHOW TABLES, SHOW SCHEMAS or DESCRIBE; write with ingest_dataset.",
    )


def _query(source: _Source, tree: exp.Expression, kind: StatementKind) -> Statement:
    for hint in list(tree.find_all(exp.Hint)):
        hint.pop()
    shapes.check(tree)
    _check_functions(tree)
    tables = _Tables(source)
    tables.visit(tree, frozenset())
    names = dict.fromkeys(str(node.this or "") for node in tree.find_all(exp.Placeholder))
    if "" in names:
        raise refused("The parameter ?", "Name it, as in :city, and give its value by name.")
    return Statement(kind, source.sql, tuple(tables.found.values()), tuple(names), tree=tree)


def _check_functions(tree: exp.Expression) -> None:
    for node in tree.find_all(exp.Anonymous):
        name = name_of(node)
        if name not in FUNCTIONS and name not in TABLE_FUNCTIONS:
            raise unknown_function(name, [*FUNCTIONS, *TABLE_FUNCTIONS])


class _Tables:
    """Finds the tables of a query, minding which names are those of a WITH clause."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.found: dict[tuple[str, int | None, str | None], TableRef] = {}

    def visit(self, node: exp.Expression, shadowed: frozenset[str]) -> None:
        pending = [(node, shadowed)]
        while pending:
            current, names = pending.pop()
            if isinstance(current, exp.Table):
                self._table(current, names)
            pending += self._children(current, names)

    def _children(
        self, node: exp.Expression, shadowed: frozenset[str]
    ) -> Iterator[tuple[exp.Expression, frozenset[str]]]:
        clause = node.args.get("with_")
        if clause is not None:
            for cte in clause.expressions:
                name = str(cte.alias).lower()
                inner = shadowed | {name} if clause.args.get("recursive") else shadowed
                yield cte.this, inner
                shadowed = shadowed | {name}
        for child in node.iter_expressions():
            if child is not clause:
                yield child, shadowed

    def _table(self, node: exp.Table, shadowed: frozenset[str]) -> None:
        if isinstance(node.this, exp.Anonymous):
            if name_of(node.this) not in TABLE_FUNCTIONS:
                raise unknown_function(name_of(node.this), TABLE_FUNCTIONS)
            return
        parts = [str(part.name) for part in node.parts]
        if any("." in part for part in parts):
            raise InvalidInput(f"{'.'.join(parts)!r} names no dataset.", "Use schema.table.")
        if len(parts) == 1 and parts[0].lower() in shadowed and not node.args.get("version"):
            return
        version, timestamp = _moment(node.args.get("version"))
        name, catalog = self._source.table(parts)
        key = (f"{catalog or ''}.{name}", version, timestamp)
        new = TableRef(name, version, timestamp, f"t{len(self.found)}", catalog)
        ref = self.found.setdefault(key, new)
        node.meta["view"] = ref.view
        node.meta["path"] = (catalog or self._source.catalog, name.schema, name.table)


def _moment(version: exp.Expression | None) -> tuple[int | None, str | None]:
    """Read VERSION AS OF 3 or TIMESTAMP AS OF '2024-01-31'."""
    if version is None:
        return None, None
    value = version.expression
    text = str(value.this) if isinstance(value, exp.Literal) else ""
    if isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal):
        text = str(value.this.this)
    if str(version.name).upper() == "VERSION" and text.isdecimal():
        return int(text), None
    if str(version.name).upper() == "TIMESTAMP" and re.match(r"\d{4}-\d{1,2}-\d{1,2}", text):
        return None, text
    raise refused(
        "Time travel to a computed version or time",
        "Write VERSION AS OF 3 or TIMESTAMP AS OF '2024-01-31 10:00:00'.",
    )


def _describe(source: _Source, tree: exp.Expression) -> Statement:
    style, target = str(tree.args.get("style") or "").upper(), tree.this
    if isinstance(target, exp.Query):
        return _query(source, target, StatementKind.DESCRIBE_QUERY)
    kind = str(tree.args.get("kind") or "TABLE").upper()
    is_table = isinstance(target, exp.Table) and kind == "TABLE"
    if style not in {"", "HISTORY", "EXTENDED"} or not is_table:
        raise _forbidden(f"DESCRIBE {style or kind}")
    wanted = StatementKind.DESCRIBE_HISTORY if style == "HISTORY" else StatementKind.DESCRIBE_TABLE
    tables = _Tables(source)
    tables.visit(target, frozenset())
    return Statement(wanted, source.sql, tuple(tables.found.values()))


_SHOW: Final = re.compile(
    r"\s*show\s+(?P<what>tables|schemas|databases|columns)"
    r"(?:\s+(?:in|from)\s+(?P<where>[\w.`]+))?(?:\s+(?:like\s+)?'(?P<pattern>[^']*)')?\s*;?\s*",
    re.IGNORECASE,
)


def _show(source: _Source) -> Statement:
    found = _SHOW.fullmatch(source.sql)
    if found is None:
        raise _forbidden(f"SHOW {source.sql.split(maxsplit=1)[-1]}")
    where, pattern = found["where"], found["pattern"]
    what = found["what"].lower()
    if what == "columns":
        return _show_columns(source, where)
    if what == "tables":
        schema = source.dataset(f"{where}.x").schema if where else None
        return Statement(StatementKind.SHOW_TABLES, source.sql, schema=schema, pattern=pattern)
    return Statement(StatementKind.SHOW_SCHEMAS, source.sql, pattern=pattern)


def _show_columns(source: _Source, where: str | None) -> Statement:
    if where is None:
        raise InvalidInput("SHOW COLUMNS needs a table.", "Write SHOW COLUMNS IN sales.orders.")
    ref = TableRef(source.dataset(where), None, None, "t0")
    return Statement(StatementKind.SHOW_COLUMNS, source.sql, (ref,))


_VERBS: Final = frozenset({"SELECT", "WITH", "FROM", "VALUES", "TABLE", "DESCRIBE", "DESC"})
