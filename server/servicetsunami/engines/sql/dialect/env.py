"""What a name can mean at a place in a statement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from sqlglot import exp

from servicetsunami.domain.dataset import Column
from servicetsunami.engines.sql.dialect.expr import Expr, identifier
from servicetsunami.engines.sql.dialect.problems import ambiguous_column, refused, unknown_column
from servicetsunami.engines.sql.types import Kind, SqlType

DEPTH_MAX = 150
"""How deep expressions and subqueries may nest."""


@dataclass(frozen=True, slots=True)
class Source:
    """One column that a FROM clause offers.

    `qualifier` is the lower-case path before the name. `hidden` columns answer to their qualified
    name only (the sides of a USING column); `inner` ones are not part of `*`.
    """

    name: str
    sql: str
    type: SqlType
    qualifier: tuple[str, ...] = ()
    hidden: bool = False

    def expr(self) -> Expr:
        """Read the column."""
        return Expr(self.sql, self.type, self.name)


@dataclass(frozen=True, slots=True)
class Relation:
    """A FROM clause or a part of one."""

    sql: str
    columns: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """One column of a compiled query: its Databricks name, its name in DuckDB, its type."""

    name: str
    id: str
    type: SqlType


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled query; its text can stand in parentheses."""

    sql: str
    columns: tuple[Output, ...]

    def relation(self, shared: "Shared", qualifier: tuple[str, ...]) -> Relation:
        """Make the query a part of a FROM clause."""
        alias = shared.fresh("r")
        return Relation(f"({self.sql}) AS {alias}", sources(self.columns, alias, qualifier))


def sources(
    columns: Sequence[Output], alias: str, qualifier: tuple[str, ...]
) -> tuple[Source, ...]:
    """Offer a query's columns under a table alias."""
    return tuple(Source(c.name, f"{alias}.{identifier(c.id)}", c.type, qualifier) for c in columns)


@dataclass
class Shared:
    """What all of one translation shares: fresh names, the tables' columns, and the depth."""

    columns: Mapping[str, Sequence[Column]]
    parameters: Mapping[str, object]
    expression: Callable[["Env", exp.Expression], Expr]
    query: Callable[["Env", exp.Expression], Query]
    depth: int = 0
    _ids: Mapping[str, "count[int]"] = field(
        default_factory=lambda: {prefix: count(1) for prefix in "crqvw"}
    )

    def fresh(self, prefix: str) -> str:
        """Make a name that nothing else in the statement has."""
        return f"{prefix}{next(self._ids[prefix])}"


@dataclass(frozen=True, slots=True)
class Cte:
    """A common table expression in reach."""

    id: str
    columns: tuple[Output, ...]


@dataclass(frozen=True)
class Env:
    """The names in reach of an expression."""

    shared: Shared
    columns: tuple[Source, ...] = ()
    parent: "Env | None" = None
    ctes: Mapping[str, Cte] = field(default_factory=dict)
    aliases: Mapping[str, Expr] = field(default_factory=dict)
    aliases_first: bool = False
    in_having: bool = False
    lambdas: Mapping[str, Expr] = field(default_factory=dict)
    windows: Mapping[str, exp.Window] = field(default_factory=dict)

    def inside(self, columns: tuple[Source, ...]) -> "Env":
        """Enter a query whose FROM clause offers these columns; this one becomes the outer."""
        return Env(self.shared, columns, parent=self, ctes=self.ctes)

    def over(self, columns: tuple[Source, ...]) -> "Env":
        """See other columns at the same level."""
        return replace(self, columns=columns)

    def compile(self, node: exp.Expression) -> Expr:
        """Compile an expression in this environment."""
        with self.deeper():
            return self.shared.expression(self, node)

    def query(self, node: exp.Expression) -> Query:
        """Compile a query in this environment."""
        with self.deeper():
            return self.shared.query(self, node)

    def deeper(self) -> "_Deeper":
        """Count the depth, and refuse what is nested too deep."""
        return _Deeper(self.shared)

    def resolve(self, parts: Sequence[str]) -> Expr:
        """Find what a dotted name means; raises InvalidInput naming the columns in reach."""
        found = self._lookup(parts)
        if found is None:
            raise unknown_column(".".join(parts), (c.name for c in self.columns))
        return found

    def _lookup(self, parts: Sequence[str]) -> Expr | None:
        first = parts[0].lower()
        if first in self.lambdas:
            return access(self.lambdas[first], parts[1:])
        if self.aliases_first and first in self.aliases:
            return access(self.aliases[first], parts[1:])
        found = self._column(parts)
        if found is None and first in self.aliases:
            return access(self.aliases[first], parts[1:])
        if found is None and self.parent is not None:
            return self.parent._lookup(parts)
        return found

    def _column(self, parts: Sequence[str]) -> Expr | None:
        lowered = tuple(part.lower() for part in parts)
        for split in range(min(len(parts) - 1, 3), -1, -1):
            prefix, name = lowered[:split], lowered[split]
            hits = [
                c
                for c in self.columns
                if c.name.lower() == name
                and (c.qualifier[-split:] == prefix if split else not (c.hidden and name))
            ]
            if len(hits) > 1:
                raise ambiguous_column(".".join(parts))
            if hits:
                return access(hits[0].expr().named(parts[split]), parts[split + 1 :])
        return None


class _Deeper:
    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def __enter__(self) -> None:
        self._shared.depth += 1
        if self._shared.depth > DEPTH_MAX:
            raise refused(f"Nesting deeper than {DEPTH_MAX} levels", "Simplify the statement.")

    def __exit__(self, *_: object) -> None:
        self._shared.depth -= 1


def access(base: Expr, fields: Sequence[str]) -> Expr:
    """Read a field of a struct, of each struct in an array, or a key of a map."""
    for field_name in fields:
        base = _field(base, field_name)
    return base


def _field(base: Expr, name: str) -> Expr:
    kind = base.type
    if kind.kind is Kind.ARRAY and kind.parts[0].kind is Kind.STRUCT:
        key, part = _member(kind.parts[0], name)
        sql = f"list_transform({base.sql}, lambda v: v.{identifier(key)})"
        return Expr(
            sql, SqlType(Kind.ARRAY, parts=(part,)), f"{base.name}.{name}", traits=base.traits
        )
    if kind.kind is Kind.MAP and kind.parts[0].kind is Kind.STRING:
        key_sql = name.replace("'", "''")
        sql = f"{base.sql}['{key_sql}']"
        return Expr(sql, kind.parts[1], f"{base.name}[{name}]", traits=base.traits)
    if kind.kind is not Kind.STRUCT:
        raise unknown_column(f"{base.name}.{name}", ())
    key, part = _member(kind, name)
    sql = f"struct_extract({base.sql}, '{key.replace(chr(39), chr(39) * 2)}')"
    return Expr(sql, part, f"{base.name}.{name}", weight=base.weight + 1, traits=base.traits)


def _member(kind: SqlType, name: str) -> tuple[str, SqlType]:
    hits = [
        (key, part)
        for key, part in zip(kind.names, kind.parts, strict=True)
        if key.lower() == name.lower()
    ]
    if not hits:
        raise unknown_column(name, kind.names)
    if len(hits) > 1:
        raise ambiguous_column(name)
    return hits[0]
