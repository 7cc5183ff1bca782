"""Tells, from a failed statement's own words, what kind of failure it was.

A failed statement comes with HTTP 200; its message begins with an error class in brackets.
"""

import re
from collections.abc import Mapping
from typing import Final

from servicetsunami.errors import (
    RemoteConflict,
    RemoteDenied,
    RemoteError,
    RemoteNotFound,
    RemoteRefused,
    RemoteUnavailable,
)

_CLASS: Final = re.compile(r"\[([A-Z0-9_.]+)\]\s*(.*)", re.DOTALL)
_MESSAGE_MAX: Final = 1_000
_MISSING: Final = frozenset(
    {
        "TABLE_OR_VIEW_NOT_FOUND",
        "SCHEMA_NOT_FOUND",
        "CATALOG_NOT_FOUND",
        "NO_SUCH_CATALOG_EXCEPTION",
        "VOLUME_DOES_NOT_EXIST",
        "PATH_NOT_FOUND",
    }
)
_CONFLICTS: Final = ("DELTA_CONCURRENT_", "COPY_INTO_DUPLICATED_FILES", "CONCURRENT_")
_BY_CODE: Final[Mapping[str, type[RemoteError]]] = {
    "TEMPORARILY_UNAVAILABLE": RemoteUnavailable,
    "WORKSPACE_TEMPORARILY_UNAVAILABLE": RemoteUnavailable,
    "SERVICE_UNDER_MAINTENANCE": RemoteUnavailable,
    "IO_ERROR": RemoteConflict,
    "ABORTED": RemoteConflict,
    "RESOURCE_EXHAUSTED": RemoteConflict,
    "DEADLINE_EXCEEDED": RemoteConflict,
    "CANCELLED": RemoteConflict,
    "NOT_FOUND": RemoteNotFound,
    "ALREADY_EXISTS": RemoteConflict,
}
_NEXT: Final[Mapping[type[RemoteError], str]] = {
    RemoteUnavailable: "What waits is sent later; local work goes on. Ask again in a moment.",
    RemoteConflict: "Try again in a moment.",
    RemoteNotFound: "Check the name; list_assets shows the tables of your catalog.",
    RemoteDenied: "Have the missing grant given; docs/how-to/connect-databricks.md lists them.",
    RemoteRefused: "Correct the SQL and call again.",
}


def statement_error(code: str, message: str) -> RemoteError:
    """The error for a statement that failed or was cancelled."""
    found = _CLASS.match(message.strip())
    name = found[1] if found else code
    text = (found[2] if found else message).strip()[:_MESSAGE_MAX]
    kind = _kind(code, name, message)
    return kind(f"Databricks: {text or name}", _NEXT[kind], name)


def _kind(code: str, name: str, message: str) -> type[RemoteError]:
    root = name.partition(".")[0]
    if root in _MISSING:
        return RemoteNotFound
    if root == "INSUFFICIENT_PERMISSIONS" or "PERMISSION_DENIED" in message:
        return RemoteDenied
    if root.startswith(_CONFLICTS):
        return RemoteConflict
    return _BY_CODE.get(code, RemoteRefused)
