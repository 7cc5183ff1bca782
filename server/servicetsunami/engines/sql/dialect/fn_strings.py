"""String functions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect.casts import cast, text_of
from servicetsunami.engines.sql.dialect.coercion import is_numeric
from servicetsunami.engines.sql.dialect.expr import Expr, fill
from servicetsunami.engines.sql.dialect.functions import Call, Function, custom, same, sig, typed
from servicetsunami.engines.sql.dialect.operators import concatenated
from servicetsunami.engines.sql.dialect.problems import mismatch, refused
from servicetsunami.engines.sql.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    INT,
    STRING,
    Kind,
    array,
)
from servicetsunami.errors import InvalidInput

_EXPANDING: Final = "ŉǰΐΰևẖ-ẚὐὒὔὖᾀ-ᾯᾲ-ᾴᾶᾷᾼῂ-ῄῆῇῌῒΐῖῗῢΰῤῦῧῲ-ῴῶῷῼﬀ-ﬆﬓ-ﬗ"
MACROS: Final = (
    "s_start(s, p) AS CASE WHEN p > 0 THEN CAST(p AS BIGINT) - 1"
    " WHEN p < 0 THEN CAST(length(s) AS BIGINT) + p ELSE 0 END",
    "s_positive(n) AS CASE WHEN n < 0 THEN 0 ELSE n END",
    "s_sub(s, p, n) AS CASE WHEN p IS NULL OR n IS NULL THEN NULL"
    " ELSE substr(s, greatest(s_start(s, p), 0) + 1,"
    " greatest(s_start(s, p) + n - greatest(s_start(s, p), 0), 0)) END",
    "s_right(s, n) AS CASE WHEN s IS NULL OR n IS NULL THEN NULL WHEN n <= 0 THEN ''"
    " WHEN n >= length(s) THEN s ELSE right(s, n) END",
    "s_lpad(s, n, p) AS CASE WHEN s IS NULL OR n IS NULL OR p IS NULL THEN NULL"
    " WHEN n <= 0 THEN '' WHEN p = '' OR length(s) >= n THEN substr(s, 1, n)"
    " ELSE lpad(s, n, p) END",
    "s_rpad(s, n, p) AS CASE WHEN s IS NULL OR n IS NULL OR p IS NULL THEN NULL"
    " WHEN n <= 0 THEN '' WHEN p = '' OR length(s) >= n THEN substr(s, 1, n)"
    " ELSE rpad(s, n, p) END",
    "s_locate(w, s, p) AS CASE WHEN w IS NULL OR s IS NULL THEN NULL WHEN p IS NULL OR p < 1 THEN 0"
    " WHEN w = '' THEN 1"
    " WHEN strpos(substr(s, p), w) = 0 THEN 0 ELSE strpos(substr(s, p), w) + p - 1 END",
    # Letters whose other case is several letters, or depends on the place in a word.
    "s_upper(s) AS CASE WHEN length(s) = strlen(s) THEN upper(s)"
    f" WHEN regexp_matches(s, '[{_EXPANDING}]') THEN CAST(s_fail('UNSUPPORTED] upper of letters"
    " that become several.') AS VARCHAR) ELSE upper(replace(s, 'ß', 'SS')) END",
    "s_lower(s) AS CASE WHEN length(s) = strlen(s) THEN lower(s) WHEN contains(s, 'Σ') THEN"
    " CAST(s_fail('UNSUPPORTED] lower of a capital sigma.') AS VARCHAR)"
    " ELSE lower(replace(s, 'İ', 'i̇')) END",
    "s_initcap(s) AS CASE WHEN length(s) <> strlen(s) AND"
    f" regexp_matches(s, '[ßΣİǄ-ǌǱ-ǳ{_EXPANDING}]') THEN CAST(s_fail('UNSUPPORTED]"
    " initcap of letters that become several.') AS VARCHAR) ELSE"
    " array_to_string(list_transform(string_split(lower(s), ' '),"
    " lambda v: upper(substr(v, 1, 1)) || substr(v, 2)), ' ') END",
    "s_levenshtein(a, b) AS CASE WHEN length(a) = strlen(a) AND length(b) = strlen(b)"
    " THEN CAST(levenshtein(a, b) AS INTEGER) WHEN a IS NULL OR b IS NULL THEN NULL"
    " ELSE CAST(s_fail('UNSUPPORTED] levenshtein of letters outside ASCII.') AS INTEGER) END",
    "s_alphabet(s) AS regexp_replace(s, '[^A-Za-z0-9+/]', '', 'g')",
    "s_unbase64(s) AS from_base64(rpad(s_alphabet(s),"
    " CAST((length(s_alphabet(s)) + 3) // 4 * 4 AS INTEGER), '='))",
    "s_chr(n) AS CASE WHEN n IS NULL THEN NULL WHEN n < 0 THEN ''"
    " ELSE chr(CAST(n % 256 AS INTEGER)) END",
    "s_index_left(s, d, n) AS array_to_string(list_slice(string_split(s, d), 1, n), d)",
    "s_index_right(s, d, n) AS array_to_string(list_slice(string_split(s, d),"
    " greatest(len(string_split(s, d)) - n + 1, 1), len(string_split(s, d))), d)",
    "s_substring_index(s, d, n) AS CASE WHEN s IS NULL OR d IS NULL OR n IS NULL THEN NULL"
    " WHEN n = 0 OR d = '' THEN '' WHEN n > 0 THEN s_index_left(s, d, n)"
    " ELSE s_index_right(s, d, -n) END",
    "s_split_part(s, d, n) AS CASE WHEN s IS NULL OR d IS NULL OR n IS NULL THEN NULL"
    " WHEN n = 0 THEN CAST(s_fail('INVALID_INDEX_OF_ZERO] The index 0 is invalid.') AS VARCHAR)"
    " WHEN d = '' THEN CASE WHEN abs(n) = 1 THEN s ELSE '' END"
    " ELSE coalesce(list_extract(string_split(s, d), n), '') END",
    "s_find_in_set(w, s) AS CASE WHEN w IS NULL OR s IS NULL THEN NULL WHEN contains(w, ',') THEN 0"
    " ELSE coalesce(list_position(string_split(s, ','), w), 0) END",
    "s_url_encode(s) AS replace(replace(replace(url_encode(s), '%20', '+'), '%2A', '*'),"
    " '~', '%7E')",
    "s_url_decode(s) AS url_decode(replace(s, '+', '%20'))",
    "s_overlay(s, r, p, n) AS substr(s, 1, greatest(p - 1, 0)) || r ||"
    " substr(s, p + CASE WHEN n < 0 THEN length(r) ELSE n END)",
    "s_mask(s, u, l, d, o) AS array_to_string(list_transform(string_split(s, ''), lambda v:"
    " CASE WHEN regexp_full_match(v, '\\p{Lu}') THEN coalesce(u, v)"
    " WHEN regexp_full_match(v, '\\p{Ll}') THEN coalesce(l, v)"
    " WHEN regexp_full_match(v, '\\p{Nd}') THEN coalesce(d, v) ELSE coalesce(o, v) END), '')",
    "s_unhex(s) AS TRY(unhex(CASE WHEN length(s) % 2 = 1 THEN '0' || s ELSE s END))",
    "s_grouped(t) AS CASE WHEN starts_with(t, '-') THEN '-' ELSE '' END ||"
    " format('{:,}', CAST(regexp_extract(t, '[0-9]+') AS BIGINT)) ||"
    " regexp_extract(t, '\\.[0-9]*')",
)


def _is_binary(call: Call) -> bool:
    return any(arg.type.kind is Kind.BINARY for arg in call.args)


def _length(call: Call) -> Expr:
    if _is_binary(call):
        return fill("CAST(octet_length({0}) AS INTEGER)", INT, call.args, name=call.shown)
    return fill(
        "CAST(length({0}) AS INTEGER)", INT, [typed(call.args[0], STRING, call)], name=call.shown
    )


def _octets(factor: int) -> Function:
    def build(call: Call) -> Expr:
        arg = call.args[0]
        raw = (
            arg
            if arg.type.kind is Kind.BINARY
            else fill("encode({0})", BINARY, [typed(arg, STRING, call)])
        )
        return fill(f"CAST(octet_length({{0}}) * {factor} AS INTEGER)", INT, [raw], name=call.shown)

    return custom(build, 1, 1)


def _concat(call: Call) -> Expr:
    return concatenated(call.args, call.shown)


def _concat_ws(call: Call) -> Expr:
    separator = typed(call.args[0], STRING, call)
    parts = []
    for arg in call.args[1:]:
        if arg.type.kind is Kind.ARRAY:
            items = cast(arg, array(STRING))
            parts.append(fill("coalesce({0}, [])", items.type, [items]))
        else:
            one = typed(arg, STRING, call) if arg.type.kind is Kind.VOID else text_of(arg)
            parts.append(fill("[{0}]", array(STRING), [one]))
    holes = ", ".join(f"{{{n}}}" for n in range(1, len(parts) + 1))
    joined = f"flatten([{holes}])" if parts else "CAST([] AS VARCHAR[])"
    sql = (
        f"CASE WHEN {{0}} IS NULL THEN NULL ELSE coalesce(array_to_string({joined}, {{0}}), '') END"
    )
    return fill(sql, STRING, [separator, *parts], name=call.shown)


def _elt(call: Call) -> Expr:
    index, *values = call.args
    place = index.constant.value if index.constant is not None else None
    if isinstance(place, int) and not 1 <= place <= len(values):
        raise InvalidInput(
            f"[INVALID_ARRAY_INDEX] The index {place} is out of bounds.", f"Use 1 to {len(values)}."
        )
    texts = [text_of(value) for value in values]
    holes = ", ".join(f"{{{n}}}" for n in range(1, len(texts) + 1))
    sql = f"s_item([{holes}], {{0}} - 1)"
    return fill(sql, STRING, [typed(index, INT, call), *texts], name=call.shown)


def _trim(function: str, shown: str) -> Function:
    def build(call: Call) -> Expr:
        args = [typed(arg, STRING, call) for arg in call.args]
        if len(args) == 1:
            return fill(f"{function}({{0}})", STRING, args, name=call.shown)
        # ltrim(marks, text): the marks come first.
        marks, value = (args[1], args[0]) if call.name in {"btrim", "trim"} else (args[0], args[1])
        name = (
            f"TRIM({shown} {marks.name} FROM {value.name})" if call.name != "btrim" else call.shown
        )
        return fill(f"{function}({{0}}, {{1}})", STRING, [value, marks], name=name)

    return custom(build, 1, 2)


def _binary_of(call: Call) -> Expr:
    arg = call.args[0]
    if is_numeric(arg.type) and call.name in {"md5", "sha1", "sha", "sha2"}:
        raise mismatch(f"{call.name} needs a string or binary, not {arg.type}")
    return arg if arg.type.kind is Kind.BINARY else cast(typed(arg, STRING, call), BINARY)


def _digest(function: str) -> Function:
    def build(call: Call) -> Expr:
        return fill(f"{function}({{0}})", STRING, [_binary_of(call)], name=call.shown)

    return custom(build, 1, 1)


def _sha2(call: Call) -> Expr:
    bits = call.constant(1, "length")
    if bits not in {0, 256}:
        raise refused(f"sha2 with {bits} bits", "Use sha2(x, 256).")
    return fill("sha256({0})", STRING, [_binary_of(call)], name=call.shown)


def _hex(call: Call) -> Expr:
    arg = call.args[0]
    if is_numeric(arg.type):
        return fill("hex({0})", STRING, [cast(arg, BIGINT)], name=call.shown)
    return fill("hex({0})", STRING, [_binary_of(call)], name=call.shown)


def _charset(call: Call, index: int) -> None:
    value = str(call.constant(index, "character set")).lower().replace("_", "-")
    if value not in {"utf-8", "utf8", "us-ascii"}:
        raise refused(f"The character set {value}", "Use UTF-8.")


def _encode(call: Call) -> Expr:
    _charset(call, 1)
    return fill("encode({0})", BINARY, [typed(call.args[0], STRING, call)], name=call.shown)


def _levenshtein(call: Call) -> Expr:
    sides = [typed(arg, STRING, call) for arg in call.args[:2]]
    done = fill("s_levenshtein({0}, {1})", INT, sides, name=call.shown, uses=3)
    if len(call.args) == 2:
        return done
    most = typed(call.args[2], INT, call)
    sql = "CASE WHEN {0} <= {1} THEN {0} WHEN {0} IS NULL THEN NULL ELSE -1 END"
    return fill(sql, INT, [done, most], name=call.shown)


def _text_test(template: str) -> Function:
    def build(call: Call) -> Expr:
        args = [typed(arg, STRING, call) for arg in call.args]
        return fill(template, BOOLEAN, args, name=call.shown)

    return custom(build, 2, 2)


_S: Final = "string"


_BASE: Final[Mapping[str, Function]] = {
    "upper": sig(_S, _S, "s_upper({0})", uses=3),
    "lower": sig(_S, _S, "s_lower({0})", uses=3),
    "initcap": sig(_S, _S, "s_initcap({0})", uses=3),
    "length": custom(_length, 1, 1),
    "octet_length": _octets(1),
    "bit_length": _octets(8),
    "concat": custom(_concat, 0, None),
    "concat_ws": custom(_concat_ws, 1, None),
    "elt": custom(_elt, 2, None),
    "substring": sig(
        "string int int", _S, "s_sub({0}, {1}, {2})", uses=4, defaults=("2147483647|2147483647",)
    ),
    "left": sig("string int", _S, "s_sub({0}, 1, {1})", uses=4),
    "right": sig("string int", _S, "s_right({0}, {1})", uses=4),
    "lpad": sig("string int string", _S, "s_lpad({0}, {1}, {2})", uses=4, defaults=("' '| ",)),
    "rpad": sig("string int string", _S, "s_rpad({0}, {1}, {2})", uses=4, defaults=("' '| ",)),
    "repeat": sig("string int", _S, "repeat({0}, s_positive({1}))"),
    "space": sig("int", _S, "repeat(' ', s_positive({0}))"),
    "replace": sig("string string string", _S, "replace({0}, {1}, {2})", defaults=("''|",)),
    "translate": sig("string string string", _S, "translate({0}, {1}, {2})"),
    "instr": sig("string string", "int", "CAST(s_locate({1}, {0}, 1) AS INTEGER)", uses=4),
    "locate": sig(
        "string string int",
        "int",
        "CAST(s_locate({0}, {1}, {2}) AS INTEGER)",
        uses=4,
        defaults=("1|1",),
    ),
    "position": sig(
        "string string int",
        "int",
        "CAST(s_locate({0}, {1}, {2}) AS INTEGER)",
        uses=4,
        defaults=("1|1",),
    ),
    "ascii": sig(_S, "int", "CASE WHEN {0} = '' THEN 0 ELSE ascii({0}) END"),
    "chr": sig("bigint", _S, "s_chr({0})", uses=3),
    "substring_index": sig("string string int", _S, "s_substring_index({0}, {1}, {2})", uses=8),
    "split_part": sig("string string int", _S, "s_split_part({0}, {1}, {2})", uses=4),
    "find_in_set": sig("string string", "int", "CAST(s_find_in_set({0}, {1}) AS INTEGER)", uses=3),
    "overlay": sig(
        "string string int int", _S, "s_overlay({0}, {1}, {2}, {3})", uses=3, defaults=("-1|-1",)
    ),
    "mask": sig(
        "string string string string string",
        _S,
        "s_mask({0}, {1}, {2}, {3}, {4})",
        defaults=("'X'|X", "'x'|x", "'n'|n", "NULL|NULL"),
    ),
    "levenshtein": custom(_levenshtein, 2, 3),
    "trim": _trim("trim", "BOTH"),
    "btrim": _trim("trim", "BOTH"),
    "ltrim": _trim("ltrim", "LEADING"),
    "rtrim": _trim("rtrim", "TRAILING"),
    "startswith": _text_test("starts_with({0}, {1})"),
    "endswith": _text_test("ends_with({0}, {1})"),
    "contains": _text_test("contains({0}, {1})"),
    "md5": _digest("md5"),
    "sha1": _digest("sha1"),
    "sha2": custom(_sha2, 2, 2),
    "hex": custom(_hex, 1, 1),
    "unhex": sig(_S, "binary", "s_unhex({0})", uses=2),
    "base64": custom(lambda c: fill("to_base64({0})", STRING, [_binary_of(c)], name=c.shown), 1, 1),
    "unbase64": sig(_S, "binary", "s_unbase64({0})", uses=2),
    "encode": custom(_encode, 2, 2),
    "url_encode": sig(_S, _S, "s_url_encode({0})"),
    "url_decode": sig(_S, _S, "s_url_decode({0})"),
}


STRINGS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        **_BASE,
        **same(
            _BASE,
            ucase="upper",
            lcase="lower",
            len="length",
            char_length="length",
            character_length="length",
            substr="substring",
            char="chr",
            charindex="locate",
            sha="sha1",
        ),
    }
)
