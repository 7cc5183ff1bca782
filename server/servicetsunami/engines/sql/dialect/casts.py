"""Casts between Databricks types, by the rules of ANSI mode."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect import moments
from servicetsunami.engines.sql.dialect.coercion import (
    INTEGRAL,
    INTERVALS,
    NESTED,
    TEMPORAL,
    is_integral,
    is_numeric,
)
from servicetsunami.engines.sql.dialect.expr import Expr, fill, identifier, tried
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    DOUBLE,
    STRING,
    Kind,
    SqlType,
    render_duckdb,
)

Convert = Callable[[Expr, SqlType], Expr]

_PLAIN: Final = "CAST({0} AS %s)"
_FROM_TEXT: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        **{kind: f"CAST(s_digits({{0}}, '{kind.upper()}') AS %s)" for kind in INTEGRAL},
        Kind.DECIMAL: "CAST(s_number({0}, 'DECIMAL') AS %s)",
        Kind.DOUBLE: "CAST(s_float({0}, 'DOUBLE') AS %s)",
        Kind.FLOAT: "CAST(s_float({0}, 'FLOAT') AS %s)",
        Kind.BOOLEAN: "s_truth({0})",
        Kind.DATE: "s_date({0})",
        Kind.TIMESTAMP: "s_timestamp({0})",
        Kind.TIMESTAMP_NTZ: "s_timestamp_ntz({0})",
        Kind.BINARY: "encode({0})",
        Kind.VARIANT: "to_json({0})",
    }
)
_TO_TEXT: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        **dict.fromkeys((*INTEGRAL, Kind.DECIMAL, Kind.BOOLEAN, Kind.DATE), "CAST({0} AS VARCHAR)"),
        Kind.TIMESTAMP_NTZ: "CAST({0} AS VARCHAR)",
        Kind.TIMESTAMP: "CAST(timezone('UTC', {0}) AS VARCHAR)",
        Kind.DOUBLE: "s_double_text({0})",
        Kind.FLOAT: "s_double_text({0})",
        Kind.BINARY: "decode({0})",
    }
)
_USES: Final = 3


def _known_moment(expr: Expr, target: SqlType) -> Expr | None:
    """Read literal text at once; what is not understood is left to the macros."""
    text = expr.constant.value if expr.constant is not None else None
    if not isinstance(text, str):
        return None
    if target.kind is Kind.DATE:
        day = moments.day(text)
        return None if day is None else Expr(f"DATE '{day}'", target, expr.name, expr.constant)
    moment = moments.moment(text) if target.kind is Kind.TIMESTAMP else None
    if moment is None:
        return None
    return Expr(f"TIMESTAMPTZ '{moment.isoformat(sep=' ')}'", target, expr.name, expr.constant)


def _from_text(expr: Expr, target: SqlType) -> Expr:
    known = _known_moment(expr, target)
    if known is not None:
        return known
    template = _FROM_TEXT.get(target.kind)
    if template is None:
        raise _impossible(STRING, target)
    text = template % render_duckdb(target) if "%s" in template else template
    return fill(text, target, [expr], uses=_USES)


def text_of(expr: Expr) -> Expr:
    """Write a value as text, as `CAST(x AS STRING)` and concat do."""
    if expr.type.kind is Kind.STRING:
        return expr
    if expr.type.kind is Kind.VOID:
        return _void(expr, STRING)
    if expr.type.kind in NESTED:
        return _nested_text(expr)
    template = _TO_TEXT.get(expr.type.kind)
    if template is None:
        raise refused(
            f"Turning {expr.type} into a string", "Take the parts that you need with extract()."
        )
    uses = _USES if "s_" in template else 1
    return fill(template, STRING, [expr], uses=uses)


def _void(expr: Expr, target: SqlType) -> Expr:
    """Give what has no type one; not only NULL has none, but also a call that raises an error."""
    done = fill(f"CAST({{0}} AS {render_duckdb(target)})", target, [expr], name=expr.name)
    return replace(done, constant=expr.constant)


def _nested_text(expr: Expr) -> Expr:
    kind = expr.type
    if kind.kind is Kind.ARRAY:
        item = _item_text("v", kind.parts[0])
        return fill(
            f"('[' || array_to_string(list_transform({{0}}, lambda v: {item}), ', ') || ']')",
            STRING,
            [expr],
        )
    if kind.kind is Kind.MAP:
        key = _item_text("v.key", kind.parts[0])
        value = _item_text("v.value", kind.parts[1])
        return fill(
            "('{' || array_to_string(list_transform(map_entries({0}), "
            f"lambda v: {key} || ' -> ' || {value}), ', ') || '}}')",
            STRING,
            [expr],
        )
    fields = " || ', ' || ".join(
        _item_text(f"v.{identifier(name)}", part)
        for name, part in zip(kind.names, kind.parts, strict=True)
    )
    return fill(
        "CASE WHEN {0} IS NULL THEN NULL ELSE "
        f"list_transform([{{0}}], lambda v: '{{' || {fields} || '}}')[1] END",
        STRING,
        [expr],
    )


def _item_text(sql: str, kind: SqlType) -> str:
    return f"coalesce({text_of(Expr(sql, kind, sql)).sql}, 'null')"


def _to_whole(expr: Expr, target: SqlType) -> str:
    kind = expr.type.kind
    if kind is Kind.TIMESTAMP:
        return f"CAST(s_seconds({{0}}) AS {render_duckdb(target)})"
    if is_integral(expr.type) or kind is Kind.BOOLEAN:
        return _PLAIN % render_duckdb(target)
    if is_numeric(expr.type):
        return f"CAST(trunc({{0}}) AS {render_duckdb(target)})"
    raise _impossible(expr.type, target)


def _to_fraction(expr: Expr, target: SqlType) -> str:
    kind = expr.type.kind
    name = render_duckdb(target)
    if kind is Kind.TIMESTAMP:
        return f"CAST(epoch_us({{0}}) / 1000000 AS {name})"
    if target.kind is Kind.DECIMAL and kind in {Kind.DOUBLE, Kind.FLOAT}:
        # Through text, because Databricks rounds the shortest decimal form and not the binary.
        return f"CAST(CAST({{0}} AS VARCHAR) AS {name})"
    if kind is Kind.DOUBLE and target.kind is Kind.FLOAT:
        return "s_single({0})"
    if kind is Kind.BOOLEAN and target.kind is Kind.DECIMAL:
        return f"CAST(CAST({{0}} AS INTEGER) AS {name})"
    if kind is Kind.BOOLEAN or is_numeric(expr.type):
        return _PLAIN % name
    raise _impossible(expr.type, target)


def _to_boolean(expr: Expr, target: SqlType) -> str:
    if is_numeric(expr.type):
        return "({0} <> 0)"
    raise _impossible(expr.type, target)


def _to_date(expr: Expr, target: SqlType) -> str:
    if expr.type.kind in TEMPORAL:
        return "CAST({0} AS DATE)"
    raise _impossible(expr.type, target)


def _to_timestamp(expr: Expr, target: SqlType) -> str:
    if expr.type.kind in TEMPORAL:
        return _PLAIN % render_duckdb(target)
    if target.kind is Kind.TIMESTAMP and is_integral(expr.type):
        return "make_timestamptz(CAST({0} AS BIGINT) * 1000000)"
    if target.kind is Kind.TIMESTAMP and is_numeric(expr.type):
        return "make_timestamptz(CAST(trunc({0} * 1000000) AS BIGINT))"
    raise _impossible(expr.type, target)


def _to_interval(expr: Expr, target: SqlType) -> str:
    if expr.type.kind is target.kind:
        return "{0}"
    raise _impossible(expr.type, target)


def _to_variant(expr: Expr, target: SqlType) -> str:
    if is_numeric(expr.type) or expr.type.kind is Kind.BOOLEAN or expr.type.kind in NESTED:
        return "to_json({0})"
    raise refused(f"Casting {expr.type} to {target}", "Use to_json and parse_json.")


def _to_binary(expr: Expr, target: SqlType) -> str:
    raise _impossible(expr.type, target)


_TARGETS: Final[Mapping[Kind, Callable[[Expr, SqlType], str]]] = MappingProxyType(
    {
        **dict.fromkeys(INTEGRAL, _to_whole),
        **dict.fromkeys((Kind.FLOAT, Kind.DOUBLE, Kind.DECIMAL), _to_fraction),
        Kind.BOOLEAN: _to_boolean,
        Kind.DATE: _to_date,
        Kind.TIMESTAMP: _to_timestamp,
        Kind.TIMESTAMP_NTZ: _to_timestamp,
        Kind.YEAR_MONTH: _to_interval,
        Kind.DAY_TIME: _to_interval,
        Kind.VARIANT: _to_variant,
        Kind.BINARY: _to_binary,
    }
)


def _impossible(source: SqlType, target: SqlType) -> Exception:
    if {source.kind, target.kind} & INTERVALS:
        return refused(f"Casting {source} to {target}", "Use INTERVAL '…' or extract().")
    return mismatch(f"{source} cannot be cast to {target}")


def cast(expr: Expr, target: SqlType) -> Expr:
    """Cast, failing where Databricks fails. Raises InvalidInput where no such cast exists."""
    source = expr.type
    if source == target and source.kind is not Kind.DECIMAL:
        return expr
    if target.kind is Kind.VOID:
        raise _impossible(source, target)
    if source.kind is Kind.VOID:
        return _void(expr, target)
    if target.kind is Kind.STRING:
        done = _variant_text(expr) if source.kind is Kind.VARIANT else text_of(expr)
    elif source.kind is Kind.STRING:
        done = _from_text(expr, target)
    elif source.kind is Kind.VARIANT:
        done = _from_variant(expr, target)
    elif source.kind in NESTED:
        done = _nested(expr, target, cast)
    else:
        done = fill(_TARGETS[target.kind](expr, target), target, [expr])
    return done.named(expr.name)


def _variant_text(expr: Expr) -> Expr:
    sql = (
        "CASE WHEN json_type({0}) = 'VARCHAR' THEN json_extract_string({0}, '$')"
        " WHEN json_type({0}) = 'NULL' THEN NULL ELSE s_variant_text({0}) END"
    )
    return fill(sql, STRING, [expr], uses=4)


def _from_variant(expr: Expr, target: SqlType) -> Expr:
    if target.kind in NESTED:
        return fill(f"CAST({{0}} AS {render_duckdb(target)})", target, [expr])
    if target.kind in INTEGRAL:
        number = fill("CAST(json_extract_string({0}, '$') AS DOUBLE)", DOUBLE, [expr])
        return cast(number, target)
    return _from_text(_variant_text(expr), target)


def _nested(expr: Expr, target: SqlType, convert: Convert) -> Expr:
    source = expr.type
    if target.kind is Kind.VARIANT:
        return fill("to_json({0})", target, [expr])
    if source.kind is not target.kind or len(source.parts) != len(target.parts):
        raise _impossible(source, target)
    if source.kind is Kind.ARRAY:
        item = _part("v", source.parts[0], target.parts[0], convert)
        return fill(f"list_transform({{0}}, lambda v: {item})", target, [expr])
    if source.kind is Kind.MAP:
        key = _part("v.key", source.parts[0], target.parts[0], convert)
        value = _part("v.value", source.parts[1], target.parts[1], convert)
        return fill(
            "map_from_entries(list_transform(map_entries({0}), "
            f"lambda v: struct_pack(key := {key}, value := {value})))",
            target,
            [expr],
        )
    return _struct(expr, target, convert)


def _struct(expr: Expr, target: SqlType, convert: Convert) -> Expr:
    source = expr.type
    fields = ", ".join(
        f"{identifier(new)} := {_part(f'v.{identifier(old)}', a, b, convert)}"
        for old, new, a, b in zip(
            source.names, target.names, source.parts, target.parts, strict=True
        )
    )
    return fill(
        "CASE WHEN {0} IS NULL THEN NULL ELSE "
        f"list_transform([{{0}}], lambda v: struct_pack({fields}))[1] END",
        target,
        [expr],
    )


def _part(sql: str, source: SqlType, target: SqlType, convert: Convert) -> str:
    return convert(Expr(sql, source, sql), target).sql


def try_cast(expr: Expr, target: SqlType) -> Expr:
    """Cast, giving NULL where the value, or a part of it, does not fit."""
    if expr.type.kind in NESTED and target.kind in NESTED and expr.type != target:
        return _nested(expr, target, try_cast).named(expr.name)
    done = cast(expr, target)
    if done.sql.startswith("CAST(") and expr.type.kind is Kind.STRING:
        # Only the outer CAST of these can fail.
        return Expr("TRY_" + done.sql, target, done.name, weight=done.weight, traits=done.traits)
    return tried([expr], lambda args: cast(args[0], target)).named(expr.name)


def implicit(expr: Expr, target: SqlType, what: str) -> Expr:
    """Bring an argument to the type that an operator or function needs.

    Raises InvalidInput for a type that Databricks does not convert by itself.
    """
    source = expr.type
    if source == target or source.kind is Kind.VOID:
        return cast(expr, target)
    fits = (
        (is_numeric(source) and is_numeric(target))
        or (source.kind in TEMPORAL and target.kind in TEMPORAL)
        or (source.kind is Kind.STRING and target.kind not in NESTED)
        or (target.kind is Kind.STRING and source.kind not in NESTED)
        or (source.kind in NESTED and source.kind is target.kind)
    )
    if source.kind is Kind.BINARY and target.kind is Kind.STRING:
        raise refused(f"{what} of binary values", "Cast them to STRING.")
    if not fits and source.kind in INTERVALS:
        raise refused(f"{what} of an interval", "Take its parts with extract().")
    if not fits:
        raise mismatch(f"{what} needs {target}, not {source}")
    return cast(expr, target)
