"""FROM clauses: tables, subqueries, joins, lateral views, table functions, samples."""

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from servicetsunami.engines.sql.dialect import generators, operators, pivots
from servicetsunami.engines.sql.dialect.calls import name_of
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.env import (
    Env,
    Output,
    Query,
    Relation,
    Source,
    sources,
)
from servicetsunami.engines.sql.dialect.expr import Expr, identifier
from servicetsunami.engines.sql.dialect.problems import mismatch, refused, unknown_column
from servicetsunami.engines.sql.types import BIGINT, SqlType, parse_type
from servicetsunami.errors import InvalidInput


def from_clause(env: Env, node: exp.Expression) -> Relation:
    """Compile what a SELECT reads from; without FROM it is one row without columns."""
    start = node.args.get("from_")
    relation = Relation("", ())
    if start is not None:
        relation = _joined(env, start.this, node.args.get("joins") or ())
    for lateral in node.args.get("laterals") or ():
        relation = _lateral_view(env, relation, lateral)
    return relation


def _joined(env: Env, first: exp.Expression, joins: Sequence[exp.Expression]) -> Relation:
    relation = _source(env, first, Relation("", ()))
    for join in [*(first.args.get("joins") or ()), *joins]:
        relation = _join(env, relation, join)
    for lateral in first.args.get("laterals") or ():
        relation = _lateral_view(env, relation, lateral)
    return relation


def alias_of(node: exp.Expression) -> tuple[str, list[str]]:
    """Give a table alias with the column names that it lists."""
    alias = node.args.get("alias")
    if alias is None:
        return "", []
    name = str(alias.this.name) if alias.this is not None else ""
    return name.lower(), [str(column.name) for column in alias.args.get("columns") or ()]


def _renamed(relation: Relation, name: str, names: Sequence[str]) -> Relation:
    if not name and not names:
        return relation
    columns = relation.columns
    if names and len(names) != len(columns):
        raise InvalidInput(
            f"[NUM_TABLE_VALUE_ALIASES_MISMATCH] The alias names {len(names)} columns, "
            f"there are {len(columns)}.",
            "Name each column once.",
        )
    new_names = list(names) or [column.name for column in columns]
    return Relation(
        relation.sql,
        tuple(
            replace(c, name=n, qualifier=(name,) if name else c.qualifier)
            for c, n in zip(columns, new_names, strict=True)
        ),
    )


def _source(env: Env, node: exp.Expression, left: Relation) -> Relation:
    """Compile one item of a FROM clause; `left` is what LATERAL items can see."""
    name, names = alias_of(node)
    relation = _unaliased(env, node, left)
    sample = node.args.get("sample")
    if sample is not None:
        relation = _sampled(env, relation, sample)
    pivoted = node.args.get("pivots") or ()
    if pivoted:
        # The alias stands before PIVOT, whose own alias is with it.
        relation, name, names = _renamed(relation, name, names), "", []
    for pivot in pivoted:
        relation = pivots.apply(env, relation, pivot)
    return _renamed(relation, name, names)


def _unaliased(env: Env, node: exp.Expression, left: Relation) -> Relation:
    if isinstance(node, exp.Table):
        return _table(env, node)
    if isinstance(node, exp.Lateral):
        return env.inside(left.columns).query(node.this.this).relation(env.shared, ())
    if isinstance(node, exp.Subquery | exp.Paren):
        if isinstance(node.this, exp.Table):
            inner = _joined(env, node.this, ())
            return Relation(f"({inner.sql})", inner.columns)
        return env.query(node.this).relation(env.shared, ())
    if isinstance(node, exp.Values):
        return values(env, node).relation(env.shared, ())
    raise refused(f"{type(node).__name__} in FROM", "Use a table, a subquery or VALUES.")


def _table(env: Env, node: exp.Expression) -> Relation:
    if isinstance(node.this, exp.Anonymous):
        return _function(env, node.this)
    view = node.meta.get("view")
    if view is None:
        found = env.ctes[str(node.name).lower()]
        alias = env.shared.fresh("r")
        columns = tuple(
            replace(c, hidden=not c.name)
            for c in sources(found.columns, alias, (str(node.name).lower(),))
        )
        return Relation(f"{found.id} AS {alias}", columns)
    alias = env.shared.fresh("r")
    path = tuple(str(part).lower() for part in node.meta["path"])
    columns = tuple(
        Source(c.name, f"{alias}.{identifier(c.name)}", parse_type(c.type), path)
        for c in env.shared.columns[view]
    )
    return Relation(f"{identifier(view)} AS {alias}", columns)


def _function(env: Env, node: exp.Expression) -> Relation:
    name = name_of(node)
    if generators.is_generator(node):
        found = generators.generator(env.inside(()), node)
        names = generators.names_of(found, ())
        _, relation = generators.spread(env.shared, Relation("", ()), found, names, (name,))
        return relation
    if name != "range":
        raise refused(
            f"The table function {name!r}", "Use range, explode, posexplode, inline or stack."
        )
    bounds = [cast(env.compile(arg), BIGINT).sql for arg in node.expressions[:3]]
    if not bounds:
        raise InvalidInput("range needs an end.", "Write range(10) or range(1, 10, 2).")
    alias = env.shared.fresh("r")
    text = f"(SELECT unnest(range({', '.join(bounds)})) AS c0) AS {alias}"
    return Relation(text, (Source("id", f"{alias}.c0", BIGINT, (name,)),))


def _sampled(env: Env, relation: Relation, sample: exp.Expression) -> Relation:
    if sample.args.get("seed") is not None or sample.args.get("bucket_numerator") is not None:
        raise refused(
            "A sample that is repeatable or by bucket, which depends on the engine,",
            "Filter on a hash of a key, or use TABLESAMPLE without REPEATABLE.",
        )
    rows, percent = sample.args.get("size"), sample.args.get("percent")
    items = [(c, env.shared.fresh("c")) for c in relation.columns]
    listed = ", ".join(f"{c.sql} AS {id_}" for c, id_ in items)
    if rows is not None:
        tail = f"LIMIT {int(str(rows.name))}"
    elif percent is not None:
        tail = f"WHERE random() * 100 < {float(str(percent.name))}"
    else:
        raise refused("This form of TABLESAMPLE", "Use TABLESAMPLE (10 PERCENT) or (5 ROWS).")
    alias = env.shared.fresh("r")
    columns = tuple(replace(c, sql=f"{alias}.{id_}") for c, id_ in items)
    return Relation(f"(SELECT {listed} FROM {relation.sql} {tail}) AS {alias}", columns)


def _lateral_view(env: Env, relation: Relation, node: exp.Expression) -> Relation:
    name, names = alias_of(node)
    found = generators.generator(
        env.inside(relation.columns), node.this, outer=bool(node.args.get("outer"))
    )
    shown = generators.names_of(found, names)
    _, spread = generators.spread(env.shared, relation, found, shown, (name,) if name else ())
    return spread


def _lateral_function(node: exp.Expression) -> exp.Expression | None:
    """Give the generator call of `LATERAL explode(…)`, if that is what the node is."""
    if isinstance(node, exp.Lateral) and generators.is_generator(node.this):
        return node.this
    return None


_WORDS = {"": "JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}


def _join(env: Env, left: Relation, join: exp.Expression) -> Relation:
    side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
    if join.args.get("method") not in {None, "NATURAL"}:
        raise refused(f"{join.args['method']} JOIN", "Use a plain join.")
    if isinstance(join.this, exp.Lateral):
        _check_lateral(join)
    if _lateral_function(join.this) is not None:
        lateral = join.this.copy()
        lateral.set("outer", side == "LEFT")
        return _lateral_view(env, left, lateral)
    right = _source(env, join.this, left)
    for nested in join.this.args.get("joins") or ():
        right = _join(env, right, nested)
    if kind in {"SEMI", "ANTI"} and side == "RIGHT":
        raise InvalidInput(f"[PARSE_SYNTAX_ERROR] There is no RIGHT {kind} JOIN.", "Use LEFT.")
    word = f"{kind} JOIN" if kind in {"SEMI", "ANTI"} else _WORDS[side]
    merged = _merged_names(left, right, join)
    if merged:
        return _using(left, right, merged, word, side)
    condition = _condition(env, left, right, join)
    lateral = "LATERAL " if isinstance(join.this, exp.Lateral) else ""
    if condition is None and word == "JOIN":
        return Relation(
            f"{left.sql} CROSS JOIN {lateral}{right.sql}", (*left.columns, *right.columns)
        )
    sql = f"{left.sql} {word} {lateral}{right.sql} ON {condition or 'true'}"
    kept = () if kind in {"SEMI", "ANTI"} else right.columns
    return Relation(sql, (*left.columns, *kept))


def _check_lateral(join: exp.Expression) -> None:
    on = join.args.get("on")
    always = on is None or (isinstance(on, exp.Boolean) and bool(on.this))
    if not always and _lateral_function(join.this) is not None:
        raise refused("A condition on a LATERAL generator", "Filter its rows in WHERE.")


def _condition(env: Env, left: Relation, right: Relation, join: exp.Expression) -> str | None:
    on = join.args.get("on")
    if on is None:
        return None
    inside = env.inside((*left.columns, *right.columns))
    return operators.truth(inside.compile(on), "ON").sql


def _merged_names(left: Relation, right: Relation, join: exp.Expression) -> list[str]:
    if join.args.get("method") == "NATURAL":
        theirs = {c.name.lower() for c in right.columns if not c.hidden}
        return [c.name for c in left.columns if c.name.lower() in theirs and not c.hidden]
    return [str(name.name) for name in join.args.get("using") or ()]


def _only(relation: Relation, name: str) -> Source:
    hits = [c for c in relation.columns if c.name.lower() == name.lower() and not c.hidden]
    if len(hits) != 1:
        raise unknown_column(name, (c.name for c in relation.columns))
    return hits[0]


def _using(left: Relation, right: Relation, names: Sequence[str], word: str, side: str) -> Relation:
    tests, merged, hidden = [], [], []
    for name in names:
        a, b = _only(left, name), _only(right, name)
        tests.append(operators.comparison("=", a.expr(), b.expr()).sql)
        hidden += [a, b]
        kind = common_type((a.type, b.type), "USING")
        sides = {"RIGHT": [b], "FULL": [a, b]}.get(side, [a])
        texts = [cast(s.expr(), kind).sql for s in sides]
        sql = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
        merged.append(Source(name, sql, kind))
    sql = f"{left.sql} {word} {right.sql} ON {' AND '.join(tests)}"
    keep_right = word not in {"SEMI JOIN", "ANTI JOIN"}
    rest = [c for c in (*left.columns, *(right.columns if keep_right else ())) if c not in hidden]
    qualified = [replace(c, hidden=True) for c in hidden if keep_right or c in left.columns]
    return Relation(sql, (*merged, *rest, *qualified))


def values(env: Env, node: exp.Expression) -> Query:
    """Compile VALUES: columns are called col1, col2, … until an alias names them."""
    rows = [
        [env.compile(cell) for cell in (row.expressions if isinstance(row, exp.Tuple) else [row])]
        for row in node.expressions
    ]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        raise mismatch("The rows of VALUES have different lengths")
    kinds = [
        common_type((row[n].type for row in rows), "VALUES", strict=True)
        for n in range(len(rows[0]))
    ]
    columns = tuple(
        Output(f"col{n}", env.shared.fresh("c"), kind) for n, kind in enumerate(kinds, 1)
    )
    texts = ", ".join(f"({_cells(row, kinds)})" for row in rows)
    alias = env.shared.fresh("v")
    names = ", ".join(column.id for column in columns)
    return Query(f"SELECT {names} FROM (VALUES {texts}) AS {alias}({names})", columns)


def _cells(row: Sequence[Expr], kinds: Sequence[SqlType]) -> str:
    return ", ".join(cast(cell, kind).sql for cell, kind in zip(row, kinds, strict=True))
