"""One SELECT block: items, grouping, filters, order; and how its pieces are put together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import generators, grouping, ordering, relations
from servicetsunami.engines.sql.dialect.env import Env, Output, Query, Relation, access
from servicetsunami.engines.sql.dialect.expr import Expr, Trait
from servicetsunami.engines.sql.dialect.operators import truth
from servicetsunami.engines.sql.dialect.problems import mismatch, refused, unknown_column
from servicetsunami.engines.sql.types import Kind, SqlType
from servicetsunami.errors import InvalidInput

_MISPLACED = ("into", "kind", "operation_modifiers", "connect", "prewhere", "match", "locks", "top")


@dataclass(frozen=True)
class Item:
    """One item of the select list."""

    name: str
    expr: Expr


@dataclass
class Block:
    """The compiled pieces of one SELECT, before they become text."""

    relation: Relation
    env: Env
    items: list[Item] = field(default_factory=list)
    where: str = ""
    group: str = ""
    having: str = ""
    qualify: str = ""
    distinct: bool = False
    order: str = ""
    limit: str = ""

    def text(self, ids: Sequence[str]) -> str:
        """Write the block as DuckDB SQL."""
        listed = ", ".join(f"{i.expr.sql} AS {id_}" for i, id_ in zip(self.items, ids, strict=True))
        parts = [f"SELECT {'DISTINCT ' if self.distinct else ''}{listed}"]
        if self.relation.sql:
            parts.append(f"FROM {self.relation.sql}")
        clauses = (
            ("WHERE", self.where),
            ("GROUP BY", self.group),
            ("HAVING", self.having),
            ("QUALIFY", self.qualify),
            ("ORDER BY", self.order),
        )
        parts += [f"{word} {text}" for word, text in clauses if text]
        return " ".join([*parts, self.limit]).rstrip()


def select(env: Env, node: exp.Expression) -> Query:
    """Compile a SELECT."""
    for part in _MISPLACED:
        if node.args.get(part):
            raise refused(f"SELECT … {part.upper()}", "Write a plain SELECT.")
    relation = relations.from_clause(env, node)
    block = Block(relation, replace(env.inside(relation.columns), windows=_windows(node)))
    if any(_generator_of(item) is not None for item in node.expressions):
        return _generating(block, node)
    _fill_items(block, node.expressions)
    _fill_clauses(block, node)
    ordering.finish(block, node)
    return _query(block)


def _windows(node: exp.Expression) -> dict[str, exp.Window]:
    return {str(w.this.name).lower(): w for w in node.args.get("windows") or ()}


def _query(block: Block) -> Query:
    shared = block.env.shared
    ids = [shared.fresh("c") for _ in block.items]
    columns = tuple(
        Output(item.name, id_, item.expr.type) for item, id_ in zip(block.items, ids, strict=True)
    )
    return Query(block.text(ids), columns)


def _fill_items(block: Block, nodes: Sequence[exp.Expression]) -> None:
    aliases: dict[str, Expr] = {}
    env = block.env
    for node in nodes:
        starred = _star(block, node)
        if starred is not None:
            block.items += starred
            continue
        found = env.compile(node)
        item = Item(_item_name(node, found), found)
        block.items.append(item)
        if isinstance(node, exp.Alias):
            # Later items may use the name; an own column of that name comes first.
            aliases = {**aliases, str(node.alias).lower(): found}
            env = replace(env, aliases=aliases)
    block.env = env


def _item_name(node: exp.Expression, found: Expr) -> str:
    if isinstance(node, exp.Alias):
        return str(node.alias)
    if isinstance(node, exp.Column):
        return str(node.name)
    if isinstance(node, exp.Dot):
        return str(node.expression.name)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Column):
        return str(node.this.name)
    return found.name


def _star(block: Block, node: exp.Expression) -> list[Item] | None:
    """Expand `*`, `t.*` and `struct_column.*`, or give None for another item."""
    star = node.this if isinstance(node, exp.Column) else node
    if not isinstance(star, exp.Star):
        return None
    qualifier = (node.args.get(part) for part in ("catalog", "db", "table"))
    prefix = [str(part.name).lower() for part in qualifier if part is not None]
    columns = [
        c
        for c in block.relation.columns
        if (c.qualifier[-len(prefix) :] == tuple(prefix) if prefix else not c.hidden)
    ]
    found = [Item(c.name, c.expr()) for c in columns]
    if prefix and not columns:
        found = _struct_star(block, prefix)
    if not found:
        raise InvalidInput("There is nothing that * could stand for.", "Add a FROM clause.")
    return _without(found, star)


def _struct_star(block: Block, prefix: list[str]) -> list[Item]:
    base = block.env.resolve(prefix)
    if base.type.kind is not Kind.STRUCT:
        raise unknown_column(".".join(prefix) + ".*", (c.name for c in block.relation.columns))
    return [Item(name, access(base, [name])) for name in base.type.names]


def _without(items: list[Item], star: exp.Expression) -> list[Item]:
    if star.args.get("replace") or star.args.get("rename"):
        raise refused("SELECT * REPLACE or RENAME", "List the columns.")
    listed = star.args.get("except_") or ()
    names = {item.name.lower() for item in items if item.expr.type.kind is Kind.STRUCT}
    if any(isinstance(c, exp.Column) and str(c.table).lower() in names for c in listed):
        raise refused("EXCEPT of a struct's field", "Build the struct anew with named_struct.")
    left_out = {str(c.name).lower() for c in listed}
    unknown = left_out - {item.name.lower() for item in items}
    if unknown:
        raise unknown_column(min(unknown), (item.name for item in items))
    kept = [item for item in items if item.name.lower() not in left_out]
    if not kept:
        raise refused("SELECT without columns", "Keep one at least.")
    return kept


def _fill_clauses(block: Block, node: exp.Expression) -> None:
    where, having, qualify = (node.args.get(part) for part in ("where", "having", "qualify"))
    plain = replace(block.env, aliases={})
    if where is not None:
        test = truth(plain.compile(where.this), "WHERE")
        if Trait.AGGREGATE in test.traits or Trait.WINDOW in test.traits:
            raise InvalidInput(
                "[INVALID_WHERE_CONDITION] WHERE cannot contain an aggregate or a window function.",
                "Use HAVING or QUALIFY.",
            )
        block.where = test.sql
    output = {item.name.lower(): item.expr for item in block.items}
    block.group = grouping.keys(block, node.args.get("group"), output)
    if having is not None:
        aliases = _unless_key(block, node, output)
        inside = replace(block.env, aliases=aliases, aliases_first=True, in_having=True)
        block.having = truth(inside.compile(having.this), "HAVING").sql
    if qualify is not None:
        inside = replace(block.env, aliases=output)
        block.qualify = truth(inside.compile(qualify.this), "QUALIFY").sql
    distinct = node.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        raise refused("DISTINCT ON", "Use QUALIFY row_number() OVER (…) = 1.")
    block.distinct = distinct is not None
    if block.distinct and any(_has_map(item.expr.type) for item in block.items):
        raise mismatch("DISTINCT does not compare maps")


def _has_map(kind: SqlType) -> bool:
    return kind.kind is Kind.MAP or any(map(_has_map, kind.parts))


_LISTS: Final = (exp.Group, exp.Tuple, exp.Paren, exp.Rollup, exp.Cube, exp.GroupingSets)


def _unless_key(block: Block, node: exp.Expression, output: dict[str, Expr]) -> dict[str, Expr]:
    """Leave out the aliases that hide a column of GROUP BY: in HAVING the column comes first."""
    group = node.args.get("group")
    listed = group.find_all(exp.Column) if group is not None else ()
    named = {str(key.name).lower() for key in listed if isinstance(key.parent, _LISTS)}
    own = {column.name.lower() for column in block.relation.columns}
    return {name: found for name, found in output.items() if name not in named & own}


def _generator_of(node: exp.Expression) -> exp.Expression | None:
    inner = node.this if isinstance(node, exp.Alias | exp.Aliases) else node
    return inner if generators.is_generator(inner) else None


def _generating(block: Block, node: exp.Expression) -> Query:
    """Compile a SELECT with a generator among its items: select first, spread then."""
    calls = [item for item in node.expressions if _generator_of(item) is not None]
    if len(calls) > 1:
        raise refused("More than one generator in SELECT", "Use LATERAL VIEW for the others.")
    place = node.expressions.index(calls[0])
    before, after = node.expressions[:place], node.expressions[place + 1 :]
    _fill_items(block, before)
    count_before = len(block.items)
    found = generators.generator(block.env, _generator_of(calls[0]) or calls[0])
    block.items.append(Item("", found.items))
    _fill_items(block, after)
    clauses = node.copy()
    clauses.set("distinct", None)
    _fill_clauses(block, clauses)
    passed = len(block.items)
    if not block.group and not any(Trait.AGGREGATE in i.expr.traits for i in block.items):
        block.items += [Item(c.name, c.expr()) for c in block.relation.columns if not c.hidden]
    return _spread(block, node, calls[0], found, (count_before, passed))


def _spread(
    block: Block,
    node: exp.Expression,
    call: exp.Expression,
    found: generators.Generator,
    places: tuple[int, int],
) -> Query:
    shared, (place, passed) = block.env.shared, places
    base = _query(block).relation(shared, ())
    items = base.columns[place]
    held = replace(found, items=replace(found.items, sql=items.sql))
    names = generators.names_of(found, _given(call))
    new, relation = generators.spread(shared, base, held, names, ())
    old = relation.columns
    chosen = [*old[:place], *new, *old[place + 1 : passed]]
    # Columns that are not selected can still be ordered by.
    outer = Block(relation, replace(block.env, columns=old[passed : -len(new)], aliases={}))
    outer.items = [Item(c.name, c.expr()) for c in chosen]
    outer.distinct = node.args.get("distinct") is not None
    ordering.finish(outer, node)
    return _query(outer)


def _given(call: exp.Expression) -> list[str]:
    if isinstance(call, exp.Aliases):
        return [str(name.name) for name in call.expressions]
    return [str(call.alias)] if isinstance(call, exp.Alias) else []
