"""What is recorded of an operation, and how records are chained so that no change stays hidden."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from servicetsunami.errors import Denied, LimitExceeded, ServerError

GENESIS: Final = "0" * 64
"""What the first record of a chain follows."""
SERVER: Final = ""
"""The chain of what belongs to no tenant, such as refused credentials. No tenant has this name."""


class Outcome(StrEnum):
    """How an operation ended."""

    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    """An expected failure, which the caller was told."""
    DENIED = "denied"
    """The credential, or the configuration, does not allow it."""
    LIMITED = "limited"
    """It was too much, by a limit or a quota."""
    BROKEN = "broken"
    """A bug, or a stop from outside."""


def outcome_of(error: BaseException) -> Outcome:
    """How an operation ended that raised this."""
    if isinstance(error, Denied):
        return Outcome.DENIED
    if isinstance(error, LimitExceeded):
        return Outcome.LIMITED
    return Outcome.FAILED if isinstance(error, ServerError) else Outcome.BROKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One operation, as it is recorded. Neither rows nor contents are part of it.

    `issuer` tells who made the credential of `subject`, which for an API key is the key's id;
    `assets` are the names that were asked for, as they were written; `arguments` is a summary with
    a digest. `request_id` is the operation's own, or that of the run which has done it. `through`
    is set where older records were given up: the last one that went.
    """

    tenant: str
    operation: str
    outcome: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    subject: str = ""
    issuer: str = ""
    door: str = ""
    assets: str = ""
    arguments: str = ""
    error: str = ""
    micros: int = 0
    request_id: str = ""
    through: int | None = None

    def values(self) -> dict[str, Any]:
        """All of it by name."""
        return {name: getattr(self, name) for name in ENTRY_FIELDS}


ENTRY_FIELDS: Final = tuple(each.name for each in fields(AuditEntry))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An entry in its place: the number in its tenant's chain, and the seals of it and before."""

    number: int
    previous: str
    seal: str
    entry: AuditEntry


def sealed(entry: AuditEntry, *, number: int, previous: str, key: bytes) -> AuditRecord:
    """Put an entry behind the record whose seal is `previous`."""
    seal = _seal(entry, number=number, previous=previous, key=key)
    return AuditRecord(number=number, previous=previous, seal=seal, entry=entry)


def is_genuine(record: AuditRecord, *, key: bytes) -> bool:
    """Whether a record is what was sealed."""
    seal = _seal(record.entry, number=record.number, previous=record.previous, key=key)
    return hmac.compare_digest(seal, record.seal)


def _seal(entry: AuditEntry, *, number: int, previous: str, key: bytes) -> str:
    """The SHA-256 of all that is recorded, keyed where there is a key."""
    values = entry.values() | {"at": entry.at.astimezone(UTC).isoformat(timespec="microseconds")}
    text = json.dumps([number, previous, values], sort_keys=True, separators=(",", ":"))
    if key:
        return hmac.new(key, text.encode(), "sha256").hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()
