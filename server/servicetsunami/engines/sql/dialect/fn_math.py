"""Numeric functions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import (
    NESTED,
    as_decimal,
    bounded,
    common_type,
    is_integral,
    is_numeric,
)
from servicetsunami.engines.sql.dialect.expr import Expr, Trait, call_name, fill, tried
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, sig, typed
from servicetsunami.engines.sql.dialect.operators import arithmetic, comparable, negated
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INT,
    STRING,
    Kind,
    SqlType,
    decimal,
)

MACROS: Final = (
    "s_positive_log(x) AS CASE WHEN x > 0 THEN ln(x) ELSE NULL END",
    "s_log1p(x) AS CASE WHEN x <= -1 THEN NULL WHEN 1 + x = 1 OR isinf(x) THEN x"
    " ELSE ln(1 + x) * x / ((1 + x) - 1) END",
    "s_factorial(n) AS CASE WHEN n BETWEEN 0 AND 20 THEN CAST(factorial(n) AS BIGINT)"
    " ELSE NULL END",
    "s_conv_value(s, b) AS list_reduce(list_transform(string_split(s, ''),"
    " lambda c: CAST(strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', c) - 1 AS HUGEINT)),"
    " lambda a, c: a * b + c, CAST(0 AS HUGEINT))",
    "s_conv(s, p, b, t) AS CASE WHEN s IS NULL OR s = '' THEN NULL"
    " WHEN regexp_full_match(s, p || '+.*') THEN"
    " to_base(CAST(s_conv_value(regexp_extract(s, '^' || p || '+'), b) AS BIGINT), t)"
    " WHEN starts_with(s, '-') THEN"
    " CAST(s_fail('UNSUPPORTED] conv of a negative number.') AS VARCHAR) ELSE '0' END",
    "s_wrap32(x) AS CAST(((x + 2147483648) % 4294967296 + 4294967296) % 4294967296 - 2147483648"
    " AS INTEGER)",
    "s_wrap64(x) AS CAST(((x + 9223372036854775808) % 18446744073709551616 + 18446744073709551616)"
    " % 18446744073709551616 - 9223372036854775808 AS BIGINT)",
)


def _number(call: Call, index: int = 0) -> Expr:
    arg = call.args[index]
    if arg.type.kind in {Kind.STRING, Kind.VOID}:
        return cast(arg, DOUBLE)
    if not is_numeric(arg.type):
        raise mismatch(f"{call.name} needs a number, not {arg.type}")
    return arg


def _places(call: Call) -> int:
    if len(call.args) == 1:
        return 0
    places = call.constant(1, "number of places")
    if not isinstance(places, int) or not -38 <= places <= 38:
        raise refused("round with such a number of places", "Use a whole number.")
    return places


def _round(call: Call) -> Expr:
    value, places = _number(call), _places(call)
    shown = f"{call.name}({call.args[0].name}, {places})"
    even = call.name == "bround"
    if value.type.kind in {Kind.DOUBLE, Kind.FLOAT}:
        return _round_double(value, places, even=even).named(shown)
    if is_integral(value.type) and places >= 0:
        return value.named(shown)
    kind = as_decimal(value.type)
    number = cast(value, kind)
    if places < 0:
        return _round_tens(number, places, value.type, even=even).named(shown)
    whole = kind.precision - kind.scale + 1
    scale = min(kind.scale, places)
    target = decimal(min(38, whole + scale), scale)
    sql = f"round_even({{0}}, {scale})" if even else "{0}"
    return fill(f"CAST({sql} AS DECIMAL({target.precision},{scale}))", target, [number], name=shown)


def _round_tens(value: Expr, places: int, source: SqlType, *, even: bool) -> Expr:
    if even:
        raise refused("bround to tens", "Use round.")
    unit = f"CAST('{10**-places}' AS HUGEINT)"
    divisor = f"CAST('{10 ** (value.type.scale - places)}' AS HUGEINT)"
    sql = f"s_half_up(s_unscaled({{0}}, 0), {divisor}) * {unit}"
    if is_integral(source):
        return cast(fill(f"({sql})", decimal(38, 0), [value], uses=4), source)
    whole = max(value.type.precision - value.type.scale + 1, -places + 1)
    kind = decimal(min(38, whole), 0)
    return fill(f"CAST({sql} AS DECIMAL({kind.precision},0))", kind, [value], uses=4)


def _round_double(value: Expr, places: int, *, even: bool) -> Expr:
    """Round the shortest decimal form, as Databricks does, and not the binary value."""
    if places < 0:
        unit = f"1e{-places}"
        rounded = f"{'round_even' if even else 'round'}({{0}} / {unit}, 0) * {unit}"
    else:
        text = f"CAST(CAST({{0}} AS VARCHAR) AS DECIMAL(38,{min(places, 20)}))"
        rounded = (
            f"round_even(CAST(CAST({{0}} AS VARCHAR) AS DECIMAL(38,19)), {places})"
            if even
            else text
        )
    # From 2 to the 52nd on a double has no fraction.
    limit = "4503599627370496.0" if places >= 0 else "1e15"
    sql = (
        f"CASE WHEN isnan({{0}}) OR abs({{0}}) >= {limit} THEN {{0}}"
        f" ELSE CAST({rounded} AS DOUBLE) END"
    )
    return fill(sql, value.type, [value])


def _ceil(function: str) -> Function:
    def build(call: Call) -> Expr:
        value = _number(call)
        name = call.name if call.name == "ceiling" else call.name.upper()
        shown = call_name(name, call.args)
        if len(call.args) == 2:
            return _ceil_places(call, function, value).named(call.shown)
        if value.type.kind is Kind.DECIMAL:
            kind = bounded(value.type.precision - value.type.scale + 1, 0)
            return fill(
                f"CAST({function}({{0}}) AS DECIMAL({kind.precision},0))", kind, [value], name=shown
            )
        if is_integral(value.type):
            return cast(value, BIGINT).named(shown)
        return fill(f"s_long({function}({{0}}))", BIGINT, [value], name=shown, uses=4)

    return custom(build, 1, 2)


def _ceil_places(call: Call, function: str, value: Expr) -> Expr:
    places = _places(call)
    if not (is_integral(value.type) or value.type.kind is Kind.DECIMAL) or places < 0:
        raise refused(f"{call.name} of a double to places", "Cast to DECIMAL first.")
    kind = as_decimal(value.type)
    scale = min(kind.scale, places)
    target = decimal(min(38, kind.precision - kind.scale + 1 + scale), scale)
    moved = f"{function}({{0}} * CAST('{10**scale}' AS DECIMAL({scale + 1},0)))"
    one = f"CAST('{10**-scale:.{scale}f}' AS DECIMAL({scale + 1},{scale}))"
    return fill(
        f"CAST({moved} * {one} AS DECIMAL({target.precision},{scale}))", target, [cast(value, kind)]
    )


def _abs(call: Call) -> Expr:
    arg = call.args[0]
    if arg.type.kind in {Kind.YEAR_MONTH, Kind.DAY_TIME}:
        raise refused("abs of an interval", "Take the parts with extract().")
    value = _number(call)
    return fill("abs({0})", value.type, [value], name=call.shown)


def _arithmetic(sign: str, *, is_tried: bool) -> Function:
    def build(call: Call) -> Expr:
        if not is_tried:
            return arithmetic(sign, call.args[0], call.args[1])
        done = tried(call.args, lambda args: arithmetic(sign, args[0], args[1]))
        return done.named(call.shown)

    return custom(build, 2, 2)


def _pmod(call: Call) -> Expr:
    kind = common_type((a.type for a in call.args), call.name)
    if not is_numeric(kind):
        raise mismatch(f"pmod does not take {kind}")
    values = [cast(arg, kind) for arg in call.args]
    if kind.kind in {Kind.DOUBLE, Kind.FLOAT}:
        values[1] = fill("s_not_zero({0})", kind, [values[1]], uses=2)
    done = fill("s_pmod({0}, {1})", kind, values, name=call.shown, uses=4)
    if kind.kind is Kind.DECIMAL:
        whole = min(as_decimal(a.type).precision - as_decimal(a.type).scale for a in call.args)
        return done.typed(decimal(whole + kind.scale, kind.scale))
    return done


def _extreme(function: str) -> Function:
    def build(call: Call) -> Expr:
        kind = common_type((arg.type for arg in call.args), call.name, strict=True)
        if kind.kind in NESTED:
            raise refused(f"{call.name} of {kind}", "Compare single fields.")
        sides = comparable(call.args, call.name)
        holes = ", ".join(f"{{{n}}}" for n in range(len(sides)))
        values = [cast(side, kind) for side in sides]
        return fill(f"{function}({holes})", kind, values, name=call.shown)

    return custom(build, 2, None)


def _log(call: Call) -> Expr:
    values = [cast(_number(call, n), DOUBLE) for n in range(len(call.args))]
    if len(values) == 1:
        return fill("s_positive_log({0})", DOUBLE, values, name=call.shown, uses=2)
    shown = f"LOG({', '.join(a.name for a in call.args)})"
    sql = "(s_positive_log({1}) / s_positive_log({0}))"
    return fill(sql, DOUBLE, values, name=shown, uses=2)


def _shift(template: str) -> Function:
    def build(call: Call) -> Expr:
        value, by = call.args[0], typed(call.args[1], INT, call)
        if value.type.kind is not Kind.BIGINT:
            value = typed(value, INT, call)
        bits = 64 if value.type.kind is Kind.BIGINT else 32
        amount = fill(f"CAST({{0}} & {bits - 1} AS BIGINT)", BIGINT, [by])
        factor = "CAST(pow(2, {1}) AS HUGEINT)"
        sql = (
            template.replace("BITS", str(bits))
            .replace("FACTOR", factor)
            .replace("SPAN", str(2**bits))
        )
        kind = value.type
        return fill(sql, kind, [cast(value, BIGINT), amount], name=call.shown, uses=3)

    return custom(build, 2, 2)


def _conv(call: Call) -> Expr:
    source, target = call.constant(1, "base"), call.constant(2, "base")
    if not (isinstance(source, int) and isinstance(target, int)):
        raise refused("conv with such bases", "Use literal bases from 2 to 36.")
    if not (2 <= source <= 36 and 2 <= target <= 36):
        raise refused(f"conv from base {source} to {target}", "Use bases from 2 to 36.")
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:source]
    value = fill("upper(trim({0}))", STRING, [typed(call.args[0], STRING, call)])
    sql = f"s_conv({{0}}, '[{digits}]', {source}, {target})"
    return fill(sql, STRING, [value], name=call.shown, uses=5)


def _bit_get(call: Call) -> Expr:
    value = cast(call.args[0], BIGINT)
    place = call.args[1].constant.value if call.args[1].constant is not None else 0
    if isinstance(place, int) and not 0 <= place < 64:
        raise mismatch(f"bit_get needs a place from 0 to 63, not {place}")
    sql = "CAST(({0} >> {1}) & 1 AS TINYINT)"
    return fill(
        sql, SqlType(Kind.TINYINT), [value, typed(call.args[1], INT, call)], name=call.shown
    )


def _whole(call: Call) -> Expr:
    if call.args[0].type.kind is Kind.STRING:
        raise mismatch(f"{call.name} needs a whole number or BOOLEAN, not a string")
    return cast(call.args[0], BIGINT)


def _nanvl(call: Call) -> Expr:
    sides = [cast(_number(call, n), DOUBLE) for n in (0, 1)]
    return fill("CASE WHEN isnan({0}) THEN {1} ELSE {0} END", DOUBLE, sides, name=call.shown)


def _rand(call: Call) -> Expr:
    if call.args:
        raise refused("rand with a seed, whose numbers depend on the engine,", "Use rand().")
    return Expr("random()", DOUBLE, call.shown, traits=Trait.VOLATILE)


def _positive(call: Call) -> Expr:
    return _number(call).named(f"(+ {call.args[0].name})")


_D: Final = "double"
_DOUBLES: Final = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh"),
    *("atanh", "exp", "sqrt", "cbrt", "degrees", "radians", "cot"),
)
_BASE: Final[Mapping[str, Function]] = {
    **{name: sig(_D, _D, f"{name}({{0}})") for name in _DOUBLES},
    "sec": sig(_D, _D, "(1 / cos({0}))"),
    "csc": sig(_D, _D, "(1 / sin({0}))"),
    "atan2": sig("double double", _D, "atan2({0}, {1})"),
    "hypot": sig("double double", _D, "sqrt({0} * {0} + {1} * {1})"),
    "expm1": sig(
        _D,
        _D,
        "CASE WHEN {0} < -40 THEN CAST(-1 AS DOUBLE) ELSE 2 * exp({0} / 2) * sinh({0} / 2) END",
    ),
    "rint": sig(_D, _D, "round_even({0}, 0)"),
    "pow": sig("double double", _D, "pow({0}, {1})"),
    "ln": sig(_D, _D, "s_positive_log({0})", uses=2),
    "log": custom(_log, 1, 2),
    "log2": sig(_D, _D, "(CASE WHEN {0} > 0 THEN log2({0}) ELSE NULL END)"),
    "log10": sig(_D, _D, "(CASE WHEN {0} > 0 THEN log10({0}) ELSE NULL END)"),
    "log1p": sig(_D, _D, "s_log1p({0})", uses=4),
    "pi": sig("", _D, "pi()"),
    "e": sig("", _D, "exp(CAST(1 AS DOUBLE))"),
    "sign": sig(_D, _D, "s_sign({0})", uses=3),
    "factorial": sig("int", "bigint", "s_factorial({0})", uses=2),
    "round": custom(_round, 1, 2),
    "bround": custom(_round, 1, 2),
    "ceil": _ceil("ceil"),
    "floor": _ceil("floor"),
    "abs": custom(_abs, 1, 1),
    "negative": custom(lambda call: negated(call.args[0]).named(call.shown), 1, 1),
    "positive": custom(_positive, 1, 1),
    "mod": _arithmetic("%", is_tried=False),
    "pmod": custom(_pmod, 2, 2),
    "try_add": _arithmetic("+", is_tried=True),
    "try_subtract": _arithmetic("-", is_tried=True),
    "try_multiply": _arithmetic("*", is_tried=True),
    "try_divide": _arithmetic("/", is_tried=True),
    "try_mod": _arithmetic("%", is_tried=True),
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "isnan": custom(
        lambda c: fill(
            "coalesce(isnan({0}), false)", BOOLEAN, [cast(_number(c), DOUBLE)], name=c.shown
        ),
        1,
        1,
    ),
    "nanvl": custom(_nanvl, 2, 2),
    "bin": sig("bigint", "string", "bin({0})"),
    "conv": custom(_conv, 3, 3),
    "bit_count": custom(
        lambda c: fill("CAST(bit_count({0}) AS INTEGER)", INT, [_whole(c)], name=c.shown),
        1,
        1,
    ),
    "bit_get": custom(_bit_get, 2, 2),
    "shiftleft": _shift("s_wrapBITS(CAST({0} AS HUGEINT) * FACTOR)"),
    "shiftrightunsigned": _shift(
        "s_wrapBITS((CAST({0} AS HUGEINT) +"
        " CASE WHEN {0} < 0 THEN CAST('SPAN' AS HUGEINT) ELSE 0 END) // FACTOR)"
    ),
    "shiftright": _shift("s_wrapBITS(CAST({0} >> {1} AS HUGEINT))"),
    "rand": custom(_rand, 0, 1),
}
MATH: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **_BASE,
        **same(_BASE, ceiling="ceil", signum="sign", power="pow", getbit="bit_get", random="rand"),
    }
)
