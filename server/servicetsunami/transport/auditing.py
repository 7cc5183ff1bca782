"""Makes audit entries of what comes in: operations, refused ones, and refused credentials."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from servicetsunami.domain.audit import SERVER, AuditEntry, Outcome
from servicetsunami.errors import ServerError
from servicetsunami.services.audit import SIGN_IN, Audit
from servicetsunami.services.audit_words import assets, plain, summary
from servicetsunami.transport.admission import Operation


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

    def shed(self) -> None:
        """Note a call that was refused unread; nobody knows whose it was."""
        self._audit.note_shed()

    def refused(self, *, address: str, path: str, error: ServerError) -> None:
        """Note a credential that opened nothing; it is no tenant's, whatever it says of itself."""
        self._audit.note_refusal(
            AuditEntry(
                tenant=SERVER,
                operation=SIGN_IN,
                outcome=Outcome.DENIED.value,
                error=type(error).__name__,
                arguments=plain(f"from {address} at {path}: {error.what}"),
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
        operation=plain(operation.name),
        assets=assets(operation.arguments),
        arguments=summary(operation.arguments),
        outcome=operation.outcome.value,
        error=operation.error,
        at=operation.started_at,
        micros=round(operation.seconds * 1e6),
        request_id=operation.id,
    )
