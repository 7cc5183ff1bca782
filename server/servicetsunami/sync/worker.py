"""Carries items from the outbox to Databricks, several at once, each under a lease."""

import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.outbox import AssetKind, LeasedItem, OutboxItem
from servicetsunami.errors import (
    BudgetUsedUp,
    ConfigurationError,
    Conflict,
    RemoteConflict,
    RemotePending,
    RemoteUnauthenticated,
    RemoteUnavailable,
    ServerError,
    TimedOut,
)
from servicetsunami.stores.metadata import Metadata
from servicetsunami.sync.outcomes import Batch, LeaseLost

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_log = logging.getLogger(__name__)

ATTEMPTS_MAX: Final = 8
_LEASE_S: Final = 60.0
_LANES: Final = 2
_IDLE_S: Final = 5.0
_RETRY_BASE_S: Final = 1.0
_RETRY_MAX_S: Final = 300.0
_PAUSE_BASE_S: Final = 1.0
_PAUSE_MAX_S: Final = 30.0
_RELEASE_S: Final = 2.0
_HOLD_S: Final = 300.0
"""Until a budget is asked again: it may have been raised in the settings, or a month have begun."""
_KEPT: Final = timedelta(days=7)
_PRUNE_EVERY_S: Final = 3600.0

_AWAY = (RemoteUnavailable, RemoteUnauthenticated, ConfigurationError)
"""What says nothing about the item: the workspace cannot be used by anybody now."""
_PASSING = (RemoteConflict, TimedOut, Conflict)
"""What may be over the next time."""
_EXPECTED = (ServerError, LeaseLost)


class Courier(Protocol):
    """Knows how the items of one kind are delivered."""

    async def deliver(self, item: OutboxItem, lease: "Lease") -> None:
        """Make it true on Databricks; may be repeated at any point. Raises ServerError."""
        ...

    async def delivered(self, transaction: "Transaction", item: OutboxItem, at: datetime) -> None:
        """Note it, in the transaction that ends the item."""
        ...

    async def parked(self, transaction: "Transaction", item: OutboxItem, reason: str) -> None:
        """Note it, in the transaction that parks the item."""
        ...


class Lease:
    """A worker's hold on an item, as its courier sees it."""

    def __init__(self, worker: "SyncWorker", leased: LeasedItem) -> None:
        self._worker = worker
        self.leased = leased
        self.progress: Mapping[str, object] = leased.progress
        self.is_lost = False

    @property
    def is_first(self) -> bool:
        """Whether nobody can have begun to deliver the item before."""
        return self.leased.fence == 1

    @property
    def now(self) -> datetime:
        """The time, as the worker reckons it."""
        return self._worker.clock()

    def check(self) -> None:
        """Raise LeaseLost when it is known to be lost."""
        if self.is_lost:
            raise LeaseLost

    async def confirm(self) -> None:
        """Renew it, just before whatever cannot be taken back; raises LeaseLost.

        A process may have slept for long between two of its lines.
        """
        worker = self._worker
        async with worker.metadata.begin() as transaction:
            if not await transaction.leases.renew(
                self.leased, at=worker.clock(), lease_s=worker.pace.lease_s
            ):
                self.is_lost = True
        self.check()

    async def permit(self) -> Permit:
        """Leave to begin what costs; to be asked before it is prepared. Raises BudgetUsedUp."""
        return await self._worker.admit(self.leased.item.tenant)

    async def note(self, progress: Mapping[str, object]) -> None:
        """Remember how far it is, for whoever may have to go on; raises LeaseLost."""
        async with self._worker.metadata.begin() as transaction:
            if not await transaction.leases.note(self.leased, progress):
                self.is_lost = True
        self.check()
        self.progress = progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long leases last, and how items are tried again. All times in seconds."""

    lease_s: float = _LEASE_S
    lanes: int = _LANES
    attempts_max: int = ATTEMPTS_MAX
    idle_s: float = _IDLE_S
    retry_base_s: float = _RETRY_BASE_S
    retry_max_s: float = _RETRY_MAX_S


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class SyncWorker:
    """One per server; any number of them may share an outbox.

    `owner` names this worker in the database. `admit` gives leave to spend, or raises BudgetUsedUp.
    `rng` gives numbers from 0 to 1, for the jitter.
    """

    metadata: Metadata
    couriers: Mapping[AssetKind, Courier]
    owner: str
    admit: Callable[[str], Awaitable[Permit]]
    tenants: Collection[str] | None = None
    clock: Callable[[], datetime] = _now
    rng: Callable[[], float] = random.random
    pace: Pace = field(default_factory=Pace)
    unavailable_reason: str | None = None
    unavailable_since: datetime | None = None
    done_count: int = 0
    _pauses: int = 0
    _pause_until: datetime | None = None
    _pruned_at: datetime | None = None
    _bell: anyio.Event = field(default_factory=anyio.Event)

    def wake(self) -> None:
        """Have `run` look at once: something was put, or somebody wants it tried now."""
        self._pause_until = None
        self._bell.set()

    async def run(self) -> None:
        """Work for ever. Whatever goes wrong with an item is logged, and the rest goes on."""
        while True:
            bell = self._bell = anyio.Event()
            try:
                batch = await self.run_once(items_max=self.pace.lanes * 10)
                await self._prune()
                wait_s = 0.0 if batch.claimed and not batch.unavailable else await self._wait_s()
            except ServerError as error:
                # The metadata database is away or busy; the items stay where they are.
                _log.warning("the outbox cannot be read: %s", error)
                wait_s = self.pace.idle_s
            with anyio.move_on_after(wait_s):
                await bell.wait()

    async def run_once(self, *, items_max: int) -> Batch:
        """Deliver up to `items_max` items that are due, `lanes` at once.

        The first that finds the workspace away ends the batch: the others would find the same.
        """
        if self._pause_until is not None and self.clock() < self._pause_until:
            return Batch(unavailable=self.unavailable_reason)
        batch, left, failures = Batch(), [items_max], list[ServerError]()

        async def lane() -> None:
            try:
                while left[0] > 0 and batch.unavailable is None:
                    left[0] -= 1
                    leased = await self._claim()
                    if leased is None:
                        return
                    await self._handle(leased, batch)
            except ServerError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(min(self.pace.lanes, items_max)):
                tasks.start_soon(lane)
        self._learn(batch)
        if failures:
            raise failures[0]
        return batch

    async def _claim(self) -> LeasedItem | None:
        async with self.metadata.begin() as transaction:
            return await transaction.leases.claim(
                owner=self.owner,
                at=self.clock(),
                lease_s=self.pace.lease_s,
                kinds=list(self.couriers),
                tenants=self.tenants,
            )

    async def _handle(self, leased: LeasedItem, batch: Batch) -> None:
        """Deliver one item, and settle what came of it."""
        courier, done_before = self.couriers[leased.item.kind], self.done_count
        try:
            failure = await self._deliver(leased, courier)
            if failure is None:
                await self._done(leased, courier, batch)
            elif isinstance(failure, LeaseLost | RemotePending):
                await self._leave(leased, failure, batch)
            elif isinstance(failure, BudgetUsedUp):
                await self._hold(leased, failure, batch)
            elif isinstance(failure, _AWAY) and self.done_count == done_before:
                await self._put_back(leased, failure, batch)
            elif isinstance(failure, ServerError) and not isinstance(failure, _AWAY + _PASSING):
                await self._park(leased, courier, str(failure), batch)
            else:
                # Others have arrived meanwhile, so it is this item's own trouble; or a bug.
                await self._again(leased, courier, str(failure) or repr(failure), batch)
        except ServerError as error:
            # Our own database: once the lease runs out, the item is delivered once more.
            _log.warning("outbox item %d could not be settled: %s", leased.item.id, error)
            batch.lost += 1
        except BaseException:
            # The server stops: the next one need not wait for the lease to run out.
            with anyio.move_on_after(_RELEASE_S, shield=True), suppress(ServerError):
                await self._release(leased, None, None)
            raise

    async def _deliver(self, leased: LeasedItem, courier: Courier) -> Exception | None:
        """Have the courier deliver it; what went wrong, or None."""
        lease = Lease(self, leased)
        try:
            async with self._kept_alive(lease):
                await courier.deliver(leased.item, lease)
            lease.check()
        except _EXPECTED as error:
            return error
        except Exception as error:  # noqa: BLE001 - the outermost loop: the others go on
            _log.exception("delivering outbox item %d failed", leased.item.id)
            return error
        return None

    @asynccontextmanager
    async def _kept_alive(self, lease: Lease) -> AsyncGenerator[None]:
        """Renew the lease in the background; end the block when it is lost."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._renew, lease, tasks.cancel_scope)
            failure: Exception | None = None
            try:
                yield
            except _EXPECTED as error:
                # Not as a group: whoever is outside asks what kind it is.
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _renew(self, lease: Lease, scope: anyio.CancelScope) -> None:
        leased = lease.leased
        ends_at = anyio.current_time() + self.pace.lease_s
        while True:
            await anyio.sleep(self.pace.lease_s / 3)
            try:
                await lease.confirm()
                ends_at = anyio.current_time() + self.pace.lease_s
            except LeaseLost:
                ends_at = 0.0
            except ServerError as error:
                _log.warning(
                    "the lease of outbox item %d was not renewed: %s", leased.item.id, error
                )
            if anyio.current_time() >= ends_at:
                lease.is_lost = True
                scope.cancel()
                return

    async def _done(self, leased: LeasedItem, courier: Courier, batch: Batch) -> None:
        at = self.clock()
        async with self.metadata.begin() as transaction:
            is_mine = await transaction.leases.done(leased, at=at)
            if is_mine:
                await courier.delivered(transaction, leased.item, at)
        batch.count("done", is_mine=is_mine)
        self.done_count += is_mine

    async def _leave(
        self, leased: LeasedItem, failure: LeaseLost | RemotePending, batch: Batch
    ) -> None:
        """Let go of an item that somebody else has, or that Databricks is at: no attempt counts."""
        is_mine = isinstance(failure, RemotePending) and await self._release(
            leased, self.clock() + timedelta(seconds=failure.wait_s), str(failure)
        )
        batch.count("retried", is_mine=is_mine)

    async def _hold(self, leased: LeasedItem, failure: BudgetUsedUp, batch: Batch) -> None:
        not_before = self.clock() + timedelta(seconds=_HOLD_S)
        async with self.metadata.begin() as transaction:
            is_mine = await transaction.leases.hold(
                leased, not_before=not_before, reason=str(failure)
            )
        batch.count("held", is_mine=is_mine)

    async def _put_back(self, leased: LeasedItem, failure: Exception, batch: Batch) -> None:
        """Keep its place without counting the attempt; the others come first when it goes on.

        Otherwise one item that the workspace cannot digest would look like an outage for ever.
        """
        batch.unavailable = str(failure)
        not_before = self.clock() + timedelta(seconds=2 * self._pause_bound_s)
        if not await self._release(leased, not_before, str(failure)):
            batch.lost += 1

    async def _again(self, leased: LeasedItem, courier: Courier, error: str, batch: Batch) -> None:
        """Try later, with full jitter on a bound that doubles; at the limit, park."""
        if leased.attempts >= self.pace.attempts_max:
            reason = f"{leased.attempts} attempts failed, the last one so: {error}"
            await self._park(leased, courier, reason, batch)
            return
        bound_s = min(self.pace.retry_base_s * 2 ** (leased.attempts - 1), self.pace.retry_max_s)
        not_before = self.clock() + timedelta(seconds=self.rng() * bound_s)
        async with self.metadata.begin() as transaction:
            is_mine = await transaction.leases.retry(leased, not_before=not_before, error=error)
        batch.count("retried", is_mine=is_mine)

    async def _park(self, leased: LeasedItem, courier: Courier, reason: str, batch: Batch) -> None:
        async with self.metadata.begin() as transaction:
            is_mine = await transaction.leases.park(leased, reason=reason)
            if is_mine:
                await courier.parked(transaction, leased.item, reason)
        batch.count("parked", is_mine=is_mine)

    async def _release(
        self, leased: LeasedItem, not_before: datetime | None, error: str | None
    ) -> bool:
        async with self.metadata.begin() as transaction:
            return await transaction.leases.release(leased, not_before=not_before, error=error)

    def _learn(self, batch: Batch) -> None:
        """Remember whether the workspace is away, and how long to leave it alone."""
        if batch.unavailable is None:
            if batch.claimed:
                self._pauses, self._pause_until = 0, None
                self.unavailable_reason = self.unavailable_since = None
            return
        now = self.clock()
        self.unavailable_reason = batch.unavailable
        self.unavailable_since = self.unavailable_since or now
        # Never quite 0: a workspace that refuses at once must not be asked in a circle.
        pause_s = self._pause_bound_s * (0.5 + self.rng() / 2)
        self._pause_until = now + timedelta(seconds=pause_s)
        self._pauses = min(self._pauses + 1, 10)

    @property
    def _pause_bound_s(self) -> float:
        return min(_PAUSE_BASE_S * 2**self._pauses, _PAUSE_MAX_S)

    async def _wait_s(self) -> float:
        """Seconds until there may be something to do."""
        now = self.clock()
        async with self.metadata.read() as transaction:
            due = await transaction.leases.next_due(
                at=now, kinds=list(self.couriers), tenants=self.tenants
            )
        wait_s = self.pace.idle_s
        if due is not None:
            wait_s = min(wait_s, max(0.0, (due - now).total_seconds()))
        if self._pause_until is not None:
            wait_s = max(wait_s, (self._pause_until - now).total_seconds())
        return wait_s

    async def _prune(self) -> None:
        """Forget, once an hour, items that ended long ago."""
        now = self.clock()
        if self._pruned_at is None or (now - self._pruned_at).total_seconds() > _PRUNE_EVERY_S:
            async with self.metadata.begin() as transaction:
                await transaction.leases.prune(before=now - _KEPT)
            self._pruned_at = now
