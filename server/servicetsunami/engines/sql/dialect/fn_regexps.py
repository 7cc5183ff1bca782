"""Functions of regular expressions: regexp_extract and its kin, and split."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect import literals, patterns
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, typed
from servicetsunami.engines.sql.dialect.predicates import regexp_like
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.types import (
    INT,
    STRING,
    Kind,
    array,
)
from servicetsunami.errors import InvalidInput


def _split(call: Call) -> Expr:
    value = typed(call.args[0], STRING, call)
    limit = call.constant(2, "limit") if len(call.args) == 3 else -1
    shown = f"split({call.args[0].name}, {call.args[1].name}, {limit})"
    separator = call.constant(1, "separator")
    if not isinstance(separator, str) or not isinstance(limit, int):
        raise refused("split with such a separator or limit", "Use a text and a whole number.")
    literal = re.sub(r"\\([.|*+?()\[\]{}^$\\])", r"\1", separator)
    if (
        separator == ""
        or patterns.is_plain(separator)
        or re.fullmatch(r"(?:\\[^A-Za-z0-9]|[^\\^$.|?*+()\[\]{}])+", separator)
    ):
        return _split_plain(value, literal, limit).named(shown)
    if limit > 0:
        raise refused("split by a regular expression with a limit", "Split without the limit.")
    if re.search(r"[*?]|\{0|\||[\^$]|\\b", separator):
        raise refused(f"split by {separator!r}, which may match nothing,", "Use a plain separator.")
    pattern = literals.text(patterns.source(call.args[1]))
    return fill("regexp_split_to_array({0}, {1})", array(STRING), [value, pattern], name=shown)


def _split_plain(value: Expr, separator: str, limit: int) -> Expr:
    mark = literals.text(separator)
    parts = fill("string_split({0}, {1})", array(STRING), [value, mark])
    if limit <= 0:
        return parts
    rest = f"array_to_string(list_slice({{0}}, {limit}, len({{0}})), {{1}})"
    cut = f"list_concat(list_slice({{0}}, 1, {limit - 1}), [{rest}])"
    sql = f"CASE WHEN len({{0}}) <= {limit} THEN {{0}} ELSE {cut} END"
    return fill(sql, array(STRING), [parts, mark])


def _regexp_extract(call: Call) -> Expr:
    sides, group = _grouped(call)
    shown = f"{call.name}({call.args[0].name}, {call.args[1].name}, {group})"
    if call.name == "regexp_extract_all":
        found = f"regexp_extract_all({{0}}, {{1}}, {group})"
        sql, kind = f"list_transform({found}, lambda v: coalesce(v, ''))", array(STRING)
    else:
        sql, kind = f"regexp_extract({{0}}, {{1}}, {group})", STRING
    return fill(sql, kind, sides, name=shown)


def _grouped(call: Call) -> tuple[list[Expr], int]:
    pattern = call.args[1]
    group = call.constant(2, "group") if len(call.args) == 3 else 1
    sides = [typed(call.args[0], STRING, call), patterns.regexp(pattern)]
    if pattern.type.kind is Kind.VOID:
        return sides, 0
    count = patterns.groups(pattern)
    if not isinstance(group, int) or not 0 <= group <= count:
        raise InvalidInput(
            f"[INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX] The pattern has {count} groups, "
            f"group {group} was asked for.",
            "Use 0 for the whole match.",
        )
    return sides, group


def _regexp_replace(call: Call) -> Expr:
    args = [
        typed(call.args[0], STRING, call),
        patterns.regexp(call.args[1]),
        patterns.replacement(call.args[2]),
    ]
    start = call.constant(3, "position") if len(call.args) == 4 else 1
    shown = f"regexp_replace({', '.join(a.name for a in call.args[:3])}, {start})"
    if start != 1:
        raise refused("regexp_replace from a position", "Cut the text with substring first.")
    return fill("regexp_replace({0}, {1}, {2}, 'g')", STRING, args, name=shown)


def _regexp_pair(template: str, kind: object = STRING) -> Function:
    def build(call: Call) -> Expr:
        sides = [typed(call.args[0], STRING, call), patterns.regexp(call.args[1])]
        return fill(template, kind, sides, name=call.shown)  # ty: ignore

    return custom(build, 2, 2)


def _rlike(call: Call) -> Expr:
    left, right = call.args
    return regexp_like(left, right, f"{call.name.upper()}({left.name}, {right.name})")


_BASE: Final[Mapping[str, Function]] = {
    "split": custom(_split, 2, 3),
    "regexp_like": custom(_rlike, 2, 2),
    "regexp_extract": custom(_regexp_extract, 2, 3),
    "regexp_extract_all": custom(_regexp_extract, 2, 3),
    "regexp_replace": custom(_regexp_replace, 3, 4),
    "regexp_count": _regexp_pair("CAST(len(regexp_extract_all({0}, {1}, 0)) AS INTEGER)", INT),
    "regexp_substr": _regexp_pair(
        "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}, 0) ELSE NULL END"
    ),
}
REGEXPS: Final[Mapping[str, Function]] = MappingProxyType(
    {**_BASE, **same(_BASE, rlike="regexp_like", regexp="regexp_like")}
)
