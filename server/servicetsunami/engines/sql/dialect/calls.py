"""Calls of functions: plain, aggregate, windowed, and those with a syntax of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect import json_paths, windows
from servicetsunami.engines.sql.dialect.env import Env
from servicetsunami.engines.sql.dialect.expr import Expr
from servicetsunami.engines.sql.dialect.functions import Call
from servicetsunami.engines.sql.dialect.lexer import PREFIX
from servicetsunami.engines.sql.dialect.library import FUNCTIONS
from servicetsunami.engines.sql.dialect.predicates import exists
from servicetsunami.engines.sql.dialect.problems import refused, unknown_function
from servicetsunami.errors import InvalidInput


def name_of(node: exp.Expression) -> str:
    """Give a call's function name in lower case."""
    return str(node.this).removeprefix(PREFIX).lower()


def call(env: Env, node: exp.Expression) -> Expr:
    """Compile a call of a named function."""
    return invoke(call_of(env, node))


def call_of(env: Env, node: exp.Expression) -> Call:
    """Read the arguments of a call, with the clauses that stand among them."""
    nodes = list(node.expressions)
    if len(nodes) == 1 and isinstance(nodes[0], exp.Distinct):
        return Call(name_of(node), nodes[0].expressions, env, distinct=True)
    if nodes and isinstance(nodes[0], exp.Distinct):
        return Call(name_of(node), [*nodes[0].expressions, *nodes[1:]], env, distinct=True)
    if nodes and isinstance(nodes[0], exp.IgnoreNulls | exp.RespectNulls):
        ignore = isinstance(nodes[0], exp.IgnoreNulls)
        return Call(name_of(node), [nodes[0].this, *nodes[1:]], env, ignore_nulls=ignore)
    if nodes and isinstance(nodes[-1], exp.Order):
        order = nodes[-1]
        return Call(name_of(node), [*nodes[:-1], order.this], env, order=order.expressions)
    return Call(name_of(node), nodes, env)


def invoke(found: Call) -> Expr:
    """Compile a call after its clauses were read; raises SqlRefused for an unknown function."""
    function = FUNCTIONS.get(found.name)
    if function is None:
        raise unknown_function(found.name, FUNCTIONS)
    if found.name == "exists" and len(found.nodes) == 1:
        return exists(found.env, found.nodes[0])
    function.check(found)
    _check_clauses(found, function.kind)
    if function.kind == "aggregate" and found.env.in_having:
        # What stands in an aggregate is a column before it is an alias.
        found = replace(found, env=replace(found.env, aliases_first=False))
    return function.build(found)


def _check_clauses(found: Call, kind: str) -> None:
    if kind == "scalar" and (found.distinct or found.where is not None or found.within):
        raise InvalidInput(
            f"[INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX] {found.name} is not an "
            "aggregate function.",
            "Take away DISTINCT, FILTER and WITHIN GROUP.",
        )
    if kind == "scalar" and found.over is not None:
        raise InvalidInput(
            f"[UNSUPPORTED_EXPR_FOR_WINDOW] {found.name} cannot stand before OVER.",
            "Use an aggregate or a window function.",
        )
    if kind == "window" and found.over is None:
        raise InvalidInput(f"[WINDOW_FUNCTION] {found.name} needs OVER (…).", "Add the window.")


def _clause(env: Env, node: exp.Expression) -> Call:
    """Read a call with the clauses around it, from the outside in."""
    if isinstance(node, exp.Window):
        return replace(_clause(env, node.this), over=windows.of(env, node))
    if isinstance(node, exp.Filter):
        return replace(_clause(env, node.this), where=node.expression.this)
    if isinstance(node, exp.WithinGroup):
        return replace(_clause(env, node.this), within=node.expression.expressions)
    if isinstance(node, exp.IgnoreNulls):
        return replace(_clause(env, node.this), ignore_nulls=True)
    if isinstance(node, exp.RespectNulls):
        return _clause(env, node.this)
    if isinstance(node, exp.Anonymous):
        return call_of(env, node)
    raise refused(f"The window or filter on {type(node).__name__}", "Use a plain function call.")


def _clauses(env: Env, node: exp.Expression) -> Expr:
    return invoke(_clause(env, node))


def _as(name: str, *parts: str) -> Callable[[Env, exp.Expression], Expr]:
    """Treat a node of its own syntax as a call of the function with that name."""

    def build(env: Env, node: exp.Expression) -> Expr:
        args = [node.args[part] for part in parts if node.args.get(part) is not None]
        return invoke(Call(name, args, env))

    return build


def _extract(env: Env, node: exp.Expression) -> Expr:
    unit = exp.Literal.string(str(node.this.name))
    done = invoke(Call("date_part", [unit, node.expression], env))
    inner = done.name.partition(", ")[2].removesuffix(")")
    return done.named(f"extract({node.this.name} FROM {inner})")


_SIDES: Final = MappingProxyType(
    {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "trim", "": "trim"}
)


def _trim(env: Env, node: exp.Expression) -> Expr:
    name = _SIDES[str(node.args.get("position") or "").upper()]
    marks = node.args.get("expression")
    # ltrim(marks, text) takes the marks first, btrim(text, marks) last.
    if name == "trim":
        parts: Sequence[exp.Expression] = [node.this] if marks is None else [node.this, marks]
        return invoke(Call("btrim" if marks is not None else "trim", parts, env))
    return invoke(Call(name, [node.this] if marks is None else [marks, node.this], env))


def _current(name: str) -> Callable[[Env, exp.Expression], Expr]:
    def build(env: Env, _: exp.Expression) -> Expr:
        return invoke(Call(name, [], env))

    return build


def _stray(_: Env, node: exp.Expression) -> Expr:
    raise refused(f"{type(node).__name__} in this place", "Use it as an argument of a function.")


NODES: Final[Mapping[type[exp.Expression], Callable[[Env, exp.Expression], Expr]]] = (
    MappingProxyType(
        {
            exp.Anonymous: call,
            exp.Window: _clauses,
            exp.Filter: _clauses,
            exp.WithinGroup: _clauses,
            exp.IgnoreNulls: _clauses,
            exp.RespectNulls: _clauses,
            exp.Extract: _extract,
            exp.Trim: _trim,
            exp.Substring: _as("substring", "this", "start", "length"),
            exp.StrPosition: _as("position", "substr", "this", "position"),
            exp.Overlay: _as("overlay", "this", "expression", "from_", "for_"),
            exp.CurrentDate: _current("current_date"),
            exp.CurrentTimestamp: _current("current_timestamp"),
            exp.BitwiseLeftShift: _as("shiftleft", "this", "expression"),
            exp.BitwiseRightShift: _as("shiftright", "this", "expression"),
            exp.JSONExtract: json_paths.colon,
            exp.Lambda: _stray,
            exp.Distinct: _stray,
            exp.Star: _stray,
        }
    )
)
