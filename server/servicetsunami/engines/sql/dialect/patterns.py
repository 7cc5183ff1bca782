"""Patterns of LIKE and of regular expressions: what of Java's syntax means the same in DuckDB."""

import re
from typing import Final

from servicetsunami.engines.sql.dialect.expr import Expr
from servicetsunami.engines.sql.dialect.literals import text
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.engines.sql.types import Kind
from servicetsunami.errors import InvalidInput, SqlRefused

# Constructs of java.util.regex that RE2 does not have, or reads in another way.
_FOREIGN: Final = (
    (r"\(\?(?:[=!>]|<[=!])", "look-around or an atomic group"),
    (r"\\[1-9]", "a back reference"),
    (r"[*+?}]\+", "a possessive quantifier"),
    (r"\\[GRXhHNkuZec]", "an escape that only Java knows"),
    (r"\\0", "an octal escape"),
    (r"\\[pP]\{(?!L\}|Lu\}|Ll\}|N\}|Nd\}|P\}|S\}|Z\}|M\})", "a named character class of Java"),
    (r"\(\?[a-z]*[dux]", "a flag other than i, m, s"),
)
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def check_like(pattern: Expr, mark: str) -> None:
    """Refuse a LIKE pattern in which the escape character stands before an ordinary one."""
    if pattern.constant is None or not isinstance(pattern.constant.value, str):
        return
    rest = re.sub(re.escape(mark) + r"[_%" + re.escape(mark) + "]", "", pattern.constant.value)
    if mark in rest:
        raise InvalidInput(
            f"[INVALID_FORMAT] The LIKE pattern {pattern.constant.value!r} escapes an ordinary "
            "character.",
            f"Only % and _ and {mark} itself can follow {mark}.",
        )


def source(pattern: Expr) -> str:
    """Give the regular expression, which must be a literal without Java's own constructs."""
    if pattern.constant is None or not isinstance(pattern.constant.value, str):
        raise refused("A regular expression that is not a literal", "Write the pattern out.")
    found = pattern.constant.value
    bare = found.replace("\\\\", "")
    for construct, what in _FOREIGN:
        if re.search(construct, bare):
            raise _foreign(what)
    for inside in _CLASS.findall(bare):
        if "&&" in inside or re.search(r"(?<!\\)\[", inside[1:]):
            raise _foreign("a character class within a class")
    if any(mark > "\x7f" for mark in found) and re.search(r"\\[bwsdBWSD]|\(\?i", bare):
        raise _foreign("a class such as \\w beside letters outside ASCII")
    return found


def _foreign(what: str) -> SqlRefused:
    return refused(
        f"A regular expression with {what}", "Use plain groups, classes and quantifiers."
    )


_END: Final = r"(?:(?:\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z)"


def _at_end(found: str) -> str:
    """Let $ stand before a last line end too, as Java does; escapes and classes stay."""
    parts = re.split(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])", found, flags=re.DOTALL)
    return "".join(p if n % 2 else p.replace("$", _END) for n, p in enumerate(parts))


def regexp(pattern: Expr, *, lenient_end: bool = False) -> Expr:
    """Give the pattern as DuckDB text; NULL stays NULL."""
    if pattern.type.kind is Kind.VOID:
        return Expr("CAST(NULL AS VARCHAR)", pattern.type, "NULL")
    named = re.sub(r"\(\?<(?=[A-Za-z])", "(?P<", source(pattern))
    if lenient_end and not re.search(r"\(\?[a-z]*m", named):
        named = _at_end(named)
    return text(named).named(pattern.name)


def groups(pattern: Expr) -> int:
    """Count the capturing groups of a literal pattern."""
    bare = _CLASS.sub("", source(pattern).replace("\\\\", "").replace("\\(", ""))
    return len(re.findall(r"\((?!\?)|\(\?<[A-Za-z]", bare))


def is_plain(separator: str) -> bool:
    """Tell whether a regular expression is just text."""
    return bool(separator) and not re.search(r"[\\^$.|?*+()\[\]{}]", separator)


def replacement(written: Expr) -> Expr:
    r"""Turn a replacement such as `$1-$2` into `\1-\2`."""
    if written.type.kind is Kind.VOID:
        return Expr("CAST(NULL AS VARCHAR)", written.type, "NULL")
    if written.constant is None or not isinstance(written.constant.value, str):
        raise refused("A replacement that is not a literal", "Write the replacement out.")
    value = written.constant.value
    if re.search(r"(?<!\\)\$(?!\d)", value) or re.search(r"\\(?![\\$])", value):
        raise refused(f"The replacement {value!r}", "Use $1 for a group and \\$ for a dollar.")
    parts = re.split(r"(\\\\|\\\$|\$\d)", value)
    turned = {"\\\\": "\\\\\\\\"[:2], "\\$": "$"}
    out = [turned.get(p, "\\" + p[1] if re.fullmatch(r"\$\d", p) else p) for p in parts]
    return text("".join(out)).named(written.name)
