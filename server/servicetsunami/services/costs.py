"""Knows what Databricks has billed: reads it now and then, beside all calls, and keeps it."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
from anyio.abc import TaskGroup

from servicetsunami.domain.budget import THERE, Budget, month_start
from servicetsunami.domain.caller import Caller
from servicetsunami.domain.cost import KnownCosts
from servicetsunami.errors import (
    RemoteDenied,
    RemoteNotFound,
    RemoteUnavailable,
    ServerError,
)
from servicetsunami.gateway.connection import Connection
from servicetsunami.services.revised_sync import check_connected
from servicetsunami.stores.metadata import Metadata

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 600.0
_CLAIM_S: Final = 900.0
"""Longer than reading may take; whoever is killed meanwhile blocks nobody for longer."""
_RUNS_MAX: Final = 2_000
_DAYS: Final = 31
_WORK_KEPT: Final = timedelta(days=93)
_GRANTS: Final = (
    "Have USE SCHEMA and SELECT on system.billing and system.query granted to the credentials; "
    "what this machine counted is here all the same."
)


class CostReports:
    """Owns the bills of all tenants; `hours` is how old one may be, 0 for never reading by itself.

    Reading wakes a warehouse, and the bill is half a day late anyway: so it is read seldom, only
    for tenants that ask or that have a budget in what Databricks bills, and never in a call.
    """

    def __init__(
        self,
        *,
        metadata: Metadata,
        connection: Connection,
        tasks: TaskGroup,
        default: Budget,
        hours: float,
        currency: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._metadata = metadata
        self._connection = connection
        self._tasks = tasks
        self._default = default
        self._age_max = timedelta(hours=hours)
        self.currency = currency
        self._now = now

    async def wanted(self, caller: Caller) -> tuple[KnownCosts, bool]:
        """What is known, for somebody who asks; whether it is being read anew meanwhile."""
        async with self._metadata.read() as transaction:
            known = await transaction.costs.find(caller.tenant)
        if not caller.has_databricks or not self._age_max or not self._is_old(known):
            return known, False
        self._tasks.start_soon(self._refresh_for, caller)
        return known, True

    async def _refresh_for(self, caller: Caller) -> None:
        """Read the bill for somebody who asks, who is not kept waiting by any of it."""
        try:
            async with self._metadata.begin() as transaction:
                await transaction.costs.note_asked(caller.tenant, at=self._now())
        except ServerError as error:
            _log.info("nobody will know that %s asked for its bill: %s", caller.tenant, error)
        await self._refresh_quietly(caller)

    def _is_old(self, known: KnownCosts) -> bool:
        return known.tried_at is None or known.tried_at < self._old_before()

    def _old_before(self) -> datetime:
        return self._now() - self._age_max

    async def keep_fresh(self, caller: Caller) -> None:
        """Read the bill whenever it is old and somebody needs it, for as long as we serve."""
        while True:
            try:
                if await self.is_due(caller.tenant):
                    await self._refresh_quietly(caller)
            except ServerError as error:
                _log.warning("the bill of %s could not be looked for: %s", caller.tenant, error)
            await anyio.sleep(_LOOK_EVERY_S)

    async def is_due(self, tenant: str) -> bool:
        """Whether the bill is old, and somebody asked within a day or has a budget there."""
        if not self._age_max:
            return False
        async with self._metadata.read() as transaction:
            known = await transaction.costs.find(tenant)
            own = await transaction.budgets.find(tenant) or Budget()
        is_limited = bool(own.over(self._default).limits().keys() & THERE)
        asked, day = known.asked_at, timedelta(days=1)
        is_needed = is_limited or (asked is not None and asked > self._now() - day)
        return is_needed and self._is_old(known)

    async def _refresh_quietly(self, caller: Caller) -> None:
        try:
            await self.refresh(caller, tried_before=self._old_before())
        except ServerError as error:
            # It is kept with what is known, for whoever asks.
            _log.info("the bill of %s could not be read: %s", caller.tenant, error)

    async def refresh(self, caller: Caller, *, tried_before: datetime | None = None) -> bool:
        """Read the bill now, or unless somebody has since a moment. Takes up to minutes.

        Returns False where another server reads it, or has.

        Raises a RemoteError, which is kept for whoever asks later.
        """
        check_connected(caller)
        started = self._now()
        since = min(month_start(started), started - timedelta(days=_DAYS))
        async with self._metadata.begin() as transaction:
            is_ours = await transaction.costs.claim(
                caller.tenant, at=started, for_s=_CLAIM_S, tried_before=tried_before
            )
            if not is_ours:
                return False
            await transaction.remote_work.forget(caller.tenant, before=started - _WORK_KEPT)
            runs = await transaction.run_costs.numbers_there(
                caller.tenant, since=since, limit=_RUNS_MAX
            )
        try:
            workspace = await self._connection.workspace()
            report = await workspace.billing.report(
                caller.tenant, since=since.date(), runs=runs, currency=self.currency, at=started
            )
        except BaseException as error:
            known = _explained(error)
            with anyio.CancelScope(shield=True):
                async with self._metadata.begin() as transaction:
                    await transaction.costs.fail(caller.tenant, known, at=started)
            raise
        async with self._metadata.begin() as transaction:
            await transaction.costs.keep(caller.tenant, report, at=started)
        return True


def _explained(error: BaseException) -> dict[str, str]:
    """What kept us from reading it, and what to do about that."""
    if isinstance(error, (RemoteDenied, RemoteNotFound)):
        return {"why": f"The bill is not open to us. {error.what}", "next": _GRANTS}
    if isinstance(error, RemoteUnavailable):
        return {"why": error.what, "next": "It is read again by itself."}
    if isinstance(error, ServerError):
        return {"why": error.what, "next": error.next_step}
    return {"why": "Reading it was broken off.", "next": "It is read again by itself."}
