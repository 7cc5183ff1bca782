"""Turns what a workspace answers into errors of ours, whatever form the answer has.

The forms and their order follow Databricks' own clients: JSON with `error_code`, JSON without it,
API 1.2, SCIM, plain text and the HTML of load balancers and login pages.
"""

import html
import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from servicetsunami.errors import (
    RemoteConflict,
    RemoteDenied,
    RemoteError,
    RemoteNotFound,
    RemoteRefused,
    RemoteUnauthenticated,
    RemoteUnavailable,
)

_TEXT_MAX: Final = 500
_EXPIRED: Final = re.compile(r"invalid access token|token (is )?expir|expired", re.IGNORECASE)
_MISSING: Final = re.compile(r"(cluster|job|run)\b.* does not exist", re.IGNORECASE)
_TITLE: Final = re.compile(r"<(pre|title)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_CODED: Final = re.compile(r"([A-Z][A-Z0-9_]{2,}): (.*)", re.DOTALL)
_WAIT: Final = "What waits is sent later; local work goes on. Ask again in a moment."

_BY_CODE: Final[Mapping[str, type[RemoteError]]] = {
    "UNAUTHENTICATED": RemoteUnauthenticated,
    "PERMISSION_DENIED": RemoteDenied,
    "RESOURCE_DOES_NOT_EXIST": RemoteNotFound,
    "NOT_FOUND": RemoteNotFound,
    "CATALOG_DOES_NOT_EXIST": RemoteNotFound,
    "SCHEMA_DOES_NOT_EXIST": RemoteNotFound,
    "TABLE_DOES_NOT_EXIST": RemoteNotFound,
    "RESOURCE_CONFLICT": RemoteConflict,
    "ABORTED": RemoteConflict,
    "RESOURCE_EXHAUSTED": RemoteUnavailable,
    "REQUEST_LIMIT_EXCEEDED": RemoteUnavailable,
    "TEMPORARILY_UNAVAILABLE": RemoteUnavailable,
    "WORKSPACE_TEMPORARILY_UNAVAILABLE": RemoteUnavailable,
    "DEADLINE_EXCEEDED": RemoteUnavailable,
    "SERVICE_UNDER_MAINTENANCE": RemoteUnavailable,
    "INTERNAL_ERROR": RemoteUnavailable,
}
_BY_STATUS: Final[Mapping[int, type[RemoteError]]] = {
    401: RemoteUnauthenticated,
    403: RemoteDenied,
    404: RemoteNotFound,
    408: RemoteUnavailable,
    409: RemoteConflict,
    412: RemoteConflict,
    429: RemoteUnavailable,
}
_NEXT: Final[Mapping[type[RemoteError], str]] = {
    RemoteUnavailable: _WAIT,
    RemoteUnauthenticated: "Have the token or the secret renewed (DATABRICKS_TOKEN, "
    "DATABRICKS_CLIENT_SECRET or the profile).",
    RemoteDenied: "Have the missing grant given; docs/how-to/connect-databricks.md lists them.",
    RemoteNotFound: "Check the name; list_assets shows the tables of your catalog.",
    RemoteConflict: "Try again in a moment.",
    RemoteRefused: "Change what was asked for; asking again will not help.",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What an error body says, in words, and Databricks' code for it."""

    code: str
    message: str


def read_error(status: int, reason: str, body: bytes) -> Said:
    """Find the words and the code in the body of an error."""
    text = body.decode("utf-8", errors="replace").strip()
    if not text:
        return Said("", f"{status} {reason}".strip())
    try:
        found = json.loads(text)
    except ValueError:
        return _read_text(text, f"{status} {reason}".strip())
    if not isinstance(found, dict):
        return Said("", text[:_TEXT_MAX])
    message = found.get("message") or found.get("error") or found.get("detail") or text
    if isinstance(message, dict):
        message = message.get("message", text)
    code = found.get("error_code", found.get("scimType", "")) or ""
    return Said(str(code), str(message)[:_TEXT_MAX])


def _read_text(text: str, otherwise: str) -> Said:
    if text.startswith("<"):
        found = _TITLE.search(text)
        words = " ".join(html.unescape(found[2]).split()) if found else otherwise
        return Said("", words[:_TEXT_MAX] or otherwise)
    coded = _CODED.match(text)
    return Said(coded[1], coded[2][:_TEXT_MAX]) if coded else Said("", text[:_TEXT_MAX])


def means_expired(status: int, said: Said) -> bool:
    """Whether a fresh token may help: expiry comes as 403 more often than as 401."""
    return status == 401 or (status == 403 and _EXPIRED.search(said.message) is not None)


def error_of(status: int, said: Said, what: str) -> RemoteError:
    """The error for an answer that is not a success; `what` names the call."""
    kind = _kind(status, said)
    told = f"Databricks answered {what} with {status}: {said.message.rstrip('.')}."
    return kind(told, _NEXT[kind], said.code)


def _kind(status: int, said: Said) -> type[RemoteError]:
    if said.code.endswith("ALREADY_EXISTS"):
        return RemoteConflict
    if means_expired(status, said):
        return RemoteUnauthenticated
    if status == 400 and _MISSING.search(said.message):
        return RemoteNotFound
    if said.code in _BY_CODE:
        return _BY_CODE[said.code]
    return _BY_STATUS.get(status) or (RemoteUnavailable if status >= 500 else RemoteRefused)


def unavailable(what: str, why: str) -> RemoteUnavailable:
    """The error for a call that got no usable answer."""
    return RemoteUnavailable(f"Databricks did not answer {what}: {why}.", _WAIT)


@contextmanager
def understood(what: str) -> Generator[None]:
    """Say that an answer lacks what it has to have, rather than fail of it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unavailable(what, f"the answer lacks {error}") from error


def json_of(body: bytes, content_type: str, what: str) -> dict[str, Any]:
    """The object in a successful answer; raises for a login page, or for half an answer."""
    if not body.strip():
        return {}
    if "html" in content_type or body.lstrip().startswith(b"<"):
        raise RemoteUnauthenticated(
            f"Databricks answered {what} with a web page, as it does for those not signed in.",
            _NEXT[RemoteUnauthenticated],
        )
    try:
        found = json.loads(body)
    except ValueError as error:
        raise unavailable(what, "the answer is not complete JSON") from error
    if not isinstance(found, dict):
        raise RemoteRefused(
            f"Databricks answered {what} with something that is not an object.",
            _NEXT[RemoteRefused],
        )
    return found
