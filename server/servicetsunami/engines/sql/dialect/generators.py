"""Functions that give several rows: explode and its family, in all places they may stand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from servicetsunami.engines.sql.dialect.calls import name_of
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import common_type
from servicetsunami.engines.sql.dialect.env import Env, Relation, Shared, Source
from servicetsunami.engines.sql.dialect.expr import Expr, identifier, quoted
from servicetsunami.engines.sql.dialect.json_paths import extract
from servicetsunami.engines.sql.dialect.problems import mismatch, wrong_arguments
from servicetsunami.engines.sql.types import INT, STRING, Kind, SqlType, array, struct
from servicetsunami.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Generator:
    """A compiled generator: one list to spread, and the columns that its items give."""

    items: Expr
    columns: tuple[tuple[str, SqlType], ...]
    spread: bool
    positions: bool = False
    outer: bool = False


def is_generator(node: exp.Expression) -> bool:
    """Tell whether a node calls a generator."""
    return isinstance(node, exp.Anonymous) and name_of(node) in GENERATORS


def generator(env: Env, node: exp.Expression, *, outer: bool = False) -> Generator:
    """Compile the call of a generator."""
    name = name_of(node)
    args = [env.compile(arg) for arg in node.expressions]
    base = name.removesuffix("_outer")
    found = _BUILDERS[base](args, base)
    positions = base.startswith("pos")
    return Generator(
        found.items, found.columns, found.spread, positions, outer or name.endswith("_outer")
    )


def _one(args: Sequence[Expr], name: str) -> Expr:
    if len(args) != 1:
        raise wrong_arguments(name, len(args), "1")
    return args[0]


def _explode(args: Sequence[Expr], name: str) -> Generator:
    arg = _one(args, name)
    if arg.type.kind is Kind.ARRAY:
        return Generator(arg, (("col", arg.type.parts[0]),), spread=False)
    if arg.type.kind is Kind.MAP:
        pair = struct(("key", "value"), arg.type.parts)
        entries = Expr(f"map_entries({arg.sql})", array(pair), arg.name, traits=arg.traits)
        return Generator(entries, tuple(zip(pair.names, pair.parts, strict=True)), spread=True)
    raise mismatch(f"{name} needs an array or a map, not {arg.type}")


def _inline(args: Sequence[Expr], name: str) -> Generator:
    arg = _one(args, name)
    if arg.type.kind is not Kind.ARRAY or arg.type.parts[0].kind is not Kind.STRUCT:
        raise mismatch(f"{name} needs an array of structs, not {arg.type}")
    row = arg.type.parts[0]
    return Generator(arg, tuple(zip(row.names, row.parts, strict=True)), spread=True)


def _stack(args: Sequence[Expr], name: str) -> Generator:
    if len(args) < 2:
        raise wrong_arguments(name, len(args), "2 or more")
    count = args[0].constant.value if args[0].constant is not None else None
    if not isinstance(count, int) or count < 1:
        raise InvalidInput("stack needs a positive literal number of rows.", "Write stack(2, …).")
    values = args[1:]
    width = -(-len(values) // count)
    kinds = [common_type((v.type for v in values[n::width]), name) for n in range(width)]
    names = tuple(f"col{n}" for n in range(width))
    rows = []
    for start in range(0, count * width, width):
        cells = [*values[start : start + width]]
        cells += [Expr("NULL", SqlType(Kind.VOID), "NULL")] * (width - len(cells))
        rows.append(_row(names, [cast(c, k) for c, k in zip(cells, kinds, strict=True)]))
    kind = struct(names, tuple(kinds))
    listed = Expr(f"[{', '.join(rows)}]", array(kind), name)
    return Generator(listed, tuple(zip(names, kinds, strict=True)), spread=True)


def _row(names: Sequence[str], cells: Sequence[Expr]) -> str:
    inner = ", ".join(f"{identifier(n)} := {c.sql}" for n, c in zip(names, cells, strict=True))
    return f"struct_pack({inner})"


def _json_tuple(args: Sequence[Expr], name: str) -> Generator:
    if len(args) < 2:
        raise wrong_arguments(name, len(args), "2 or more")
    names = tuple(f"c{n}" for n in range(len(args) - 1))
    cells = []
    for key in args[1:]:
        if key.constant is None or '"' in str(key.constant.value):
            raise mismatch("json_tuple needs literal keys")
        cells.append(extract(args[0], f'$."{key.constant.value}"'))
    kind = struct(names, (STRING,) * len(names))
    listed = Expr(f"[{_row(names, cells)}]", array(kind), name)
    return Generator(listed, tuple((n, STRING) for n in names), spread=True)


_BUILDERS: Final[Mapping[str, Callable[[Sequence[Expr], str], Generator]]] = MappingProxyType(
    {
        "explode": _explode,
        "posexplode": _explode,
        "inline": _inline,
        "stack": _stack,
        "json_tuple": _json_tuple,
    }
)
GENERATORS: Final = frozenset(
    {
        *("explode", "explode_outer", "posexplode", "posexplode_outer"),
        *("inline", "inline_outer", "stack", "json_tuple"),
    }
)


def names_of(found: Generator, given: Sequence[str]) -> list[str]:
    """Name the generated columns, by the alias where it lists names."""
    defaults = [*(["pos"] if found.positions else []), *(name for name, _ in found.columns)]
    if not given:
        return defaults
    if len(given) != len(defaults):
        raise InvalidInput(
            f"[UDTF_ALIAS_NUMBER_MISMATCH] The generator gives {len(defaults)} columns, "
            f"the alias names {len(given)}.",
            "Name each column once.",
        )
    return list(given)


def spread(
    shared: Shared,
    base: Relation,
    found: Generator,
    names: Sequence[str],
    qualifier: tuple[str, ...],
) -> tuple[tuple[Source, ...], Relation]:
    """Spread a generator's list over a relation.

    Gives the generated columns, and the relation that has them after the columns of `base`.
    """
    inner, outer = shared.fresh("r"), shared.fresh("r")
    kept = [(source, shared.fresh("c")) for source in base.columns]
    listed = shared.fresh("c")
    keep = ", ".join(f"{source.sql} AS {id_}" for source, id_ in kept)
    come_from = f" FROM {base.sql}" if base.sql else ""
    first = f"SELECT {keep + ', ' if keep else ''}{found.items.sql} AS {listed}{come_from}"
    items = f"{inner}.{listed}"
    size = f"len({items})"
    if found.outer:
        item_list = f"CASE WHEN {size} > 0 THEN {items} ELSE [NULL] END"
        positions = f"CASE WHEN {size} > 0 THEN range(0, {size}) ELSE [NULL] END"
    else:
        item_list, positions = items, f"range(0, {size})"
    passed = "".join(f"{inner}.{id_}, " for _, id_ in kept)
    item, position = shared.fresh("c"), shared.fresh("c")
    second = f"SELECT {passed}unnest({item_list}) AS {item}"
    if found.positions:
        second += f", unnest({positions}) AS {position}"
    text = f"({second} FROM ({first}) AS {inner}) AS {outer}"
    old = tuple(Source(s.name, f"{outer}.{id_}", s.type, s.qualifier, s.hidden) for s, id_ in kept)
    new = _generated(found, names, qualifier, f"{outer}.{item}", f"{outer}.{position}")
    return new, Relation(text, (*old, *new))


def _generated(
    found: Generator,
    names: Sequence[str],
    qualifier: tuple[str, ...],
    item: str,
    position: str,
) -> tuple[Source, ...]:
    out = []
    remaining = list(names)
    if found.positions:
        out.append(Source(remaining.pop(0), f"CAST({position} AS INTEGER)", INT, qualifier))
    for name, (key, kind) in zip(remaining, found.columns, strict=True):
        sql = f"struct_extract({item}, {quoted(key)})" if found.spread else item
        out.append(Source(name, sql, kind, qualifier))
    return tuple(out)
