"""Makes audit entries of what comes in: operations, refused ones, and refused credentials."""

import hashlib
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from servicetsunami.domain.audit import SERVER, AuditEntry
from servicetsunami.domain.redaction import redacted
from servicetsunami.domain.visible import visible
from servicetsunami.errors import ServerError
from servicetsunami.services.audit import SIGN_IN, Audit
from servicetsunami.transport.admission import Operation, Outcome

_NAMES: Final = ("name", "index", "dataset", "notebook", "job", "run_id", "repair_run_id", "uri")
"""Arguments that name an asset."""
_SHOWN: Final = frozenset(
    (*_NAMES, "kind", "mode", "run_on", "action", "confirm", "format", "period", "max_rows")
)
"""Arguments that say what was asked, and carry no rows, texts or code."""
_VALUE_CHARS_MAX: Final = 200
_ASSETS_MAX: Final = 20
_SUMMARY_CHARS_MAX: Final = 1_000
_TABLES: Final = re.compile(
    r"\b(?:from|join|table|into|update)\s+([`\w][`\w.:-]{0,200})", re.IGNORECASE
)
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_.]{0,18}", re.ASCII)
"""Most names are; what is looked through for credentials takes many times as long."""


class Auditor:
    """Notes in the audit record what it is shown."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    @asynccontextmanager
    async def watch(self, operation: Operation) -> AsyncGenerator[None]:
        """Note an operation when it has ended; one that was denied is written at once."""
        try:
            yield
        finally:
            entry = entry_of(operation)
            if operation.outcome is Outcome.DENIED:
                await self._audit.note_at_once(entry)
            else:
                self._audit.note(entry)

    def refused(self, *, address: str, path: str, error: ServerError) -> None:
        """Note a credential that opened nothing; it is no tenant's, whatever it says of itself."""
        self._audit.note_refusal(
            AuditEntry(
                tenant=SERVER,
                operation=SIGN_IN,
                outcome=Outcome.DENIED.value,
                error=type(error).__name__,
                arguments=_plain(f"from {address} at {path}: {error.what}"),
            )
        )


def entry_of(operation: Operation) -> AuditEntry:
    """What is recorded of an operation."""
    caller = operation.caller
    return AuditEntry(
        tenant=caller.tenant,
        subject=caller.subject,
        issuer=caller.issuer,
        door=operation.door,
        operation=_plain(operation.name),
        assets=" ".join(_assets(operation.arguments)),
        arguments=_summary(operation.arguments),
        outcome=operation.outcome.value,
        error=operation.error,
        at=operation.started_at,
        micros=round(operation.seconds * 1e6),
        request_id=operation.id,
    )


def _assets(arguments: Mapping[str, object]) -> list[str]:
    """The names that were asked for; of SQL, those that stand where tables do."""
    given = [arguments.get(name) for name in _NAMES]
    names = [value for value in given if isinstance(value, str) and value]
    sql = arguments.get("sql")
    if isinstance(sql, str):
        names += _TABLES.findall(sql[:20_000])
    plain = (_plain(name).replace(" ", "_") for name in names)
    return list(dict.fromkeys(plain))[:_ASSETS_MAX]


def _summary(arguments: Mapping[str, object]) -> str:
    """Which arguments there were: short ones that say what was asked, the length of all others.

    The digest at the end tells equal calls from others, without telling what was in them.
    """
    if not arguments:
        return ""
    told = [f"{_plain(name)}={_told(name, value)}" for name, value in arguments.items()]
    text = json.dumps(arguments, sort_keys=True, default=str, separators=(",", ":"))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{' '.join(told)[:_SUMMARY_CHARS_MAX]} sha256={digest}"


def _told(name: str, value: object) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if name in _SHOWN and isinstance(value, str):
        return json.dumps(_plain(value), ensure_ascii=False)
    if isinstance(value, (str, list, tuple, dict)):
        return f"<{len(value)}>"
    return f"<{type(value).__name__}>"


def _plain(text: str) -> str:
    """Text from outside, fit to be kept and shown in one line."""
    if _HARMLESS.fullmatch(text):
        return text
    short = text[:_VALUE_CHARS_MAX].encode("utf-8", "replace").decode().replace("\0", "")
    return " ".join(visible(redacted(short)).split())
