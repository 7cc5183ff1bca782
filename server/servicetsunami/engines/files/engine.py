"""A DuckDB connection that can read one directory and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_OWN_FILE = re.compile(r"( in)? file \"[^\"]*\"")
BATCH_ROWS = 16_384


def sealed_connection(
    directory: Path, source: Path, *, memory_limit_mb: int, threads: int
) -> duckdb.DuckDBPyConnection:
    """Open an engine that reads `source` (a link in `directory`), spills there, and no more.

    The link's own name is harmless, so no character of the user's file name can act as a
    pattern, an address or a quote.
    """
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": threads,
            "temp_directory": str(directory / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        },
    )
    # It would draw a bar on the standard output, which belongs to the protocol.
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_paths = [{quoted(str(source))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def quoted(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Write a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def readable(error: Exception) -> str:
    """Give the engine's message in one line, without paths of our own."""
    return _OWN_FILE.sub("", str(error).split("\n", 1)[0]).strip()[:300]
