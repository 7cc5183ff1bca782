"""A compiled expression: DuckDB text, its Databricks type, and how Databricks would print it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import Final

from servicetsunami.engines.sql.types import SqlType


class Trait(Flag):
    """What an expression contains that decides where it may stand."""

    NONE = 0
    AGGREGATE = auto()
    WINDOW = auto()
    VOLATILE = auto()
    SUBQUERY = auto()


@dataclass(frozen=True, slots=True)
class Constant:
    """The value of a literal or a parameter; NULL is Constant(None)."""

    value: object


@dataclass(frozen=True, slots=True)
class Expr:
    """One compiled expression.

    `weight` is about how many calls DuckDB will see once macros are expanded; it keeps texts that
    use an argument twice from growing exponentially.
    """

    sql: str
    type: SqlType
    name: str
    constant: Constant | None = None
    weight: int = 1
    traits: Trait = Trait.NONE

    def named(self, name: str) -> "Expr":
        """Give the expression the name that Databricks would print."""
        return replace(self, name=name)

    def typed(self, kind: SqlType) -> "Expr":
        """Say that the text already has this type."""
        return replace(self, type=kind)


_HOLE = re.compile(r"\{(\d+)\}")
_PARAMETER: Final = re.compile(r"\bx(\d+)\b")
_WEIGHT_MAX: Final = 120


def fill(
    template: str,
    kind: SqlType,
    args: Sequence[Expr],
    *,
    name: str = "",
    uses: int = 1,
    traits: Trait = Trait.NONE,
) -> Expr:
    """Put arguments into a template such as `least({0}, {1})`.

    `uses` says how often a macro in the template repeats its arguments. An argument that is heavy
    and used more than once, or volatile, is computed once and bound to a lambda parameter.
    """
    holes = [int(found) for found in _HOLE.findall(template)]
    counts = [holes.count(index) * uses for index in range(len(args))]
    heavy = {n for n, arg in enumerate(args) if counts[n] > 1 and _costly(arg, counts[n])}
    texts, bind = _bound(args, heavy)
    sql = bind(_HOLE.sub(lambda found: texts[int(found[1])], template))
    weight = 1
    for index, (arg, times) in enumerate(zip(args, counts, strict=True)):
        weight += arg.weight + times if index in heavy else arg.weight * max(times, 1)
        traits |= arg.traits
    return Expr(sql, kind, name, weight=weight, traits=traits)


def _bound(args: Sequence[Expr], which: set[int]) -> tuple[list[str], Callable[[str], str]]:
    """Bind some arguments as fields of one lambda parameter.

    They are computed outside of the lambda, so subqueries and aggregates may be among them.
    """
    if not which:
        return [arg.sql for arg in args], lambda sql: sql
    used = [int(found) for arg in args for found in _PARAMETER.findall(arg.sql)]
    parameter = f"x{max(used, default=0) + 1}"
    texts = [f"{parameter}.a{n}" if n in which else arg.sql for n, arg in enumerate(args)]
    fields = ", ".join(f"a{n} := {args[n].sql}" for n in sorted(which))

    def bind(sql: str) -> str:
        return f"list_transform([struct_pack({fields})], lambda {parameter}: {sql})[1]"

    return texts, bind


def tried(args: Sequence[Expr], build: Callable[[Sequence[Expr]], Expr]) -> Expr:
    """Compile an operation that gives NULL where it fails; its arguments may still fail.

    The operation stands in a lambda: DuckDB would move an expression that occurs twice out of TRY.
    """
    texts, bind = _bound(args, set(range(len(args))))
    done = build([replace(arg, sql=text, weight=1) for arg, text in zip(args, texts, strict=True)])
    sql = bind(f"TRY({done.sql})")
    traits = done.traits
    for arg in args:
        traits |= arg.traits
    weight = done.weight + sum(arg.weight for arg in args)
    return Expr(sql, done.type, done.name, weight=weight, traits=traits)


def _costly(arg: Expr, times: int) -> bool:
    if Trait.VOLATILE in arg.traits:
        return True
    return arg.weight * times > _WEIGHT_MAX


def quoted(text: str) -> str:
    """Write text as a DuckDB string literal, whatever characters are in it."""
    if "\0" in text:
        return "(" + " || chr(0) || ".join(quoted(part) for part in text.split("\0")) + ")"
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Write a name as a quoted DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def call_name(function: str, args: Sequence[Expr]) -> str:
    """Print a call as Databricks names its column."""
    return f"{function}({', '.join(arg.name for arg in args)})"
