"""Recognises DuckDB's errors wherever they surface."""

import re

import duckdb

_KIND = re.compile(r"([A-Za-z ]+) Error: ")
_EXCEPTIONS = {
    name.removesuffix("Exception").lower(): kind
    for name, kind in vars(duckdb).items()
    if name.endswith("Exception") and isinstance(kind, type) and issubclass(kind, duckdb.Error)
}


def duckdb_error(error: Exception) -> duckdb.Error:
    """Give the error its DuckDB type back, which it loses while Arrow batches are drained."""
    if isinstance(error, duckdb.Error):
        return error
    found = _KIND.match(str(error))
    kind = _EXCEPTIONS.get(found[1].replace(" ", "").lower()) if found else None
    if kind is None:
        raise error
    return kind(str(error))
