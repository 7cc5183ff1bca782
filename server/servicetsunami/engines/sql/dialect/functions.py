"""What a function on the allow-list is: how it is called, and what it becomes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.casts import implicit
from servicetsunami.engines.sql.dialect.env import Env
from servicetsunami.engines.sql.dialect.expr import Expr, Trait, call_name, fill
from servicetsunami.engines.sql.dialect.problems import refused, wrong_arguments
from servicetsunami.engines.sql.types import SqlType, parse_type


@dataclass(frozen=True)
class Call:
    """One call in a statement. The clauses after the first two stand only on aggregates."""

    name: str
    nodes: Sequence[exp.Expression]
    env: Env
    distinct: bool = False
    order: Sequence[exp.Ordered] = ()
    where: Expr | exp.Expression | None = None
    ignore_nulls: bool = False
    within: Sequence[exp.Ordered] = ()
    over: exp.Window | None = None

    @cached_property
    def args(self) -> list[Expr]:
        """The compiled arguments."""
        return [self.env.compile(node) for node in self.nodes]

    @property
    def shown(self) -> str:
        """How Databricks prints the call."""
        return call_name(self.name, self.args)

    def constant(self, index: int, what: str) -> object:
        """Give the value of an argument that must be a literal."""
        arg = self.args[index]
        if arg.constant is None:
            raise refused(
                f"{self.name} with a {what} that is not a literal", f"Write the {what} out."
            )
        return arg.constant.value

    def renamed(self, name: str) -> "Call":
        """Treat the call as one of another function."""
        return replace(self, name=name)


Build = Callable[[Call], Expr]


@dataclass(frozen=True)
class Function:
    """A function of the allow-list. `most` is None where there is no upper bound."""

    build: Build
    least: int
    most: int | None
    kind: str = "scalar"
    takes: str = ""
    clauses: frozenset[str] = field(default_factory=frozenset)

    def check(self, call: Call) -> None:
        """Refuse a wrong number of arguments."""
        given = len(call.nodes)
        if given < self.least or (self.most is not None and given > self.most):
            upper = "or more" if self.most is None else f"to {self.most}"
            wanted = str(self.least) if self.least == self.most else f"{self.least} {upper}"
            raise wrong_arguments(call.name, given, wanted)


_ANY: Final = "any"


def sig(
    takes: str,
    gives: str,
    template: str,
    *,
    uses: int = 1,
    traits: Trait = Trait.NONE,
    defaults: Sequence[str] = (),
    shown_defaults: bool = True,
) -> Function:
    """Make a function of a signature such as `sig("string int", "string", "left({0}, {1})")`.

    `takes` lists argument types (`any` leaves one as it is); `gives` is the result's type, or
    `#0` for the type of the first argument. `defaults` are DuckDB texts of left-out arguments,
    with the name that Databricks prints for them after a `|`.
    """
    kinds = [None if word == _ANY else parse_type(word) for word in takes.split()]
    result = None if gives.startswith("#") else parse_type(gives)

    def build(call: Call) -> Expr:
        args = [
            arg if kind is None else implicit(arg, kind, call.name)
            for arg, kind in zip(call.args, kinds, strict=False)
        ]
        missing = (
            defaults[len(defaults) - (len(kinds) - len(args)) :] if len(args) < len(kinds) else ()
        )
        shown = [arg.name for arg in call.args]
        for default in missing:
            sql, _, name = default.partition("|")
            args.append(Expr(sql, args[0].type, name))
            shown += [name] if name and shown_defaults else []
        kind = args[int(gives[1:])].type if result is None else result
        name = f"{call.name}({', '.join(shown)})"
        return fill(template, kind, args, name=name, uses=uses, traits=traits)

    return Function(build, len(kinds) - len(defaults), len(kinds), takes=takes)


def custom(build: Build, least: int, most: int | None) -> Function:
    """Make a function of a builder."""
    return Function(build, least, most)


def same(functions: Mapping[str, Function], **names: str) -> dict[str, Function]:
    """Give functions further names: `same(F, lcase="lower")`."""
    return {new: functions[old] for new, old in names.items()}


def typed(arg: Expr, kind: SqlType, call: Call) -> Expr:
    """Bring an argument to a type."""
    return implicit(arg, kind, call.name)
