"""Numbers as text: format_number, format_string, to_number."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect import literals
from servicetsunami.engines.sql.dialect.casts import cast
from servicetsunami.engines.sql.dialect.coercion import is_integral
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, typed
from servicetsunami.engines.sql.dialect.operators import concatenated
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    DOUBLE,
    STRING,
    Kind,
    decimal,
)
from servicetsunami.errors import InvalidInput


def _format_number(call: Call) -> Expr:
    value, places = call.args[0], call.constant(1, "number of places")
    if not isinstance(places, int) or not 0 <= places <= 15:
        raise refused("format_number with a pattern", "Give the number of places, 0 to 15.")
    if value.type.kind in {Kind.DOUBLE, Kind.FLOAT, Kind.STRING, Kind.VOID}:
        number = typed(value, DOUBLE, call)
        sql = (
            "CASE WHEN isnan({0}) THEN 'NaN' WHEN isinf({0}) THEN"
            " CASE WHEN {0} > 0 THEN '∞' ELSE '-∞' END"
            f" ELSE format('{{:,.{places}f}}', {{0}}) END"
        )
        return fill(sql, STRING, [number], name=call.shown)
    if is_integral(value.type):
        value = cast(value, decimal(20, 0))
    if value.type.kind is not Kind.DECIMAL:
        raise mismatch(f"format_number needs a number, not {value.type}")
    kind = decimal(38, places)
    rounded = fill(f"CAST(round_even({{0}}, {places}) AS DECIMAL(38,{places}))", kind, [value])
    text = fill("CAST({0} AS VARCHAR)", STRING, [rounded])
    # What rounds to zero keeps its sign.
    sql = "CASE WHEN {1} < 0 AND NOT starts_with({0}, '-') THEN '-' ELSE '' END || s_grouped({0})"
    return fill(sql, STRING, [text, value], name=call.shown, uses=3)


_SPEC: Final = re.compile(
    r"%(?P<flags>[-0,]*)(?P<width>\d+)?(?:\.(?P<places>\d+))?(?P<kind>[a-zA-Z%])"
)


def _format_string(call: Call) -> Expr:
    if call.args[0].type.kind is Kind.VOID:
        return cast(call.args[0], STRING).named(call.shown)
    pattern = str(call.constant(0, "format"))
    values = list(call.args[1:])
    parts: list[Expr] = []
    at = 0
    for found in _SPEC.finditer(pattern):
        parts.append(literals.text(pattern[at : found.start()]))
        at = found.end()
        if found["kind"] == "%":
            parts.append(literals.text("%"))
            continue
        if not values:
            raise InvalidInput("format_string has fewer values than places.", "Add the values.")
        parts.append(_formatted(found, values.pop(0)))
    if "%" in _SPEC.sub("", pattern):
        raise refused(f"The format {pattern!r}", "Use %s, %d and %.2f.")
    parts.append(literals.text(pattern[at:]))
    kept = [part for part in parts if part.constant is None or part.constant.value != ""]
    return concatenated(kept, call.shown) if kept else literals.text("")


_SHOWN: Final = frozenset(
    {Kind.STRING, Kind.BOOLEAN, Kind.DECIMAL, Kind.DOUBLE, Kind.FLOAT, Kind.VOID}
)


def _formatted(found: re.Match[str], value: Expr) -> Expr:
    kind, flags, width = found["kind"], found["flags"], int(found["width"] or 0)
    shown_alike = is_integral(value.type) or value.type.kind in _SHOWN
    if (kind == "s" and shown_alike and not set(flags) - {"-"} and found["places"] is None) or (
        kind == "d" and is_integral(value.type) and not set(flags) - {"-", "0"}
    ):
        text = fill("coalesce({0}, 'null')", STRING, [cast(value, STRING)])
    elif kind == "f" and value.type.kind in {Kind.DOUBLE, Kind.FLOAT} and not set(flags) - {"-"}:
        finite = fill("CASE WHEN isfinite({0}) THEN {0} ELSE 0 END", value.type, [value])
        rounded = cast(finite, decimal(38, int(found["places"] or 6)))
        # Java cuts the word null to the places as well.
        missing = literals.text("null"[: int(found["places"] or 6)])
        sql = (
            "CASE WHEN {2} IS NULL THEN {1} WHEN NOT isfinite({2}) THEN {3}"
            " WHEN starts_with({3}, '-') AND NOT starts_with({0}, '-') THEN '-' || {0} ELSE {0} END"
        )
        sides = [cast(rounded, STRING), missing, value, cast(value, STRING)]
        text = fill(sql, STRING, sides)
    else:
        raise refused(f"The format {found[0]} for {value.type}", "Use %s, %d or %.2f.")
    if not width:
        return text
    if "0" in flags:
        sql = f"CASE WHEN length({{0}}) >= {width} THEN {{0}}"
        sql += f" WHEN {{0}} = 'null' THEN lpad({{0}}, {width}, ' ')"
        sql += " WHEN starts_with({0}, '-') THEN"
        sql += (
            f" '-' || lpad(substr({{0}}, 2), {width - 1}, '0') ELSE lpad({{0}}, {width}, '0') END"
        )
        return fill(sql, STRING, [text])
    pad = "rpad" if "-" in flags else "lpad"
    sql = f"CASE WHEN length({{0}}) >= {width} THEN {{0}} ELSE {pad}({{0}}, {width}, ' ') END"
    return fill(sql, STRING, [text])


def _to_number(call: Call) -> Expr:
    shape = str(call.constant(1, "format")).upper().replace("D", ".").replace("G", ",")
    if not re.fullmatch(r"\$?[09][09,]*(\.[09]*)?", shape):
        raise refused(f"The number format {shape}", "Use digits 9 and 0, one point, commas and $.")
    whole, _, fraction = shape.lstrip("$").partition(".")
    digits = re.sub(r"[^09]", "", whole)
    if "0" in digits:
        raise refused(f"The number format {shape}", "Use 9 for each digit.")
    kind = decimal(len(digits) + len(fraction), len(fraction))
    pattern = (r"\$" if "$" in shape else "") + "([0-9,]{1," + str(len(whole)) + "})"
    pattern += rf"(\.[0-9]{{0,{len(fraction)}}})?" if fraction else ""
    if "," in whole:
        tail = len(whole) - whole.index(",") - 1
        pattern = (
            (r"\$" if "$" in shape else "")
            + rf"[0-9]{{1,{whole.index(',')}}},?[0-9,]{{{tail}}}"
            + (rf"(\.[0-9]{{0,{len(fraction)}}})?" if fraction else "")
        )
    value = typed(call.args[0], STRING, call)
    done = fill(
        "CAST(CASE WHEN regexp_full_match({0}, {1})"
        " THEN replace(replace({0}, ',', ''), '$', '') WHEN {0} IS NULL THEN NULL"
        " ELSE '[INVALID_FORMAT] ' || {0} END AS "
        f"DECIMAL({kind.precision},{kind.scale}))",
        kind,
        [value, literals.text(pattern)],
    )
    if call.name.startswith("try_"):
        # Only the outer CAST can fail.
        done = fill("TRY_{0}", kind, [done])
    return done.named(call.shown)


_BASE: Final[Mapping[str, Function]] = {
    "format_number": custom(_format_number, 2, 2),
    "format_string": custom(_format_string, 1, None),
    "to_number": custom(_to_number, 2, 2),
    "try_to_number": custom(_to_number, 2, 2),
}
NUMERALS: Final[Mapping[str, Function]] = MappingProxyType(
    {**_BASE, **same(_BASE, printf="format_string")}
)
