"""Records what the code of notebooks and the tasks of jobs do, in the name of whom they run for."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from servicetsunami.domain.audit import AuditEntry, Outcome, outcome_of
from servicetsunami.domain.caller import Caller
from servicetsunami.services.audit import Audit
from servicetsunami.services.audit_words import assets, plain, summary

DOOR: Final = "run"
"""By which an operation of a run has come in."""


class RunAudit:
    """Notes what runs do; nothing without a record."""

    def __init__(self, audit: Audit | None) -> None:
        self._audit = audit

    @asynccontextmanager
    async def noted(
        self, caller: Caller, operation: str, arguments: Mapping[str, object], *, run_id: str
    ) -> AsyncGenerator[None]:
        """Note an operation of a run when it has ended, by the name of the tool that does it."""
        at, started = datetime.now(UTC), time.monotonic()
        outcome, error = Outcome.OK, ""
        try:
            yield
        except BaseException as raised:
            outcome, error = outcome_of(raised), type(raised).__name__
            raise
        finally:
            if self._audit is not None:
                self._audit.note(
                    AuditEntry(
                        tenant=caller.tenant,
                        subject=caller.subject,
                        issuer=caller.issuer,
                        door=DOOR,
                        operation=plain(operation),
                        assets=assets(arguments),
                        arguments=summary(arguments),
                        outcome=outcome.value,
                        error=error,
                        at=at,
                        micros=round((time.monotonic() - started) * 1e6),
                        request_id=run_id,
                    )
                )
