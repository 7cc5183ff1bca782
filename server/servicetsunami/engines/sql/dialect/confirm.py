"""The second gate: the engine's own parser looks at the text that is about to run.

The translation writes nothing but SELECTs over its own views; should it ever be tricked, what it
was tricked into is caught here.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

import duckdb

from servicetsunami.engines.sql.dialect.engine_functions import ENGINE_FUNCTIONS
from servicetsunami.engines.sql.dialect.macros import macro_names
from servicetsunami.errors import SqlRefused

_RELATION: Final = re.compile(r"t\d+|q\d+")
_OPERATORS: Final = frozenset(
    {"+", "-", "*", "/", "//", "%", "||", "&", "|", "~", "<<", ">>", "~~"}
)
_ESCAPED: Final = frozenset({"like_escape", "not_like_escape"})
_WINDOWS: Final = frozenset(
    {
        *("row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"),
        *("lag", "lead", "first_value", "last_value", "nth_value"),
    }
)
_ALLOWED: Final = _WINDOWS | ENGINE_FUNCTIONS | frozenset(macro_names()) | _OPERATORS | _ESCAPED
_FROM: Final = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY"})


def _refused(what: str) -> SqlRefused:
    return SqlRefused(f"The translated statement was stopped: {what}.", "Rephrase the statement.")


def confirm(connection: duckdb.DuckDBPyConnection, duckdb_sql: str) -> None:
    """Check that a text is one SELECT over the statement's views and known functions only.

    Raises SqlRefused for anything else. The connection is used for parsing, nothing is run.
    """
    try:
        statements = connection.extract_statements(duckdb_sql)
        # To its end, since a connection with rows left over can do nothing else.
        [[text]] = connection.execute("SELECT json_serialize_sql(?)", [duckdb_sql]).fetchall()
    except duckdb.Error:
        raise _refused("the engine cannot read it") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise _refused("it is not one SELECT")
    tree = json.loads(text)
    if tree.get("error"):
        raise _refused("it is not a plain SELECT")
    for node in _nodes(tree["statements"]):
        _check(node)


def _nodes(value: object) -> Iterator[dict[str, object]]:
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            yield current
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)


def _check(node: dict[str, object]) -> None:
    if node.get("class") in {"FUNCTION", "WINDOW"}:
        name = str(node.get("function_name"))
        if name not in _ALLOWED or node.get("schema") or node.get("catalog"):
            raise _refused(f"it calls {name}")
    if node.get("type") == "BASE_TABLE":
        name = str(node.get("table_name"))
        if not _RELATION.fullmatch(name) or node.get("schema_name") or node.get("catalog_name"):
            raise _refused(f"it reads {name}")
    parts = ("left", "right") if node.get("type") == "JOIN" else ("from_table",)
    for source in map(node.get, parts):
        if isinstance(source, dict) and source.get("type") not in _FROM:
            raise _refused(f"it reads from {source.get('type')}")
