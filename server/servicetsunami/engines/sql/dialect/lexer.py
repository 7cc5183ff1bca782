r"""From text to a tree that nobody has interpreted yet.

sqlglot reads functions into nodes of its own and rewrites their arguments on the way. Here every
function name before a parenthesis gets a prefix, so that it stays an anonymous call with the
arguments as they were written. String literals are read by Databricks' rules, not sqlglot's.
"""

import re
from collections.abc import Sequence
from typing import Final

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from servicetsunami.engines.sql.dialect.precedence import rebalanced
from servicetsunami.engines.sql.dialect.problems import refused
from servicetsunami.errors import InvalidInput

PREFIX: Final = "f$"
NESTING_MAX: Final = 60
"""How deep parentheses, brackets and CASE may nest before a parser's stack is in danger."""
TOKENS_MAX: Final = 10_000

_DIALECT: Final = Databricks()
_OWN_SYNTAX: Final = frozenset(
    {"CAST", "TRY_CAST", "EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "POSITION", "OVERLAY"}
)
_PARSER: Final = Databricks.Parser
_INTERPRETED: Final = (
    (
        frozenset(_PARSER.FUNCTIONS)
        | frozenset(_PARSER.FUNCTION_PARSERS)
        | frozenset(
            {"IF", "TRANSFORM", "LEFT", "RIGHT", "MAP", "ARRAY", "STRUCT", "FILTER", "EXISTS"}
        )
    )
    - _OWN_SYNTAX
    - {"AND", "OR", "MERGE"}
)
_OPEN: Final = frozenset(
    {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
)
_CLOSE: Final = frozenset(
    {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
)
_PREFIXES: Final = frozenset({TokenType.NOT, TokenType.DASH, TokenType.TILDE, TokenType.PLUS})
_BROKEN: Final = (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What the parser raises where its own assumptions about a text do not hold."""
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_ESCAPES: Final = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "uU" and len(code) > 1:
        return chr(int(code[1:], 16))
    if len(code) == 3:
        return chr(int(code, 8))
    if code in "%_":
        return "\\" + code
    return _ESCAPES.get(code, code)


def unescape(body: str) -> str:
    r"""Read the escapes of a string literal's inside: `\n`, `é`, `\101`; `\%` stays."""
    return _ESCAPE.sub(_unescaped, body)


def _string(sql: str, token: Token) -> Token:
    raw = sql[token.start : token.end + 1]
    if len(raw) < 2 or raw[0] not in "'\"" or raw[-1] != raw[0]:
        return token
    text = unescape(raw[1:-1].replace(raw[0] * 2, raw[0]) if "\\" not in raw else _halves(raw))
    return _remade(token, TokenType.STRING, text)


def _halves(raw: str) -> str:
    """Undouble quotes, leaving those after a backslash to the escapes."""
    quote = raw[0]
    return re.sub(rf"(\\.)|{quote}{quote}", lambda m: m[1] or quote, raw[1:-1], flags=re.DOTALL)


def _remade(token: Token, kind: TokenType, text: str) -> Token:
    return Token(kind, text, token.line, token.col, token.start, token.end, token.comments)


def _is_call(tokens: Sequence[Token], index: int) -> bool:
    token = tokens[index]
    if index + 1 >= len(tokens) or tokens[index + 1].token_type is not TokenType.L_PAREN:
        return False
    name = token.text.upper()
    if token.token_type in {TokenType.STRING, TokenType.IDENTIFIER} or name not in _INTERPRETED:
        return False
    if name in {"CHAR", "VARCHAR"} and index and tokens[index - 1].text.upper() in {"AS", "::"}:
        return False
    if name == "FILTER" and index + 2 < len(tokens) and tokens[index + 2].text.upper() == "WHERE":
        return False
    if name == "INSERT" and tokens[0].text.upper() == "MERGE":
        return tokens[index - 1].text.upper() != "THEN"
    return not (name == "EXISTS" and index and _opens_query(tokens, index + 2))


def _opens_query(tokens: Sequence[Token], index: int) -> bool:
    return index < len(tokens) and tokens[index].text.upper() in {
        "SELECT",
        "WITH",
        "FROM",
        "VALUES",
    }


def _check_nesting(tokens: Sequence[Token]) -> None:
    if len(tokens) > TOKENS_MAX:
        raise refused(f"A statement of more than {TOKENS_MAX} words", "Split the statement.")
    depth = run = 0
    for token in tokens:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        run = run + 1 if token.token_type in _PREFIXES else 0
        if depth > NESTING_MAX or run > NESTING_MAX:
            raise refused(f"Nesting deeper than {NESTING_MAX} levels", "Simplify the statement.")


def _merged(sql: str, tokens: Sequence[Token]) -> list[Token]:
    """Join 'it' and 's' of 'it''s' again, which the tokenizer gives as two strings."""
    out: list[Token] = []
    for token in tokens:
        last = out[-1] if out else None
        if (
            last is not None
            and token.token_type is last.token_type is TokenType.STRING
            and last.end + 1 == token.start
            and sql[last.end] == sql[token.start]
        ):
            out[-1] = Token(
                TokenType.STRING, "", last.line, last.col, last.start, token.end, last.comments
            )
            continue
        out.append(token)
    return out


_VALUES: Final = frozenset(
    {
        *(TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.NUMBER, TokenType.STRING),
        *(TokenType.VAR, TokenType.IDENTIFIER, TokenType.NULL, TokenType.TRUE, TokenType.FALSE),
        *(TokenType.END, TokenType.HEX_STRING),
    }
)


def _check_signs(sql: str, tokens: Sequence[Token]) -> None:
    """Refuse what the parser reads in another way than Databricks does."""
    for index, token in enumerate(tokens):
        kinds = [after.token_type for after in tokens[index : index + 3]]
        if kinds == [TokenType.GT] * 3:
            raise refused("The operator >>>", "Use shiftrightunsigned(value, bits).")
        if token.token_type is TokenType.HEX_STRING and sql[token.start] == "0":
            raise refused("A number such as 0x1F", "Write it in decimal, or bytes as X'1F'.")
        signed = token.token_type is TokenType.PLUS and kinds[1:2] == [TokenType.STRING]
        if signed and (index == 0 or tokens[index - 1].token_type not in _VALUES):
            raise refused("A plus sign before a string", "Use cast('5' AS DOUBLE).")


def _check_laterals(tokens: Sequence[Token]) -> None:
    """Refuse LEFT JOIN LATERAL without ON: the parser would add a condition of its own."""
    for index, token in enumerate(tokens):
        before = [t.text.upper() for t in tokens[max(0, index - 3) : index]]
        left = before[-2:] == ["LEFT", "JOIN"] or before[-3:] == ["LEFT", "OUTER", "JOIN"]
        if token.text.upper() == "LATERAL" and left and not _reaches_on(tokens, index + 1):
            raise refused("LEFT JOIN LATERAL without ON", "Write ON true after it.")


def _reaches_on(tokens: Sequence[Token], index: int) -> bool:
    depth = 0
    for token in tokens[index:]:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        if depth < 0 or (depth == 0 and token.text.upper() in _AFTER_JOIN):
            return False
        if depth == 0 and token.token_type is TokenType.ON:
            return True
    return False


_AFTER_JOIN: Final = frozenset(
    {
        *("JOIN", "LATERAL", "WHERE", "GROUP", "HAVING", "QUALIFY", "ORDER", "SORT", "LIMIT"),
        *("UNION", "EXCEPT", "MINUS", "INTERSECT", "WINDOW", ",", ";", "OFFSET", "PIVOT"),
    }
)


def _prepared(sql: str, tokens: Sequence[Token]) -> list[Token]:
    merged = _merged(sql, tokens)
    _check_signs(sql, merged)
    _check_laterals(merged)
    out: list[Token] = []
    for index, token in enumerate(merged):
        if token.token_type is TokenType.STRING:
            out.append(_string(sql, token))
        elif _is_call(merged, index):
            out.append(_remade(token, TokenType.VAR, PREFIX + token.text))
        elif token.text.upper() == "TABLE" and _is_query(merged, index):
            out += [
                _remade(token, TokenType.SELECT, "SELECT"),
                _remade(token, TokenType.STAR, "*"),
                _remade(token, TokenType.FROM, "FROM"),
            ]
        elif token.text == "@" and _is_version(merged, index):
            out += [
                _remade(token, TokenType.VAR, "VERSION"),
                _remade(token, TokenType.ALIAS, "AS"),
                _remade(token, TokenType.VAR, "OF"),
            ]
        elif out and token.text[:1] in "vV" and _is_version(merged, index - 1):
            out.append(_remade(token, TokenType.NUMBER, token.text[1:]))
        else:
            out.append(token)
    return out


_BEFORE_QUERY: Final = frozenset({"(", "UNION", "ALL", "DISTINCT", "EXCEPT", "MINUS", "INTERSECT"})


def _is_query(tokens: Sequence[Token], index: int) -> bool:
    """Tell whether TABLE starts the query `TABLE name`, short for SELECT * FROM name."""
    return index == 0 or tokens[index - 1].text.upper() in _BEFORE_QUERY


def _is_version(tokens: Sequence[Token], index: int) -> bool:
    if index < 1 or index + 1 >= len(tokens) or tokens[index].text != "@":
        return False
    return re.fullmatch(r"[vV]\d+", tokens[index + 1].text) is not None


def first_word(sql: str) -> str:
    """Give the first word of a text in upper case, whatever comments or brackets come before."""
    try:
        tokens = _DIALECT.tokenize(sql)
    except TokenError as error:
        raise _unreadable(error) from None
    return next((t.text.upper() for t in tokens if t.token_type is not TokenType.L_PAREN), "")


def _unreadable(error: TokenError) -> InvalidInput:
    return InvalidInput(
        f"[PARSE_SYNTAX_ERROR] The statement cannot be read: {str(error)[:200]}",
        "Check quotes and comments.",
    )


def parse(sql: str) -> list[exp.Expression]:
    """Read the statements of a text.

    Raises InvalidInput with line and column for a syntax error, SqlRefused for a text that is
    nested too deep or too long.
    """
    try:
        tokens = _DIALECT.tokenize(sql)
        _check_nesting(tokens)
        found = _DIALECT.parser().parse(_prepared(sql, tokens), sql)
    except ParseError as error:
        if "Unsupported" in str(error):
            raise refused("This pipe operator", "Write the query with SELECT.") from None
        raise _syntax_error(error) from None
    except TokenError as error:
        raise _unreadable(error) from None
    except RecursionError:
        raise refused("A statement nested this deep", "Simplify the statement.") from None
    except _BROKEN:
        raise refused("This syntax", "Rephrase the statement as a plain SELECT.") from None
    return [rebalanced(_unprefixed(tree)) for tree in found if isinstance(tree, exp.Expression)]


def _syntax_error(error: ParseError) -> InvalidInput:
    details = error.errors[0] if error.errors else {}
    where = f"line {details.get('line', 1)}, column {details.get('col', 1)}"
    near = str(details.get("highlight") or "").removeprefix(PREFIX)
    what = str(details.get("description") or "unexpected text").rstrip(".").replace(PREFIX, "")
    return InvalidInput(
        f"[PARSE_SYNTAX_ERROR] Syntax error at {where}, near {near[:60]!r}: {what}.",
        "Correct the statement there; only Databricks SQL is read.",
    )


def _unprefixed(tree: exp.Expression) -> exp.Expression:
    """Take the prefix off again where the parenthesis followed a table's alias."""
    for node in tree.find_all(exp.Identifier):
        if str(node.this).startswith(PREFIX):
            node.set("this", str(node.this).removeprefix(PREFIX))
    return tree
