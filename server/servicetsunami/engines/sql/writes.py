"""Reads the statements by which a job may change its tenant's own tables, as SELECTs of new rows.

Nothing here runs: what comes out is a target, a way of writing, and a SELECT that goes through the
same gate and the same engine as any question. `sqlglot` is imported late: it is heavy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from servicetsunami.domain.dataset import Column
from servicetsunami.engines.sql.merges import merged, refuse_unknown
from servicetsunami.errors import SqlRefused

if TYPE_CHECKING:
    from sqlglot import exp

Mode = Literal["create", "append", "overwrite"]
WRITE_VERBS: Final = frozenset({"CREATE", "INSERT", "DELETE", "UPDATE", "MERGE"})
_DIALECT: Final = "databricks"
_NEXT: Final = (
    "Use CREATE [OR REPLACE] TABLE t AS SELECT, INSERT INTO t, INSERT OVERWRITE t, DELETE FROM t, "
    "UPDATE t SET or MERGE INTO t."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What a statement changes. `needs_columns` asks for the target's columns before `select`."""

    target: str
    mode: Mode
    tree: "exp.Expression"

    @property
    def needs_columns(self) -> bool:
        """Whether it changes rows that are there: the target is read, and written as a whole."""
        from sqlglot import exp  # noqa: PLC0415 - heavy

        return isinstance(self.tree, (exp.Update, exp.Delete, exp.Merge))

    def select(self, columns: Sequence[Column] = ()) -> str:
        """The SELECT of the rows to write; `columns` are the target's, in their order."""
        from sqlglot import exp  # noqa: PLC0415 - heavy

        if isinstance(self.tree, exp.Delete):
            return _kept(self.tree, self.target)
        if isinstance(self.tree, exp.Update):
            return _updated(self.tree, self.target, columns)
        if isinstance(self.tree, exp.Merge):
            return merged(self.tree, self.target, columns)
        return _inserted(self.tree, columns)


def read_write(sql: str) -> Write:
    """Read one statement; raises InvalidInput for no SQL, and SqlRefused for another kind."""
    from sqlglot import exp  # noqa: PLC0415 - heavy

    from servicetsunami.engines.sql.dialect.lexer import PREFIX, parse  # noqa: PLC0415 - heavy

    trees = parse(sql)
    if len(trees) != 1:
        raise SqlRefused(
            f"Exactly one statement can run at a time, {len(trees)} were given.", _NEXT
        )
    tree = trees[0]
    for call in tree.find_all(exp.Anonymous):
        # The parser marks names of functions; what comes out is to be parsed again.
        name = str(call.this)
        call.set("this", name[len(PREFIX) :] if name.lower().startswith(PREFIX) else name)
    if isinstance(tree, exp.Create) and _is_plain_table(tree):
        mode: Mode = "overwrite" if tree.args.get("replace") else "create"
        return Write(target=_target(tree.this), mode=mode, tree=tree)
    if isinstance(tree, exp.Insert) and tree.expression is not None:
        mode = "overwrite" if tree.args.get("overwrite") else "append"
        return Write(target=_target(tree.this), mode=mode, tree=tree)
    if isinstance(tree, (exp.Update, exp.Delete, exp.Merge)) and isinstance(tree.this, exp.Table):
        return Write(target=_target(tree.this), mode="overwrite", tree=tree)
    raise SqlRefused(f"A job cannot run {sql.strip()[:60]!r}.", _NEXT)


def _is_plain_table(tree: "exp.Create") -> bool:
    is_table = str(tree.args.get("kind") or "").upper() == "TABLE"
    return is_table and tree.expression is not None and not tree.args.get("exists")


def _target(found: "exp.Expression") -> str:
    """The table's name, without the columns that may follow it."""
    from sqlglot import exp  # noqa: PLC0415 - heavy

    table = found.this if isinstance(found, exp.Schema) else found
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        raise SqlRefused(f"{found.sql(_DIALECT)!r} is no table that can be written.", _NEXT)
    return ".".join(part.name for part in table.parts)


def _kept(tree: "exp.Delete", target: str) -> str:
    where = tree.args.get("where")
    condition = where.this.sql(_DIALECT) if where is not None else "TRUE"
    return f"SELECT * FROM {_quoted(target)}{_alias(tree)} WHERE NOT coalesce({condition}, FALSE)"


def _updated(tree: "exp.Update", target: str, columns: Sequence[Column]) -> str:
    where = tree.args.get("where")
    condition = where.this.sql(_DIALECT) if where is not None else "TRUE"
    news = {each.this.name.lower(): each.expression.sql(_DIALECT) for each in tree.expressions}
    refuse_unknown("UPDATE", news, target, columns)
    shown = [
        f"CASE WHEN {condition} THEN CAST({news[column.name.lower()]} AS {column.type}) "
        f"ELSE `{column.name}` END AS `{column.name}`"
        if column.name.lower() in news
        else f"`{column.name}`"
        for column in columns
    ]
    return f"SELECT {', '.join(shown)} FROM {_quoted(target)}{_alias(tree)}"


def _inserted(tree: "exp.Expression", columns: Sequence[Column]) -> str:
    """The rows of an INSERT under the names of the target's columns, or of a CREATE TABLE AS."""
    from sqlglot import exp  # noqa: PLC0415 - heavy

    body = tree.expression.sql(_DIALECT)
    if not isinstance(tree, exp.Insert):
        return body
    listed = (
        [each.name for each in tree.this.expressions] if isinstance(tree.this, exp.Schema) else []
    )
    names = listed or [column.name for column in columns]
    if not names:
        return body
    quoted = ", ".join(f"`{name}`" for name in names)
    types = {column.name.lower(): column.type for column in columns}
    shown = ", ".join(
        f"CAST(`{name}` AS {types[name.lower()]}) AS `{name}`"
        if name.lower() in types
        else f"`{name}`"
        for name in names
    )
    return f"SELECT {shown} FROM ({body}) AS rows_to_insert({quoted})"


def _quoted(target: str) -> str:
    return ".".join(f"`{part}`" for part in target.split("."))


def _alias(tree: "exp.Expression") -> str:
    return f" AS `{tree.this.alias}`" if tree.this.alias else ""
