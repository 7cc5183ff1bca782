"""Queries: WITH, SELECT, VALUES, and set operations."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import ordering, relations
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.env import Cte, Env, Output, Query
from servicetsunami.engines.sql.dialect.expr import Expr
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.dialect.selects import Block, Item, select
from servicetsunami.engines.sql.types import Kind, SqlType
from servicetsunami.errors import InvalidInput

RECURSION_MAX: Final = 100
"""Databricks stops a recursive query after this many rounds."""


def query(env: Env, node: exp.Expression) -> Query:
    """Compile a query; raises SqlRefused for a kind of query that is not on the list."""
    prefix, env = _with(env, node)
    build = _QUERIES.get(type(node))
    if build is None:
        raise refused(f"{type(node).__name__} as a query", "Use SELECT, VALUES or a set operation.")
    found = build(env, node)
    return replace(found, sql=prefix + found.sql) if prefix else found


def _with(env: Env, node: exp.Expression) -> tuple[str, Env]:
    clause = node.args.get("with_")
    if clause is None:
        return "", env
    texts: list[str] = []
    seen: set[str] = set()
    for cte in clause.expressions:
        name, names = relations.alias_of(cte)
        if name in seen:
            raise InvalidInput(
                f"[DUPLICATED_CTE_NAMES] WITH names {name!r} twice.", "Give each its own name."
            )
        seen.add(name)
        if clause.args.get("recursive") and _mentions(cte.this, name):
            text, found = _recursive(env, cte.this, name, names)
        else:
            compiled = env.query(cte.this)
            id_ = env.shared.fresh("q")
            columns = _renamed(compiled.columns, names)
            text, found = f"{id_} AS ({compiled.sql})", Cte(id_, columns)
        texts.append(text)
        env = replace(env, ctes={**env.ctes, name: found})
    word = "WITH RECURSIVE" if clause.args.get("recursive") else "WITH"
    return f"{word} {', '.join(texts)} ", env


def _mentions(node: exp.Expression, name: str) -> bool:
    return any(
        str(table.name).lower() == name and not table.args.get("db")
        for table in node.find_all(exp.Table)
    )


def _renamed(columns: tuple[Output, ...], names: list[str]) -> tuple[Output, ...]:
    if not names:
        return columns
    if len(names) != len(columns):
        raise InvalidInput(
            f"[ASSIGNMENT_ARITY_MISMATCH] WITH names {len(names)} columns, "
            f"the query gives {len(columns)}.",
            "Name each column once.",
        )
    return tuple(replace(c, name=n) for c, n in zip(columns, names, strict=True))


def _recursive(env: Env, node: exp.Expression, name: str, names: list[str]) -> tuple[str, Cte]:
    if not isinstance(node, exp.Union) or node.args.get("distinct"):
        raise refused(
            "A recursive query that is not anchor UNION ALL step", "Write it in that form."
        )
    anchor = env.query(node.this)
    id_, level = env.shared.fresh("q"), env.shared.fresh("c")
    columns = _renamed(anchor.columns, names)
    inside = replace(env, ctes={**env.ctes, name: Cte(id_, (*columns, Output("", level, _LEVEL)))})
    step = inside.query(_counted(node.expression))
    _same_width(anchor, replace(step, columns=step.columns[:-1]))
    first, second = env.shared.fresh("r"), env.shared.fresh("r")
    kept = ", ".join(f"{first}.{c.id}" for c in anchor.columns)
    cells = ", ".join(
        cast(Expr(f"{second}.{a.id}", a.type, a.name), b.type).sql
        for a, b in zip(step.columns, columns, strict=False)
    )
    level_before = f"{second}.{step.columns[-1].id}"
    ids = ", ".join([*(c.id for c in columns), level])
    text = (
        f"{id_}({ids}) AS (SELECT {kept}, 0 FROM ({anchor.sql}) AS {first} UNION ALL "
        f"SELECT {cells}, {level_before} + 1 FROM ({step.sql}) AS {second}"
        f" WHERE s_in_bounds({level_before}))"
    )
    return text, Cte(id_, columns)


_LEVEL: Final = SqlType(relations.BIGINT.kind)


def _counted(step: exp.Expression) -> exp.Expression:
    """Let the step carry the round that it is in, as a column without a name."""
    if not isinstance(step, exp.Select) or step.args.get("group") or step.args.get("distinct"):
        raise refused(
            "A recursive step other than a plain SELECT", "Aggregate after the recursion."
        )
    counted = step.copy()
    counted.append("expressions", exp.Column(this=exp.Identifier(this="", quoted=True)))
    return counted


def _same_width(left: Query, right: Query) -> None:
    if len(left.columns) != len(right.columns):
        raise InvalidInput(
            f"[NUM_COLUMNS_MISMATCH] The queries give {len(left.columns)} and "
            f"{len(right.columns)} columns.",
            "Select the same number of columns on both sides.",
        )


_WORDS: Final[Mapping[type[exp.Expression], str]] = MappingProxyType(
    {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
)


def _set_operation(env: Env, node: exp.Expression) -> Query:
    for part in ("by_name", "side", "kind", "on"):
        if node.args.get(part):
            raise refused("A set operation by name", "List the columns in the same order.")
    left, right = env.query(node.this), env.query(node.expression)
    _same_width(left, right)
    word = _WORDS[type(node)] + ("" if node.args.get("distinct") else " ALL")
    kinds = [
        common_type((a.type, b.type), word)
        for a, b in zip(left.columns, right.columns, strict=True)
    ]
    if word != "UNION ALL" and any(kind.kind is Kind.MAP for kind in kinds):
        raise mismatch(f"{word} does not compare maps")
    ids = [column.id for column in left.columns]
    texts = [_as_types(env, side, kinds, ids) for side in (left, right)]
    columns = tuple(replace(c, type=k) for c, k in zip(left.columns, kinds, strict=True))
    return _ordered(env, node, Query(f"({texts[0]}) {word} ({texts[1]})", columns))


def _as_types(env: Env, side: Query, kinds: list[SqlType], ids: list[str]) -> str:
    if [column.type for column in side.columns] == kinds:
        return side.sql
    relation = side.relation(env.shared, ())
    items = ", ".join(
        f"{cast(source.expr(), kind).sql} AS {id_}"
        for source, kind, id_ in zip(relation.columns, kinds, ids, strict=True)
    )
    return f"SELECT {items} FROM {relation.sql}"


def _ordered(env: Env, node: exp.Expression, found: Query) -> Query:
    """Add the order and limits that stand after a set operation or a query in parentheses."""
    if not any(node.args.get(part) for part in ("order", "sort", "limit", "offset")):
        return found
    relation = found.relation(env.shared, ())
    block = Block(relation, env.inside(relation.columns))
    block.items = [Item(c.name, c.expr()) for c in relation.columns]
    ordering.finish(block, node)
    ids = [env.shared.fresh("c") for _ in block.items]
    columns = tuple(replace(c, id=i) for c, i in zip(found.columns, ids, strict=True))
    return Query(block.text(ids), columns)


def _parenthesised(env: Env, node: exp.Expression) -> Query:
    return _ordered(env, node, env.query(node.this))


def _values(env: Env, node: exp.Expression) -> Query:
    return _ordered(env, node, relations.values(env, node))


_QUERIES: Final[Mapping[type[exp.Expression], Callable[[Env, exp.Expression], Query]]] = (
    MappingProxyType(
        {
            exp.Select: select,
            exp.Union: _set_operation,
            exp.Except: _set_operation,
            exp.Intersect: _set_operation,
            exp.Subquery: _parenthesised,
            exp.Paren: _parenthesised,
            exp.Values: _values,
        }
    )
)
