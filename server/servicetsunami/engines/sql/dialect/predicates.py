"""Conditions: comparison, IN, BETWEEN, IS, LIKE, regular expressions, EXISTS, scalar subqueries."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import operators, patterns
from servicetsunami.engines.sql.dialect.casts import cast, implicit
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.env import Env, Query
from servicetsunami.engines.sql.dialect.expr import Expr, Trait, fill, identifier
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import BOOLEAN, STRING, SqlType, struct


def compare(env: Env, sign: str, left: exp.Expression, right: exp.Expression) -> Expr:
    """Compile a comparison of two operands."""
    return operators.comparison(sign, _positional(env, left), _positional(env, right))


def distinct_from(env: Env, node: exp.Expression) -> Expr:
    """Compile IS DISTINCT FROM."""
    same = compare(env, "<=>", node.this, node.expression)
    return fill("(NOT {0})", BOOLEAN, [same], name=f"(NOT {same.name})")


def _in(env: Env, node: exp.Expression) -> Expr:
    query = node.args.get("query")
    if query is not None:
        return _decided(_in_query(env, node.this, query), node)
    left = _positional(env, node.this)
    items = [_positional(env, item) for item in node.expressions]
    if not items:
        raise refused("IN with something other than a list or a query", "Write IN (1, 2, 3).")
    shown = f"({left.name} IN ({', '.join(item.name for item in items)}))"
    sides = operators.comparable([left, *items], shown)
    holes = ", ".join(f"{{{n}}}" for n in range(1, len(sides)))
    return fill(f"({{0}} IN ({holes}))", BOOLEAN, sides, name=shown)


def _positional(env: Env, node: exp.Expression) -> Expr:
    """Compile `(a, b)` without field names: it is compared by position."""
    if not isinstance(node, exp.Tuple):
        return env.compile(node)
    parts = [env.compile(part) for part in node.expressions]
    kind = struct(tuple(f"col{n}" for n, _ in enumerate(parts, 1)), tuple(p.type for p in parts))
    fields = ", ".join(f"{name} := {{{n}}}" for n, name in enumerate(kind.names))
    shown = f"struct({', '.join(part.name for part in parts)})"
    return fill(f"struct_pack({fields})", kind, parts, name=shown)


def _query_of(node: exp.Expression) -> exp.Expression:
    while isinstance(node, exp.Subquery) and not node.args.get("alias"):
        node = node.this
    return node


def _in_query(env: Env, subject: exp.Expression, node: exp.Expression) -> Expr:
    query = env.query(_query_of(node))
    lefts = [
        env.compile(part)
        for part in (subject.expressions if isinstance(subject, exp.Tuple) else [subject])
    ]
    if len(lefts) == 1 and len(query.columns) > 1:
        raise refused("A struct IN a query of several columns", "Write (a, b) IN (SELECT …).")
    if len(lefts) != len(query.columns):
        raise mismatch(f"IN compares {len(lefts)} values with {len(query.columns)} columns")
    kinds = [
        common_type((left.type, column.type), "IN")
        for left, column in zip(lefts, query.columns, strict=True)
    ]
    sides = [cast(left, kind) for left, kind in zip(lefts, kinds, strict=True)]
    inner = _recast(query, kinds, env)
    names = ", ".join(left.name for left in lefts)
    if len(sides) == 1:
        template = "({0} IN ({1}))"
    else:
        holes = ", ".join(f"{{{n}}}" for n in range(len(sides)))
        template = f"(({holes}) IN ({{{len(sides)}}}))"
        if isinstance(subject.parent, exp.In) and isinstance(subject.parent.parent, exp.Not):
            raise refused("NOT IN with several columns", "Use NOT EXISTS.")
    query_text = Expr(inner, BOOLEAN, "listquery()", traits=Trait.SUBQUERY)
    shown = f"({names} IN (listquery()))"
    return fill(template, BOOLEAN, [*sides, query_text], name=shown)


def _filters(node: exp.Expression) -> bool:
    """Tell whether a condition is one of those that WHERE joins by AND."""
    while isinstance(node.parent, exp.And | exp.Paren):
        node = node.parent
    return isinstance(node.parent, exp.Where)


def _decided(done: Expr, node: exp.Expression) -> Expr:
    """Make NULL false, as Databricks does where IN (query) gives a value and is no filter."""
    if _filters(node) or (isinstance(node, exp.In) and isinstance(node.this, exp.Null)):
        return done
    return fill("coalesce({0}, false)", BOOLEAN, [done], name=done.name)


def _asks_query(node: exp.Expression) -> bool:
    return any(found.args.get("query") is not None for found in node.find_all(exp.In))


def negation(env: Env, node: exp.Expression) -> Expr:
    """Compile NOT; over IN (query) it goes as deep as it can, as in Databricks."""
    inner = node.this.unnest()
    if isinstance(inner, exp.In) and inner.args.get("query") is not None:
        return _decided(_negated(_in_query(env, inner.this, inner.args["query"])), node)
    if isinstance(inner, exp.And | exp.Or) and _asks_query(inner):
        word = "OR" if isinstance(inner, exp.And) else "AND"
        sides = [exp.Not(this=side.copy()) for side in (inner.this, inner.expression)]
        return operators.logic(word, *(env.compile(side) for side in sides))
    if isinstance(inner, exp.Not) and _asks_query(inner):
        return env.compile(inner.this)
    return _negated(operators.truth(env.compile(node.this), "NOT"))


def _recast(query: Query, kinds: list[SqlType], env: Env) -> str:
    if [column.type for column in query.columns] == kinds:
        return query.sql
    alias = env.shared.fresh("r")
    items = ", ".join(
        cast(Expr(f"{alias}.{identifier(c.id)}", c.type, c.name), kind).sql
        for c, kind in zip(query.columns, kinds, strict=True)
    )
    return f"SELECT {items} FROM ({query.sql}) AS {alias}"


def _scalar(env: Env, node: exp.Expression) -> Expr:
    query = env.query(_query_of(node))
    if len(query.columns) != 1:
        raise mismatch(f"A scalar subquery gives one column, this one {len(query.columns)}")
    return Expr(
        f"({query.sql})",
        query.columns[0].type,
        "scalarsubquery()",
        weight=10_000,
        traits=Trait.SUBQUERY,
    )


def exists(env: Env, node: exp.Expression) -> Expr:
    """Compile EXISTS (query)."""
    query = env.query(_query_of(node))
    return Expr(f"EXISTS ({query.sql})", BOOLEAN, "exists()", traits=Trait.SUBQUERY)


def _exists(env: Env, node: exp.Expression) -> Expr:
    return exists(env, node.this)


def _between(env: Env, node: exp.Expression) -> Expr:
    value, low, high = (env.compile(node.args[part]) for part in ("this", "low", "high"))
    shown = f"between({value.name}, {low.name}, {high.name})"
    first = operators.comparison(">=", value, low)
    second = operators.comparison("<=", value, high)
    return fill("({0} AND {1})", BOOLEAN, [first, second], name=shown)


_TRUTHS: Final = {True: "true", False: "false"}


def _is(env: Env, node: exp.Expression) -> Expr:
    left, right = env.compile(node.this), node.expression
    if isinstance(right, exp.Null):
        return fill("({0} IS NULL)", BOOLEAN, [left], name=f"({left.name} IS NULL)")
    if isinstance(right, exp.Boolean):
        word = _TRUTHS[bool(right.this)]
        side = operators.truth(left, "IS")
        return fill(f"({{0}} IS {word.upper()})", BOOLEAN, [side], name=f"({left.name} = {word})")
    raise refused(f"IS {right.sql()}", "Use IS NULL, IS TRUE or IS FALSE.")


def _like(env: Env, node: exp.Expression) -> Expr:
    return _liked(env, node, "\\")


def _negated(done: Expr) -> Expr:
    return fill("(NOT {0})", BOOLEAN, [done], name=f"(NOT {done.name})")


def _escape(env: Env, node: exp.Expression) -> Expr:
    mark = env.compile(node.expression).constant
    if mark is None or not isinstance(mark.value, str) or len(mark.value) != 1:
        raise refused("ESCAPE with something other than one character", "Write ESCAPE '/'.")
    return _liked(env, node.this, mark.value)


def _liked(env: Env, node: exp.Expression, mark: str) -> Expr:
    word = "LIKE" if isinstance(node, exp.Like) else "ILIKE"
    right = node.expression
    if isinstance(right, exp.Any | exp.All):
        return _liked_many(env, node, mark)
    done = like(word, env.compile(node.this), env.compile(right), mark)
    return _negated(done) if node.args.get("negate") else done


def like(word: str, value: Expr, pattern: Expr, mark: str = "\\") -> Expr:
    """Compile LIKE or ILIKE with an escape character."""
    shown = f"{value.name} {word} {pattern.name}"
    sides = [implicit(value, STRING, word), implicit(pattern, STRING, word)]
    patterns.check_like(pattern, mark)
    if word == "ILIKE":
        sides = [fill("s_lower({0})", STRING, [side], uses=3) for side in sides]
    known = pattern.constant
    if known is not None and isinstance(known.value, str) and mark not in known.value:
        # DuckDB searches for a prefix or a part many times faster than it reads a pattern.
        return fill("({0} LIKE {1})", BOOLEAN, sides, name=shown)
    escape = Expr("'" + mark.replace("'", "''") + "'", STRING, mark)
    return fill("({0} LIKE {1} ESCAPE {2})", BOOLEAN, [*sides, escape], name=shown)


def _liked_many(env: Env, node: exp.Expression, mark: str) -> Expr:
    word = "LIKE" if isinstance(node, exp.Like) else "ILIKE"
    value = env.compile(node.this)
    inner = node.expression.this
    listed = inner.expressions if isinstance(inner, exp.Tuple) else [inner]
    tests = [like(word, value, env.compile(item), mark) for item in listed]
    if node.args.get("negate"):
        tests = [_negated(test) for test in tests]
    glue = "OR" if isinstance(node.expression, exp.Any) else "AND"
    done = tests[0]
    for test in tests[1:]:
        done = operators.logic(glue, done, test)
    return done


def _regexp(env: Env, node: exp.Expression) -> Expr:
    value, pattern = env.compile(node.this), env.compile(node.expression)
    return regexp_like(value, pattern, f"RLIKE({value.name}, {pattern.name})")


def regexp_like(value: Expr, pattern: Expr, shown: str) -> Expr:
    """Compile RLIKE and its function forms."""
    sides = [implicit(value, STRING, "RLIKE"), patterns.regexp(pattern, lenient_end=True)]
    return fill("regexp_matches({0}, {1})", BOOLEAN, sides, name=shown)


NODES: Final[Mapping[type[exp.Expression], Callable[[Env, exp.Expression], Expr]]] = (
    MappingProxyType(
        {
            exp.In: _in,
            exp.Between: _between,
            exp.Is: _is,
            exp.Like: _like,
            exp.ILike: _like,
            exp.Escape: _escape,
            exp.RegexpLike: _regexp,
            exp.Exists: _exists,
            exp.Subquery: _scalar,
            exp.Select: _scalar,
        }
    )
)
