"""The bridge: Databricks SQL in, DuckDB SQL out, and nothing that is not on a list.

Everything here runs in a worker process. A statement is parsed by sqlglot, and compiled expression
by expression with Databricks' types, so that casts, overflow, division, NULL and time zones behave
as there. A construct or function without an entry in the tables of this package is refused by name.
"""

from servicetsunami.engines.sql.dialect.confirm import confirm
from servicetsunami.engines.sql.dialect.failures import explain_failure
from servicetsunami.engines.sql.dialect.macros import macros
from servicetsunami.engines.sql.dialect.translate import (
    Translation,
    session_settings,
    translate,
    unique,
)

__all__ = [
    "Translation",
    "confirm",
    "explain_failure",
    "macros",
    "session_settings",
    "translate",
    "unique",
]
