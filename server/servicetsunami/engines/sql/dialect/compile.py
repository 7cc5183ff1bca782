"""Expressions, node by node; a node that has no entry here is refused by its name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import calls, literals, operators, predicates
from servicetsunami.engines.sql.dialect.casts import cast, try_cast
from servicetsunami.engines.sql.dialect.coercion import TEMPORAL, common_type, is_integral
from servicetsunami.engines.sql.dialect.env import Env, access
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import INT, Kind, SqlType, parse_type
from servicetsunami.errors import InvalidInput

Compile = Callable[[Env, exp.Expression], Expr]


def column_parts(node: exp.Expression) -> list[str]:
    """List the parts of a dotted name."""
    names = (node.args.get(part) for part in ("catalog", "db", "table", "this"))
    return [str(name.name) for name in names if name is not None]


def _column(env: Env, node: exp.Expression) -> Expr:
    return env.resolve(column_parts(node))


def _identifier(env: Env, node: exp.Expression) -> Expr:
    return env.resolve([str(node.name)])


def _dot(env: Env, node: exp.Expression) -> Expr:
    if not isinstance(node.expression, exp.Identifier):
        raise refused("Calling a function of a schema", "Use a built-in function.")
    return access(env.compile(node.this), [str(node.expression.name)])


def _literal(_: Env, node: exp.Expression) -> Expr:
    return literals.text(str(node.this)) if node.is_string else literals.number(str(node.this))


def _placeholder(env: Env, node: exp.Expression) -> Expr:
    name = str(node.this or "")
    if name not in env.shared.parameters:
        raise InvalidInput(
            f"[UNBOUND_SQL_PARAMETER] The statement uses :{name}, which has no value.",
            f"Give parameters={{'{name}': …}}.",
        )
    return literals.parameter(env.shared.parameters[name])


def type_of(node: exp.Expression) -> SqlType:
    """Read a type as it stands in a CAST."""
    if not isinstance(node, exp.DataType) or node.is_type(exp.DataType.Type.TIME):
        raise refused(f"The type {node.sql()}", "Use a Databricks SQL type.")
    return parse_type(node.sql(dialect="databricks").lower().replace("timestamp_ltz", "timestamp"))


_WORDS: Final = frozenset({"epoch", "now", "today", "tomorrow", "yesterday"})


def _cast(env: Env, node: exp.Expression) -> Expr:
    inner, target = node.this, type_of(node.args["to"])
    if target.kind in TEMPORAL and isinstance(inner, exp.Literal) and inner.name.lower() in _WORDS:
        raise refused(f"The moment {inner.name!r}", "Use current_date() or current_timestamp().")
    operand = env.compile(inner)
    done = cast(operand, target)
    if isinstance(inner, exp.JSONExtract):
        return done.named(operand.name)
    if _is_typed_literal(inner, target):
        return Expr(done.sql, done.type, f"{target.kind.upper()} '{inner.this}'", operand.constant)
    return done.named(f"CAST({operand.name} AS {str(target).upper()})")


def _is_typed_literal(inner: exp.Expression, target: SqlType) -> bool:
    temporal = target.kind in {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ}
    return temporal and isinstance(inner, exp.Literal) and bool(inner.is_string)


def _try_cast(env: Env, node: exp.Expression) -> Expr:
    operand, target = env.compile(node.this), type_of(node.args["to"])
    return try_cast(operand, target).named(f"TRY_CAST({operand.name} AS {str(target).upper()})")


def _binary(sign: str) -> Compile:
    def build(env: Env, node: exp.Expression) -> Expr:
        return operators.arithmetic(sign, env.compile(node.this), env.compile(node.expression))

    return build


def _compare(sign: str) -> Compile:
    def build(env: Env, node: exp.Expression) -> Expr:
        return predicates.compare(env, sign, node.this, node.expression)

    return build


def _bits(sign: str) -> Compile:
    def build(env: Env, node: exp.Expression) -> Expr:
        return operators.bitwise(sign, env.compile(node.this), env.compile(node.expression))

    return build


def _logic(word: str) -> Compile:
    """A chain of ANDs is as deep as it is long, so it is walked in a loop."""

    def build(env: Env, node: exp.Expression) -> Expr:
        kind, rest = type(node), []
        while type(node) is kind:
            rest.append(node.expression)
            node = node.this
        done = env.compile(node)
        for side in reversed(rest):
            done = operators.logic(word, done, env.compile(side))
        return done

    return build


def _not(env: Env, node: exp.Expression) -> Expr:
    done = predicates.negation(env, node)
    if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
        shown = done.name.removeprefix("(NOT ").removesuffix(")")
        return done.named(shown.replace(" IS NULL", " IS NOT NULL"))
    return done


def _neg(env: Env, node: exp.Expression) -> Expr:
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return literals.number("-" + str(inner.this))
    if isinstance(inner, exp.Cast) and inner.this.is_number and "." not in inner.this.name:
        # -9223372036854775808L is a literal: without its sign it would not fit.
        signed = inner.copy()
        signed.set("this", exp.Neg(this=inner.this.copy()))
        return env.compile(signed)
    return operators.negated(env.compile(inner))


def _bit_not(env: Env, node: exp.Expression) -> Expr:
    inner = env.compile(node.this)
    return fill("(~{0})", inner.type, [inner], name=f"~{inner.name}")


def _concat(env: Env, node: exp.Expression) -> Expr:
    sides = list(node.flatten()) if isinstance(node, exp.DPipe) else node.expressions
    args = [env.compile(side) for side in sides if isinstance(side, exp.Expression)]
    if isinstance(node, exp.Concat):
        return literals.text("".join(str(a.constant.value) for a in args if a.constant))
    done = args[0]
    for arg in args[1:]:
        done = operators.concatenated([done, arg], f"concat({done.name}, {arg.name})")
    return done


def _paren(env: Env, node: exp.Expression) -> Expr:
    return env.compile(node.this)


def _case(env: Env, node: exp.Expression) -> Expr:
    subject = node.this
    branches = [*node.args["ifs"]]
    conditions = [
        env.compile(branch.this)
        if subject is None
        else predicates.compare(env, "=", subject, branch.this)
        for branch in branches
    ]
    values = [env.compile(branch.args["true"]) for branch in branches]
    last = node.args.get("default")
    otherwise = env.compile(last) if last is not None else None
    return choice(conditions, values, otherwise)


def choice(conditions: list[Expr], values: list[Expr], otherwise: Expr | None) -> Expr:
    """Compile CASE: all branches get one type."""
    results = [*values, *([otherwise] if otherwise is not None else [])]
    kind = common_type((value.type for value in results), "CASE")
    if any(condition.type.kind is Kind.VOID for condition in conditions):
        raise mismatch("WHEN needs a condition, not NULL")
    pairs = list(zip(conditions, values, strict=True))
    shown = "CASE " + " ".join(f"WHEN {c.name} THEN {v.name}" for c, v in pairs)
    shown += f" ELSE {otherwise.name} END" if otherwise is not None else " END"
    flat = [side for c, v in pairs for side in (operators.condition(c, "CASE"), cast(v, kind))]
    sql = " ".join(f"WHEN {{{2 * n}}} THEN {{{2 * n + 1}}}" for n in range(len(pairs)))
    if otherwise is not None:
        sql += f" ELSE {{{len(flat)}}}"
        flat.append(cast(otherwise, kind))
    return fill(f"CASE {sql} END", kind, flat, name=shown)


def _bracket(env: Env, node: exp.Expression) -> Expr:
    base = env.compile(node.this)
    key = env.compile(node.expressions[0])
    shown = f"{base.name}[{key.name}]"
    if base.type.kind is Kind.ARRAY:
        item = base.type.parts[0]
        if not is_integral(key.type) and key.type.kind is not Kind.VOID:
            raise mismatch(f"An array takes whole numbers in brackets, not {key.type}")
        index = key if key.type.kind is Kind.INT else cast(key, INT)
        return fill("s_item({0}, {1})", item, [base, index], name=shown, uses=3)
    if base.type.kind is Kind.MAP:
        wanted = cast(key, base.type.parts[0])
        return fill("{0}[{1}]", base.type.parts[1], [base, wanted], name=shown)
    if base.type.kind is Kind.STRUCT and key.constant is not None:
        return access(base, [str(key.constant.value)])
    raise mismatch(f"{base.type} has no elements")


def _boolean(_: Env, node: exp.Expression) -> Expr:
    return literals.boolean(bool(node.this))


def _hex(_: Env, node: exp.Expression) -> Expr:
    return literals.binary(str(node.this))


def _tuple(env: Env, node: exp.Expression) -> Expr:
    return calls.call(env, exp.Anonymous(this="struct", expressions=node.expressions))


def _alias(env: Env, node: exp.Expression) -> Expr:
    return env.compile(node.this).named(str(node.alias))


_NODES: Final[Mapping[type[exp.Expression], Compile]] = MappingProxyType(
    {
        exp.Column: _column,
        exp.Identifier: _identifier,
        exp.Dot: _dot,
        exp.Literal: _literal,
        exp.RawString: lambda _, node: literals.text(str(node.this)),
        exp.HexString: _hex,
        exp.Boolean: _boolean,
        exp.Null: lambda *_: literals.null(),
        exp.Placeholder: _placeholder,
        exp.Interval: lambda _, node: literals.interval(node),
        exp.Cast: _cast,
        exp.TryCast: _try_cast,
        exp.Add: _binary("+"),
        exp.Sub: _binary("-"),
        exp.Mul: _binary("*"),
        exp.Div: _binary("/"),
        exp.Mod: _binary("%"),
        exp.IntDiv: _binary("div"),
        exp.EQ: _compare("="),
        exp.NEQ: _compare("<>"),
        exp.LT: _compare("<"),
        exp.LTE: _compare("<="),
        exp.GT: _compare(">"),
        exp.GTE: _compare(">="),
        exp.NullSafeEQ: _compare("<=>"),
        exp.NullSafeNEQ: predicates.distinct_from,
        exp.BitwiseAnd: _bits("&"),
        exp.BitwiseOr: _bits("|"),
        exp.BitwiseXor: _bits("^"),
        exp.BitwiseNot: _bit_not,
        exp.And: _logic("AND"),
        exp.Or: _logic("OR"),
        exp.Not: _not,
        exp.Neg: _neg,
        exp.DPipe: _concat,
        exp.Concat: _concat,
        exp.Paren: _paren,
        exp.Case: _case,
        exp.Bracket: _bracket,
        exp.Tuple: _tuple,
        exp.Alias: _alias,
        **predicates.NODES,
        **calls.NODES,
    }
)


def expression(env: Env, node: exp.Expression) -> Expr:
    """Compile one expression; raises SqlRefused for a construct that is not on the list."""
    build = _NODES.get(type(node))
    if build is None:
        raise refused(f"The construct {type(node).__name__}", "Rephrase the expression without it.")
    return build(env, node)
