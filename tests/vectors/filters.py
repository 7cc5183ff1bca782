"""Filters that somebody might send: what they would have to find, or how they try to get out.

All values are those of DOCUMENTS. A filter with a meaning comes with what it has to find, worked
out here in Python; one without comes with None, and may find some documents or be refused.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.engines.sql.hostile import BOMBS, LARGE, ODD, REFUSED

Filter = str | dict[str, Any]
Row = dict[str, Any]
Condition = Callable[[Row], bool | None]

DOCUMENTS: list[Row] = [
    {"id": name, "text": f"{name} is a text of its own.", "tag": tag, "n": n, "x": x, "ok": ok}
    for name, tag, n, x, ok in [
        ("a", "red", 1, 0.5, True),
        ("b", "blue", 2, -1.25, False),
        ("c", "O'Brien", 3, 2.0, None),
        ("d", 'say "hi"', 4, None, True),
        ("e", "back\\slash", None, 3.5, False),
        ("f", None, -5, 1e10, True),
        ("g", "naïve ☃", 2**40, 0.0, None),
        ("h", "100%_", 0, -0.5, False),
    ]
]
TAGS = [row["tag"] for row in DOCUMENTS if row["tag"] is not None]
ALONE = ["(", ")", "[", "]", "{", "}", "'", '"', "`", "--", "/*", "*/", ";", "\\", "\0", ",", "="]
WORDS = ["n", "tag", "x", "ok", "id", "text", "vector", "AND", "OR", "NOT", "IN", "IS NULL", "LIKE"]
WORDS += ["SELECT", "FROM", "UNION", "help", "secret", "other", "1", "'red'", "TRUE", "NULL", ">"]
LEAVING = [
    "n > 1) OR (TRUE",
    "n > 1) UNION SELECT id FROM secret WHERE (TRUE",
    "n > 1) UNION ALL SELECT text FROM secret --",
    "n > 1) -- ",
    "n > 1) /*",
    "n > 1 */ OR TRUE /*",
    "TRUE) AND id IN (SELECT id FROM help",
    "EXISTS (SELECT 1 FROM secret)",
    "id IN (SELECT id FROM secret)",
    "tag = (SELECT max(text) FROM secret)",
    "EXISTS (FROM secret)",
    "id IN (TABLE secret)",
    "EXISTS (SELECT 1 FROM other)",
    "id NOT IN (SELECT tag FROM other WHERE tag IS NOT NULL)",
    "EXISTS (SELECT 1 FROM stranger.default.secret)",
    "EXISTS (SELECT 1 FROM default.secret VERSION AS OF 0)",
    "raise_error((SELECT max(text) FROM other))",
    "cast((SELECT max(text) FROM other) AS INT) = 1",
    "r'\\') OR (r'\\' = ''",
    "tag = 'a\\') OR (TRUE",
    "tag = 'red'; DROP TABLE help",
    "TRUE; DELETE FROM help",
    "TRUE) LIMIT 0 --",
    "TRUE GROUP BY id HAVING (TRUE",
    "n > :f0",
    "n > ?",
    "n = 1 AS m",
    "*",
    "vector",
    "text",
    "array(TRUE)[0]",
    "max(n) > 0",
    "row_number() OVER (ORDER BY n) = 1",
    "explode(array(TRUE, FALSE))",
    "rand() < 2",
    "sleep(100)",
    "version() = 'x'",
    "{canary}",
]


def meant(chance: Random) -> tuple[Filter, set[str]]:
    """A filter with a meaning, and the ids that it leaves."""
    text, condition = _tree(chance, 3) if chance.random() < 0.5 else _object(chance)
    return text, {row["id"] for row in DOCUMENTS if condition(row) is True}


def hostile(chance: Random) -> Filter:
    """A filter that tries to get out, in, or around."""
    return chance.choice([_leaving, _statement, _shuffled, _broken, _odd_object])(chance)


def bomb(chance: Random) -> Filter:
    """A filter that would take all time or memory there is."""
    statement = chance.choice([*BOMBS, *LARGE])
    return chance.choice(["EXISTS ({})", "{}", "(({})) IS NOT NULL"]).format(
        statement.replace("{", "{{").replace("}", "}}") if "{" in statement else statement
    )


def _leaving(chance: Random) -> str:
    return chance.choice(LEAVING)


def _statement(chance: Random) -> str:
    statement = chance.choice([*REFUSED, *ODD])
    around = ["EXISTS (@)", "id IN (@)", "TRUE) UNION @ --", "@", "TRUE; @", "n = (@)"]
    return chance.choice(around).replace("@", statement)


def _shuffled(chance: Random) -> str:
    return " ".join(chance.choice(WORDS + ALONE) for _ in range(chance.randint(1, 12)))


def _broken(chance: Random) -> str:
    """A good filter with a few characters put in, taken out or doubled."""
    text = _tree(chance, 2)[0]
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        new = chance.choice([*ALONE, "", text[at : at + 5], chr(chance.randrange(1, 0x3000))])
        text = text[:at] + new + text[at + chance.randint(0, 2) :]
    return text


def _odd_object(chance: Random) -> dict[str, Any]:
    keys = [
        "n",
        "tag",
        "n >",
        "n ~",
        "tag LIKE",
        "n NOT",
        "n OR tag",
        "n OR",
        "",
        " ",
        "`n`",
        "n\0",
    ]
    keys += ["n) OR (1=1", "n; DROP TABLE help", "text LIKE LIKE", "n >= >", "no_such", "vector"]
    keys += ["ńame", "n" * 5_000, "OR", "f0", "id OR id OR id", "n  >=", "tag -- ", "ok <"]
    values: list[Any] = [None, True, 1, -1.5, 10**30, "x", "' OR TRUE --", [], [None], [[1]], {}]
    values += [
        {"n": 1},
        ["a", 1, None],
        "x" * 20_000,
        "\0",
        "\ud7ff",
        [1] * 3_000,
        1e308,
        "1",
        ":f1",
    ]
    return {chance.choice(keys): chance.choice(values) for _ in range(chance.randint(1, 3))}


def _tree(chance: Random, depth: int) -> tuple[str, Condition]:
    """A condition in SQL, and the same in Python, with three values of truth."""
    kind = chance.choice(["leaf", "AND", "OR", "NOT"]) if depth else "leaf"
    if kind == "leaf":
        return _leaf(chance)
    left, is_left = _tree(chance, depth - 1)
    if kind == "NOT":
        return f"NOT ({left})", lambda row: None if is_left(row) is None else not is_left(row)
    right, is_right = _tree(chance, depth - 1)
    end = kind == "OR"

    def both(row: Row) -> bool | None:
        found = {is_left(row), is_right(row)}
        return end if end in found else None if None in found else not end

    return f"({left}) {kind} ({right})", both


def _leaf(chance: Random) -> tuple[str, Condition]:
    column, value = _value(chance)
    kind = chance.choice(["compare", "IN", "NULL", "BETWEEN"])
    if kind == "NULL":
        return f"{column} IS NULL", lambda row: row[column] is None
    if kind == "IN":
        values = [value, *(_same_column(chance, column) for _ in range(2))]
        listed = ", ".join(map(_literal, values))
        return f"`{column}` IN ({listed})", _unless_null(column, lambda has: has in values)
    if kind == "BETWEEN" and column in {"n", "x"}:
        low, high = sorted([value, _same_column(chance, column)])
        text = f"{column} BETWEEN {_literal(low)} AND {_literal(high)}"
        return text, _unless_null(column, lambda has: low <= has <= high)
    sign = chance.choice(list(_SIGNS)) if column in {"n", "x"} else chance.choice(["=", "<>"])
    compare = _SIGNS[sign]
    return f"{column} {sign} {_literal(value)}", _unless_null(column, lambda h: compare(h, value))


def _object(chance: Random) -> tuple[dict[str, Any], Condition]:
    """An object as filters_json is, and the same in Python."""
    given: dict[str, Any] = {}
    parts: list[Condition] = []
    for _ in range(chance.randint(1, 3)):
        key, value, part = _entry(chance)
        if key not in given:
            given[key] = value
            parts.append(part)
    return given, lambda row: all(part(row) is True for part in parts)


def _entry(chance: Random) -> tuple[str, Any, Condition]:
    column, value = _value(chance)
    kind = chance.choice(["one", "many", "not many", "sign", "OR", "LIKE"])
    if kind == "LIKE":
        part = chance.choice(["RED", "o'b", "ï", "\\", '"', "%", "_", ""])
        has_part = _unless_null("tag", lambda has: part.lower() in has.lower())
        return "tag LIKE", part, has_part
    if kind == "OR":
        other, second = _value(chance)
        either: Condition = lambda row: row[column] == value or row[other] == second  # noqa: E731
        return f"{column} OR {other}", [value, second], either
    if kind in {"many", "not many"}:
        values = [value, *(_same_column(chance, column) for _ in range(chance.randint(0, 3)))]
        if kind == "many":
            return column, values, _unless_null(column, lambda has: has in values)
        return f"{column} NOT", values, _unless_null(column, lambda has: has not in values)
    if kind == "sign" and column in {"n", "x"}:
        sign = chance.choice(["<", ">", "<=", ">=", "NOT"])
        compare = _SIGNS["<>" if sign == "NOT" else sign]
        return f"{column} {sign}", value, _unless_null(column, lambda has: compare(has, value))
    return column, value, _unless_null(column, lambda has: has == value)


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def _unless_null(column: str, condition: Callable[[Any], bool]) -> Condition:
    return lambda row: None if row[column] is None else condition(row[column])


def _value(chance: Random) -> tuple[str, Any]:
    column = chance.choice(["n", "x", "tag", "ok", "id"])
    return column, _same_column(chance, column)


def _same_column(chance: Random, column: str) -> Any:
    if column == "ok":
        return chance.random() < 0.5
    if column == "n":
        return chance.choice([1, 2, 3, 4, 0, -5, 2**40, 99])
    if column == "x":
        return chance.choice([0.5, -1.25, 2.0, 3.5, 0.0, -0.5, 1e10])
    return chance.choice(TAGS if column == "tag" else ["a", "b", "h", "z", "' OR '1'='1"])


def _literal(value: Any) -> str:
    """A value as Databricks SQL writes it."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value).upper()
