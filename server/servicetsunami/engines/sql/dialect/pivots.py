"""PIVOT and UNPIVOT, written out as aggregates and as rows."""

from dataclasses import dataclass, replace

from sqlglot import exp

from servicetsunami.engines.sql.dialect import calls, operators
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.env import Env, Relation, Source
from servicetsunami.engines.sql.dialect.expr import Expr, identifier, quoted
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.types import STRING, SqlType


def apply(env: Env, relation: Relation, pivot: exp.Expression) -> Relation:
    """Apply one PIVOT or UNPIVOT to a relation."""
    alias = pivot.args.get("alias")
    done = (
        _unpivot(env, relation, pivot)
        if pivot.args.get("unpivot")
        else _pivot(env, relation, pivot)
    )
    if alias is None:
        return done
    name = (str(alias.this.name).lower(),)
    return Relation(done.sql, tuple(replace(c, qualifier=name) for c in done.columns))


def _parts(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.Tuple):
        return list(node.expressions)
    return [node.this if isinstance(node, exp.Paren) else node]


def _aliased(node: exp.Expression) -> tuple[exp.Expression, str | None]:
    if isinstance(node, exp.PivotAlias | exp.Alias):
        alias = node.args["alias"]
        return node.this, str(alias.name)
    return node, None


def _pivot(env: Env, relation: Relation, pivot: exp.Expression) -> Relation:
    inside = env.inside(relation.columns)
    fields = pivot.args["fields"]
    if len(fields) != 1 or not isinstance(fields[0], exp.In):
        raise refused("A PIVOT with several FOR clauses", "Pivot by one list of columns.")
    if not fields[0].expressions:
        raise refused("A PIVOT over values that are not listed", "List them: IN ('a', 'b').")
    keys = [inside.compile(part) for part in _parts(fields[0].this)]
    aggregates = [_aliased(item) for item in pivot.expressions]
    used = {key.sql for key in keys}
    for node, _ in aggregates:
        used |= {inside.compile(column).sql for column in node.find_all(exp.Column)}
    kept = [c for c in relation.columns if c.sql not in used and not c.hidden]
    alias = env.shared.fresh("r")
    columns = [(c, env.shared.fresh("c")) for c in kept]
    items = [f"{c.sql} AS {id_}" for c, id_ in columns]
    out = [Source(c.name, f"{alias}.{id_}", c.type) for c, id_ in columns]
    for value in fields[0].expressions:
        node, value_name = _aliased(value)
        cells = [inside.compile(part) for part in _parts(node)]
        if any(cell.constant is None for cell in cells):
            raise refused("A PIVOT over a value that is not a literal", "Write the value out.")
        test = _matches(keys, cells)
        label = value_name or "_".join(cell.name for cell in cells)
        for aggregate, name in aggregates:
            done = _filtered(inside, aggregate, test)
            id_ = env.shared.fresh("c")
            # Without a row of this value the cell is NULL, even for a count.
            there = f"count(*) FILTER (WHERE {test.sql}) > 0"
            items.append(f"CASE WHEN {there} THEN {done.sql} ELSE NULL END AS {id_}")
            own = name or done.name.partition(" FILTER")[0]
            shown = label if len(aggregates) == 1 else f"{label}_{own}"
            out.append(Source(shown, f"{alias}.{id_}", done.type))
    by = f" GROUP BY {', '.join(c.sql for c in kept)}" if kept else ""
    return Relation(f"(SELECT {', '.join(items)} FROM {relation.sql}{by}) AS {alias}", tuple(out))


def _matches(keys: list[Expr], cells: list[Expr]) -> Expr:
    done = operators.comparison("<=>", keys[0], cells[0])
    for key, cell in zip(keys[1:], cells[1:], strict=True):
        done = operators.logic("AND", done, operators.comparison("<=>", key, cell))
    return done


def _filtered(inside: Env, aggregate: exp.Expression, test: Expr) -> Expr:
    if not isinstance(aggregate, exp.Anonymous):
        raise refused("This aggregate in PIVOT", "Use one plain aggregate, such as sum(x).")
    return calls.invoke(replace(calls.call_of(inside, aggregate), where=test))


def _unpivot(env: Env, relation: Relation, pivot: exp.Expression) -> Relation:
    inside = env.inside(relation.columns)
    field = pivot.args["fields"][0]
    value_names = [str(n.name) for item in pivot.expressions for n in _parts(item)]
    groups = []
    for item in field.expressions:
        node, label = _aliased(item)
        parts = [inside.compile(part) for part in _parts(node)]
        groups.append((parts, label if label is not None else "_".join(p.name for p in parts)))
    kinds = [
        common_type((parts[n].type for parts, _ in groups), "UNPIVOT")
        for n in range(len(value_names))
    ]
    used = {part.sql for parts, _ in groups for part in parts}
    kept = [c for c in relation.columns if c.sql not in used and not c.hidden]
    names = (str(field.this.name), *value_names)
    shape = _Shape(kept, names, (STRING, *kinds), bool(pivot.args.get("include_nulls")))
    return _rows(env, relation, groups, shape)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What an UNPIVOT gives: the columns kept, the new ones, and whether rows of NULL stay."""

    kept: list[Source]
    names: tuple[str, ...]
    kinds: tuple[SqlType, ...]
    nulls: bool


def _rows(
    env: Env,
    relation: Relation,
    groups: list[tuple[list[Expr], str]],
    shape: _Shape,
) -> Relation:
    names, kinds = shape.names, shape.kinds
    fields = tuple(f"u{n}" for n in range(len(names)))
    rows = []
    for parts, label in groups:
        cells = [quoted(label), *(cast(p, k).sql for p, k in zip(parts, kinds[1:], strict=True))]
        packed = ", ".join(f"{identifier(f)} := {c}" for f, c in zip(fields, cells, strict=True))
        rows.append(f"struct_pack({packed})")
    inner, alias, item = env.shared.fresh("r"), env.shared.fresh("r"), env.shared.fresh("c")
    columns = [(c, env.shared.fresh("c")) for c in shape.kept]
    items = [*(f"{c.sql} AS {id_}" for c, id_ in columns), f"unnest([{', '.join(rows)}]) AS {item}"]
    text = f"SELECT {', '.join(items)} FROM {relation.sql}"
    if not shape.nulls:
        test = " OR ".join(f"struct_extract({inner}.{item}, '{f}') IS NOT NULL" for f in fields[1:])
        text = f"SELECT * FROM ({text}) AS {inner} WHERE {test}"
    out = [Source(c.name, f"{alias}.{id_}", c.type) for c, id_ in columns]
    out += [
        Source(n, f"struct_extract({alias}.{item}, '{f}')", k)
        for n, f, k in zip(names, fields, kinds, strict=True)
    ]
    return Relation(f"({text}) AS {alias}", tuple(out))
