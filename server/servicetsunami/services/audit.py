"""Records every operation, in batches, as chains that show when somebody has changed them."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from servicetsunami.domain.audit import SERVER, AuditEntry, AuditRecord
from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.errors import Denied, ServerError
from servicetsunami.services.answers import Answer
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.visibility import everybody

_log = logging.getLogger(__name__)

_FLUSH_EVERY_S: Final = 1.0
_BATCH_ENTRIES: Final = 200
_PENDING_ENTRIES_MAX: Final = 20_000
"""When the database stays away, entries beyond this are counted rather than memory used up."""
_REFUSALS_MAX: Final = 50
"""Refused credentials that a batch tells one by one: nobody may fill the database by guessing."""
_RETIRE_EVERY_S: Final = 3_600.0
TAIL_RECORDS_MAX: Final = 1_000

GAP: Final = "audit.gap"
"""Stands where entries were lost: the database was away for too long."""
RETIRED: Final = "audit.retired"
"""Stands for older records that were given up, up to the one that it names."""
SIGN_IN: Final = "sign_in"
SHED: Final = "calls.shed"
"""Stands for calls that nobody has looked into."""


class AuditAnswer(Answer):
    """One record, as an administrator of its tenant reads it."""

    number: int
    at: str
    operation: str
    outcome: str
    error: str | None = None
    subject: str | None = None
    issuer: str | None = None
    door: str | None = None
    assets: list[str] | None = None
    arguments: str | None = None
    seconds: float
    request_id: str | None = None
    seal: str

    @classmethod
    def of(cls, record: AuditRecord) -> "AuditAnswer":
        """Take over a record; what is empty is left out."""
        entry = record.entry
        return cls(
            number=record.number,
            at=entry.at.isoformat(),
            operation=entry.operation,
            outcome=entry.outcome,
            error=entry.error or None,
            subject=entry.subject or None,
            issuer=entry.issuer or None,
            door=entry.door or None,
            assets=entry.assets.split(" ") if entry.assets else None,
            arguments=entry.arguments or None,
            seconds=entry.micros / 1e6,
            request_id=entry.request_id or None,
            seal=record.seal,
        )


class Audit:
    """Takes entries at once, and writes them within about a second.

    `key` seals the chains, so that who can only write to the database cannot make a new one;
    records older than `days` are given up, 0 keeps all. Killed, the server loses at most the
    entries of the last second, but none that was `urgent`.
    """

    def __init__(
        self,
        metadata: Metadata,
        *,
        key: bytes = b"",
        days: int = 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metadata = metadata
        self._key = key
        self._days = days
        self._now = now
        self._pending: list[AuditEntry] = []
        self._lost = 0
        self._refusals = 0
        self._refusals_untold = 0
        self._shed = 0
        self._writing = anyio.Lock()
        self._due = anyio.Event()

    def note(self, entry: AuditEntry) -> None:
        """Take an entry, to be written with others."""
        if len(self._pending) >= _PENDING_ENTRIES_MAX:
            self._lost += 1
            return
        self._pending.append(entry)
        if len(self._pending) >= _BATCH_ENTRIES:
            self._due.set()

    async def note_at_once(self, entry: AuditEntry) -> None:
        """Take an entry and write it now; where that fails, it waits with the others."""
        self.note(entry)
        try:
            await self.flush()
        except ServerError as error:
            _log.error("audit entries could not be written yet: %s", error)

    def note_refusal(self, entry: AuditEntry) -> None:
        """Take a refused credential; of very many in a moment, only the number is told."""
        if self._refusals >= _REFUSALS_MAX:
            self._refusals_untold += 1
        else:
            self._refusals += 1
            self.note(entry)

    def note_shed(self) -> None:
        """Take a call that was refused unread; of these, only the number is told."""
        self._shed += 1

    async def flush(self) -> None:
        """Write all that is pending; what could not be written stays pending."""
        async with self._writing:
            batch = [*self._pending, *self._uncounted()]
            if not batch:
                return
            taken, lost, untold = len(self._pending), self._lost, self._refusals_untold
            shed = self._shed
            # Cancelled after its commit, it would be written once more.
            with anyio.CancelScope(shield=True), everybody():
                async with self._metadata.begin() as transaction:
                    await transaction.audit.append(batch, key=self._key)
            # Only now: whatever came meanwhile stands behind these.
            del self._pending[:taken]
            self._lost -= lost
            self._refusals_untold -= untold
            self._shed -= shed
            self._refusals = 0

    def _uncounted(self) -> Sequence[AuditEntry]:
        """What stands for entries that are not there one by one."""
        found = []
        if self._refusals_untold:
            what = f"{self._refusals_untold} more refused credentials"
            found.append(
                AuditEntry(tenant=SERVER, operation=SIGN_IN, outcome="denied", arguments=what)
            )
        if self._shed:
            what = f"{self._shed} calls refused unread, since too many were in hand"
            found.append(
                AuditEntry(tenant=SERVER, operation=SHED, outcome="limited", arguments=what)
            )
        if self._lost:
            what = f"{self._lost} entries could not be kept"
            found.append(AuditEntry(tenant=SERVER, operation=GAP, outcome="broken", arguments=what))
        return found

    async def run(self) -> None:
        """Write what is pending, and give up what is old, until cancelled."""
        retire_at = anyio.current_time()
        while True:
            with anyio.move_on_after(_FLUSH_EVERY_S):
                await self._due.wait()
            self._due = anyio.Event()
            try:
                await self.flush()
                if self._days and anyio.current_time() >= retire_at:
                    retire_at = anyio.current_time() + _RETIRE_EVERY_S
                    await self.retire(before=self._now() - timedelta(days=self._days))
            except ServerError as error:
                _log.error("audit entries could not be written yet: %s", error)
                await anyio.sleep(_FLUSH_EVERY_S)

    async def retire(self, *, before: datetime) -> int:
        """Give up the records from before a moment, and record that; how many there were."""
        count = 0
        with everybody():
            async with self._metadata.read() as transaction:
                tenants = await transaction.audit.tenants()
            for tenant in tenants:
                async with self._metadata.begin() as transaction:
                    through = await transaction.audit.last_before(tenant, before)
                    if through is None:
                        continue
                    entry = AuditEntry(
                        tenant=tenant,
                        operation=RETIRED,
                        outcome="ok",
                        at=self._now(),
                        arguments=f"records up to number {through}",
                        through=through,
                    )
                    await transaction.audit.append([entry], key=self._key)
                    count += await transaction.audit.forget(tenant, through=through)
        return count

    async def tail(self, caller: Caller, limit: int) -> list[AuditAnswer]:
        """The newest records of the caller's tenant, newest first; raises Denied."""
        if Scope.ADMIN not in caller.scopes:
            raise Denied(
                f"The audit record needs the scope {Scope.ADMIN}.",
                "Ask whoever gave you this credential for one that has it.",
            )
        limit = max(1, min(limit, TAIL_RECORDS_MAX))
        async with self._metadata.read() as transaction:
            found = await transaction.audit.last(caller.tenant, limit=limit)
        return [AuditAnswer.of(record) for record in found]
