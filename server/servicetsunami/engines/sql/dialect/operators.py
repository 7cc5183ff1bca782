"""Arithmetic, comparison and logic on typed operands."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect.casts import cast, implicit, text_of
from servicetsunami.engines.sql.dialect.coercion import (
    INTERVALS,
    NESTED,
    TEMPORAL,
    as_decimal,
    bounded,
    common_type,
    exact_decimal,
    is_integral,
    is_numeric,
    tight_type,
)
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.dialect.sort_keys import sort_key
from servicetsunami.engines.sql.dialect.temporal import shift
from servicetsunami.engines.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    STRING,
    Kind,
    SqlType,
    array,
    decimal,
    render_duckdb,
)


def _numbers(left: Expr, right: Expr, shown: str) -> tuple[Expr, Expr]:
    """Bring text operands to numbers, and check that both are numbers."""
    strings = [side.type.kind in {Kind.STRING, Kind.VOID} for side in (left, right)]
    if Kind.STRING in {left.type.kind, right.type.kind} and all(strings):
        raise mismatch(f"{shown} needs numbers, not strings")
    if all(strings):
        return cast(left, DOUBLE), cast(right, DOUBLE)
    if strings[0]:
        left = cast(left, _number_for(left, right.type)).named(left.name)
    if strings[1]:
        right = cast(right, _number_for(right, left.type)).named(right.name)
    if not (is_numeric(left.type) and is_numeric(right.type)):
        raise mismatch(f"{shown} does not take {left.type} and {right.type}")
    return left, right


def _number_for(side: Expr, other: SqlType) -> SqlType:
    if not is_numeric(other):
        raise mismatch(f"A number was expected beside {other}")
    if side.type.kind is Kind.VOID:
        return other
    return BIGINT if is_integral(other) else DOUBLE


def arithmetic(sign: str, left: Expr, right: Expr) -> Expr:
    """Compile `+ - * / % div` by the types of the operands."""
    shown = f"({left.name} {sign} {right.name})"
    kinds = {left.type.kind, right.type.kind}
    if kinds & (INTERVALS | set(TEMPORAL)):
        return shift(sign, left, right).named(shown)
    left, right = _numbers(left, right, shown)
    if sign == "div":
        return _whole_quotient(left, right).named(shown)
    if {left.type.kind, right.type.kind} & {Kind.DOUBLE, Kind.FLOAT}:
        return _floating(sign, left, right).named(shown)
    if Kind.DECIMAL in {left.type.kind, right.type.kind}:
        return _DECIMALS[sign](left, right).named(shown)
    if sign == "/":
        return _floating(sign, left, right).named(shown)
    kind = common_type((left.type, right.type), shown)
    # A literal alone would take the type of the other side in DuckDB.
    sides = [_exactly(left, kind), _exactly(right, kind)]
    return fill(f"({{0}} {sign} {{1}})", kind, sides, name=shown)


def _floating(sign: str, left: Expr, right: Expr) -> Expr:
    both_float = left.type.kind is Kind.FLOAT and right.type.kind is Kind.FLOAT and sign != "/"
    kind = left.type if both_float else DOUBLE
    divisor = right
    left, right = _exactly(left, kind), _exactly(right, kind)
    known = divisor.constant.value if divisor.constant is not None else 0
    if sign in "/%" and not known:
        right = fill("s_not_zero({0})", kind, [right], uses=2)
    return fill(f"({{0}} {sign} {{1}})", kind, [left, right])


def _exactly(side: Expr, kind: SqlType) -> Expr:
    return side if side.type == kind else cast(side, kind)


def _whole_quotient(left: Expr, right: Expr) -> Expr:
    if is_integral(left.type) and is_integral(right.type):
        return fill("({0} // {1})", BIGINT, [cast(left, BIGINT), cast(right, BIGINT)])
    if {left.type.kind, right.type.kind} & {Kind.DOUBLE, Kind.FLOAT}:
        raise mismatch("div needs whole numbers or decimals")
    left, right, scale = _same_scale(left, right)
    sides = f"s_unscaled({{0}}, {scale}) // s_unscaled({{1}}, {scale})"
    return fill(f"CAST({sides} AS BIGINT)", BIGINT, [left, right])


def _same_scale(left: Expr, right: Expr) -> tuple[Expr, Expr, int]:
    kinds = [as_decimal(side.type) for side in (left, right)]
    scale = max(kind.scale for kind in kinds)
    whole = max(kind.precision - kind.scale for kind in kinds)
    kind = decimal(min(38, whole + scale), scale)
    return cast(left, kind), cast(right, kind), scale


def _decimal_sum(sign: str) -> Callable[[Expr, Expr], Expr]:
    def build(left: Expr, right: Expr) -> Expr:
        a, b = exact_decimal(left), exact_decimal(right)
        scale = max(a.scale, b.scale)
        whole = max(a.precision - a.scale, b.precision - b.scale)
        if whole + scale > 38 and a.scale != b.scale:
            raise refused(f"{a} {sign} {b}, which needs more than 38 digits,", "Cast one side.")
        kind = bounded(whole + scale + 1, scale)
        return _fitted(f"({{0}} {sign} {{1}})", kind, scale, left, right)

    return build


def _decimal_product(left: Expr, right: Expr) -> Expr:
    a, b = exact_decimal(left), exact_decimal(right)
    scale = a.scale + b.scale
    if scale > 38:
        raise refused(
            f"Multiplying {a} by {b}, which needs more than 38 digits,",
            "Cast the factors to fewer decimal places, or to DOUBLE.",
        )
    kind = bounded(a.precision + b.precision + 1, scale)
    return _fitted("({0} * {1})", kind, scale, left, right)


def _decimal_remainder(left: Expr, right: Expr) -> Expr:
    a, b = exact_decimal(left), exact_decimal(right)
    scale = max(a.scale, b.scale)
    whole = min(a.precision - a.scale, b.precision - b.scale)
    return _fitted("({0} % {1})", bounded(whole + scale, scale), scale, left, right)


def _fitted(template: str, kind: SqlType, scale: int, left: Expr, right: Expr) -> Expr:
    sides = [_as_decimal_text(side) for side in (left, right)]
    if kind.precision > 18 and max(side.type.precision for side in sides) <= 18:
        # DuckDB computes two decimals of 64 bits in 64 bits.
        sides[0] = cast(sides[0], decimal(19 + sides[0].type.scale, sides[0].type.scale))
    done = fill(template, decimal(38, scale), sides)
    return done.typed(kind) if kind.scale == scale else cast(done, kind)


def _as_decimal_text(side: Expr) -> Expr:
    return side if side.type.kind is Kind.DECIMAL else cast(side, exact_decimal(side))


def quotient_type(left: SqlType, right: SqlType) -> SqlType:
    """Give the type of a quotient of two decimals."""
    scale = max(6, left.scale + right.precision + 1)
    return bounded(left.precision - left.scale + right.scale + scale, scale)


def _decimal_quotient(left: Expr, right: Expr) -> Expr:
    a, b = exact_decimal(left), exact_decimal(right)
    return divide_decimals(cast(left, a), cast(right, b), quotient_type(a, b))


def divide_decimals(left: Expr, right: Expr, kind: SqlType) -> Expr:
    """Divide exactly in 128-bit integers; DuckDB itself would divide in floating point."""
    moved = kind.scale - left.type.scale + right.type.scale
    if not 0 <= moved <= 37:
        raise refused("A quotient of decimals of this many digits", "Cast one side to DOUBLE.")
    top = f"(s_unscaled({{0}}, {left.type.scale}) * CAST('{10**moved}' AS HUGEINT))"
    bottom = f"s_not_zero(s_unscaled({{1}}, {right.type.scale}))"
    one = (
        "1"
        if kind.scale == 0
        else f"CAST('{10**-kind.scale:.{kind.scale}f}' AS DECIMAL({kind.scale + 1},{kind.scale}))"
    )
    quotient = f"CAST(s_half_up({top}, {bottom}) AS DECIMAL(38,0))"
    sql = f"CAST({quotient} * {one} AS {render_duckdb(kind)})"
    return fill(sql, kind, [left, right], uses=5)


_DECIMALS: Final[Mapping[str, Callable[[Expr, Expr], Expr]]] = MappingProxyType(
    {
        "+": _decimal_sum("+"),
        "-": _decimal_sum("-"),
        "*": _decimal_product,
        "%": _decimal_remainder,
        "/": _decimal_quotient,
    }
)


def negated(operand: Expr) -> Expr:
    """Compile unary minus."""
    if operand.type.kind is Kind.STRING:
        operand = cast(operand, DOUBLE)
    if not is_numeric(operand.type) and operand.type.kind not in INTERVALS | {Kind.VOID}:
        raise mismatch(f"- does not take {operand.type}")
    return fill("(-{0})", operand.type, [operand], name=f"(- {operand.name})")


def comparable(sides: Sequence[Expr], shown: str) -> list[Expr]:
    """Bring operands to one type in which they can be compared."""
    kind = common_type((side.type for side in sides), shown)
    if kind.kind in {Kind.MAP, Kind.VARIANT}:
        raise mismatch(f"{shown} does not compare {kind}")
    if kind.kind is Kind.DECIMAL or is_integral(kind):
        texts = {side.type.kind for side in sides} & {Kind.STRING, Kind.VOID}
        if not texts:
            return [side.typed(side.type) for side in sides]
    return [side if side.type == kind else cast(side, kind) for side in sides]


_SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {"<=>": "{0} IS NOT DISTINCT FROM {1}", "<>": "{0} <> {1}", "!=": "{0} <> {1}"}
)


_ORDERS: Final = frozenset({"<", "<=", ">", ">="})


def comparison(sign: str, left: Expr, right: Expr) -> Expr:
    """Compile `= <> < <= > >= <=>`."""
    shown = f"({left.name} {sign} {right.name})"
    if sign == "<>":
        shown = f"(NOT ({left.name} = {right.name}))"
    if {left.type.kind, right.type.kind} & NESTED:
        # The fields of structs are compared by position, whatever their names.
        alike = left.type.parts == right.type.parts and left.type.kind is right.type.kind
        kind = left.type if alike else tight_type((left.type, right.type), shown)
        left, right = cast(left, kind), cast(right, kind)
    a, b = comparable([left, right], shown)
    if sign in _ORDERS:
        a, b = sort_key(a), sort_key(b)
    template = _SIGNS.get(sign, f"{{0}} {sign} {{1}}")
    return fill(f"({template})", BOOLEAN, [a, b], name=shown)


def truth(operand: Expr, what: str) -> Expr:
    """Check that an operand is a condition."""
    return implicit(operand, BOOLEAN, what)


def condition(operand: Expr, what: str) -> Expr:
    """Check that an operand is BOOLEAN by itself, as IF and CASE need it."""
    if operand.type.kind is Kind.STRING:
        raise mismatch(f"{what} needs a condition, not a string")
    return truth(operand, what)


def logic(word: str, left: Expr, right: Expr) -> Expr:
    """Compile AND and OR."""
    shown = f"({left.name} {word} {right.name})"
    sides = [truth(left, word), truth(right, word)]
    return fill(f"({{0}} {word} {{1}})", BOOLEAN, sides, name=shown)


def bitwise(sign: str, left: Expr, right: Expr) -> Expr:
    """Compile `& | ^`; the last is DuckDB's xor function."""
    shown = f"({left.name} {sign} {right.name})"
    if is_integral(left.type) != is_integral(right.type):
        left, right = (cast(s, BIGINT) if s.type.kind is Kind.STRING else s for s in (left, right))
    if not (is_integral(left.type) and is_integral(right.type)):
        raise mismatch(f"{shown} needs whole numbers")
    kind = common_type((left.type, right.type), shown)
    sides = [_exactly(left, kind), _exactly(right, kind)]
    template = "xor({0}, {1})" if sign == "^" else f"({{0}} {sign} {{1}})"
    return fill(template, kind, sides, name=shown)


def concatenated(args: Sequence[Expr], shown: str) -> Expr:
    """Compile concat and `||`: NULL where any part is NULL; arrays are joined end to end."""
    if not args:
        return Expr("''", STRING, shown)
    kinds = {arg.type.kind for arg in args}
    if Kind.ARRAY in kinds:
        if Kind.VOID in kinds:
            raise mismatch(f"{shown} joins an array and a NULL without type")
        kind = common_type((arg.type for arg in args), shown)
        parts = [_exactly(arg, kind) for arg in args]
        return _joined_arrays(parts, kind, shown)
    if kinds == {Kind.BINARY}:
        return fill(_chain(len(args)), args[0].type, args, name=shown)
    parts = [cast(arg, STRING) if arg.type.kind is Kind.VOID else text_of(arg) for arg in args]
    return fill(_chain(len(parts)), STRING, parts, name=shown)


def _chain(count: int) -> str:
    return "(" + " || ".join(f"{{{n}}}" for n in range(count)) + ")"


def _joined_arrays(parts: Sequence[Expr], kind: SqlType, shown: str) -> Expr:
    done = parts[0]
    for part in parts[1:]:
        sql = "CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE list_concat({0}, {1}) END"
        done = fill(sql, kind, [done, part])
    return done.named(shown)


def array_of(items: Sequence[Expr], shown: str) -> Expr:
    """Compile an array constructor."""
    kind = common_type((item.type for item in items), shown)
    parts = [_exactly(item, kind) for item in items]
    body = ", ".join(part.sql for part in parts)
    done = fill("{0}", array(kind), [Expr(f"[{body}]", array(kind), shown)])
    return _carrying(done, parts).named(shown)


def _carrying(done: Expr, parts: Sequence[Expr]) -> Expr:
    """Keep the weight and traits of parts that were not filled in."""
    return fill("{0}", done.type, [done, *parts], name=done.name)
