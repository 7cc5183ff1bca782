"""The worker: claims by lease, settles by fence, and tells an outage from an item of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.lowlevel import checkpoint

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.outbox import AssetKind, Change, OutboxItem
from servicetsunami.errors import (
    BudgetUsedUp,
    ConfigurationError,
    Conflict,
    RemoteConflict,
    RemoteDenied,
    RemoteUnavailable,
)
from servicetsunami.stores.database import Database, Transaction
from servicetsunami.sync.worker import Lease, LeaseLost, Pace, SyncWorker
from tests.databases import database, database_url, postgresql_server

__all__ = ["database", "database_url", "postgresql_server"]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Recorder:
    """A courier that notes what it was given, and fails as a test asks."""

    failures: dict[str, list[Exception]] = field(default_factory=dict)
    delivered_items: list[str] = field(default_factory=list)
    settled: list[tuple[str, str]] = field(default_factory=list)
    meanwhile: Callable[[Lease], Awaitable[None]] | None = None

    async def deliver(self, item: OutboxItem, lease: Lease) -> None:
        if self.meanwhile is not None:
            await self.meanwhile(lease)
        failures = self.failures.get(item.subject, [])
        if failures:
            raise failures.pop(0)
        self.delivered_items.append(f"{item.subject}#{item.id}")

    async def delivered(self, transaction: Transaction, item: OutboxItem, at: datetime) -> None:
        self.settled.append(("delivered", item.subject))

    async def parked(self, transaction: Transaction, item: OutboxItem, reason: str) -> None:
        self.settled.append(("parked", reason))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def courier() -> Recorder:
    return Recorder()


@dataclass
class Purse:
    """A budget that a test empties and fills."""

    is_empty: bool = False

    async def admit(self, tenant: str) -> Permit:
        if self.is_empty:
            raise BudgetUsedUp("The budget is used up.", "Wait.")
        return Permit(payer=tenant)


def worker_on(
    database: Database,
    courier: Recorder,
    clock: Clock,
    *,
    budget: Purse | None = None,
    **pace: float,
) -> SyncWorker:
    return SyncWorker(
        metadata=database,  # ty: ignore[invalid-argument-type] - it has begin() and read()
        couriers={AssetKind.DATASET: courier},
        owner="me",
        admit=(budget or Purse()).admit,
        clock=clock,
        rng=lambda: 0.5,
        pace=Pace(**{"lanes": 1, **pace}),  # ty: ignore[invalid-argument-type]
    )


async def put(database: Database, *subjects: str, tenant: str = "acme") -> list[int]:
    async with database.begin() as transaction:
        return [
            (
                await transaction.outbox.put(
                    tenant=tenant,
                    kind=AssetKind.DATASET,
                    asset_id=subject,
                    subject=subject,
                    change=Change.UPSERT,
                    payload={},
                    at=NOON,
                )
            ).id
            for subject in subjects
        ]


async def queues(database: Database, tenant: str = "acme") -> dict[str, tuple[int, int]]:
    async with database.read() as transaction:
        found = await transaction.outbox.overview(tenant)
    return {queue.subject: (queue.waiting, queue.parked) for queue in found}


def away() -> RemoteUnavailable:
    return RemoteUnavailable("It does not answer.", "Wait.")


async def test_items_of_a_name_go_in_order_and_end_once(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    one, two, three = await put(database, "a", "b", "a")

    batch = await worker_on(database, courier, clock).run_once(items_max=10)

    assert (batch.done, batch.claimed) == (3, 3)
    assert courier.delivered_items == [f"a#{one}", f"b#{two}", f"a#{three}"]
    assert await queues(database) == {}


async def test_a_batch_is_bounded(database: Database, courier: Recorder, clock: Clock) -> None:
    await put(database, "a", "b", "c")

    assert (await worker_on(database, courier, clock).run_once(items_max=2)).done == 2
    assert await queues(database) == {"c": (1, 0)}


async def test_what_is_refused_is_parked_and_holds_up_its_name_only(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a", "a", "b")
    courier.failures["a"] = [RemoteDenied("No grant.", "Give it.")]
    worker = worker_on(database, courier, clock)

    batch = await worker.run_once(items_max=10)

    assert (batch.done, batch.parked) == (1, 1)
    assert await queues(database) == {"a": (1, 1)}
    assert ("parked", "No grant. Give it.") in courier.settled
    async with database.begin() as transaction:
        assert await transaction.outbox.requeue("acme", kind=None, subject=None, at=clock()) == 2
    assert (await worker.run_once(items_max=10)).done == 2


async def test_an_outage_ends_the_batch_counts_no_attempt_and_pauses(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a", "b")
    courier.failures["a"] = [away() for _ in range(20)]
    worker = worker_on(database, courier, clock)

    first = await worker.run_once(items_max=10)
    again = await worker.run_once(items_max=10)

    assert (first.done, first.unavailable) == (0, "It does not answer. Wait.")
    assert again.claimed == 0
    assert worker.unavailable_since == NOON
    async with database.read() as transaction:
        [a, _] = await transaction.outbox.overview("acme")
    assert (a.attempts, a.last_error) == (0, "It does not answer. Wait.")
    # The others come first then: one item must not look like an outage for ever.
    clock.forward(1)
    assert (await worker.run_once(items_max=1)).done == 1
    assert courier.delivered_items[0].startswith("b#")
    assert worker.unavailable_reason is None


async def test_waking_ends_a_pause(database: Database, courier: Recorder, clock: Clock) -> None:
    await put(database, "a", "b")
    courier.failures["a"] = [ConfigurationError("No host.", "Set it.")]
    worker = worker_on(database, courier, clock)
    await worker.run_once(items_max=10)

    worker.wake()

    assert (await worker.run_once(items_max=1)).done == 1


async def test_an_item_that_alone_fails_while_others_arrive_is_parked_in_the_end(
    database: Database, clock: Clock
) -> None:
    await put(database, "poison")
    courier = Recorder(failures={"poison": [away() for _ in range(99)]})
    worker = worker_on(database, courier, clock, attempts_max=3)

    async def another_arrives(lease: Lease) -> None:
        worker.done_count += 1

    courier.meanwhile = another_arrives
    for _ in range(4):
        clock.forward(400)
        await worker.run_once(items_max=1)

    assert await queues(database) == {"poison": (0, 1)}
    assert "3 attempts failed" in courier.settled[0][1]


async def test_what_may_pass_is_tried_again_with_growing_pauses_and_parked_at_the_limit(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    courier.failures["a"] = [RemoteConflict("Being changed.", "Wait.") for _ in range(9)]
    worker = worker_on(database, courier, clock, attempts_max=4)
    waits = []
    for _ in range(3):
        assert (await worker.run_once(items_max=1)).retried == 1
        async with database.read() as transaction:
            [queue] = await transaction.outbox.overview("acme")
        assert queue.next_at is not None
        waits.append((queue.next_at - clock()).total_seconds())
        assert (await worker.run_once(items_max=1)).claimed == 0
        clock.now = queue.next_at

    assert waits == [0.5, 1.0, 2.0]
    assert (await worker.run_once(items_max=1)).parked == 1


async def test_what_a_budget_holds_is_kept_and_goes_on_when_there_is_money_again(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    one, two, free = await put(database, "a", "a", "b")
    purse = Purse(is_empty=True)
    worker = worker_on(database, courier, clock, budget=purse)

    async def paid(lease: Lease) -> None:
        if lease.leased.item.subject == "a":
            assert (await lease.permit()).payer == "acme"

    courier.meanwhile = paid
    batch = await worker.run_once(items_max=10)

    assert (batch.held, batch.done, batch.claimed) == (1, 1, 2)
    assert courier.delivered_items == [f"b#{free}"]
    async with database.read() as transaction:
        [a] = await transaction.outbox.overview("acme")
    assert (a.is_held, a.waiting, a.parked, a.attempts) == (True, 2, 0, 0)
    assert a.last_error == "The budget is used up. Wait."
    assert worker.unavailable_reason is None
    # Nobody asks again at once; time lets it go, and so does a budget that is changed.
    assert (await worker.run_once(items_max=10)).claimed == 0
    clock.forward(301)
    assert (await worker.run_once(items_max=10)).held == 1
    purse.is_empty = False
    assert (await worker.run_once(items_max=10)).claimed == 0
    async with database.begin() as transaction:
        assert await transaction.outbox.let_go("acme") == 1
    assert (await worker.run_once(items_max=10)).done == 2
    assert courier.delivered_items[1:] == [f"a#{one}", f"a#{two}"]
    assert await queues(database) == {}


async def test_a_bug_is_logged_and_the_others_go_on(
    database: Database, courier: Recorder, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await put(database, "a", "b")
    courier.failures["a"] = [ZeroDivisionError("oops")]

    batch = await worker_on(database, courier, clock).run_once(items_max=10)

    assert (batch.done, batch.retried) == (1, 1)
    assert "ZeroDivisionError" in caplog.text


async def test_who_loses_the_lease_ends_nothing(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    second = Recorder()
    other = worker_on(database, second, clock)

    async def the_lease_runs_out(lease: Lease) -> None:
        clock.forward(61)
        assert (await other.run_once(items_max=1)).done == 1

    courier.meanwhile = the_lease_runs_out
    batch = await worker_on(database, courier, clock).run_once(items_max=1)

    assert (batch.done, batch.lost) == (0, 1)
    assert courier.settled == []
    assert second.settled == [("delivered", "a")]


@pytest.mark.parametrize("failure", [away(), RemoteDenied("No.", "Ask."), RemoteConflict("x", "y")])
async def test_who_loses_the_lease_and_fails_changes_nothing(
    database: Database, courier: Recorder, clock: Clock, failure: Exception
) -> None:
    await put(database, "a")
    other = worker_on(database, Recorder(), clock)

    async def the_lease_runs_out(lease: Lease) -> None:
        clock.forward(61)
        await other.run_once(items_max=1)

    courier.meanwhile, courier.failures = the_lease_runs_out, {"a": [failure]}
    batch = await worker_on(database, courier, clock).run_once(items_max=1)

    assert batch.lost == 1
    assert courier.settled == []
    assert await queues(database) == {}


async def test_progress_is_kept_for_whoever_goes_on_and_refused_to_whoever_lost(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    seen: list[object] = []

    async def note(lease: Lease) -> None:
        seen.append((lease.is_first, dict(lease.progress)))
        await lease.note({"statement_id": "s1"})
        if len(seen) == 1:
            clock.forward(61)
            await worker_on(database, courier, clock).run_once(items_max=1)
            with pytest.raises(LeaseLost):
                await lease.note({"statement_id": "mine"})
            lease.check()

    courier.meanwhile = note
    batch = await worker_on(database, courier, clock).run_once(items_max=1)

    assert batch.lost == 1
    assert seen == [(True, {}), (False, {"statement_id": "s1"})]


async def test_a_lease_is_renewed_while_the_work_lasts(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    [item] = await put(database, "a")
    renewed = anyio.Event()

    async def wait_for_renewals(lease: Lease) -> None:
        clock.forward(100)
        with anyio.fail_after(5):
            while True:
                async with database.begin() as transaction:
                    due = await transaction.leases.next_due(at=NOON, kinds=[AssetKind.DATASET])
                if due is not None and due > NOON + timedelta(seconds=100):
                    renewed.set()
                    return
                await checkpoint()

    courier.meanwhile = wait_for_renewals
    batch = await worker_on(database, courier, clock, lease_s=0.3).run_once(items_max=1)

    assert renewed.is_set()
    assert (batch.done, courier.delivered_items) == (1, [f"a#{item}"])


async def test_work_under_a_lost_lease_is_stopped(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    stopped: list[bool] = []

    async def lose_it(lease: Lease) -> None:
        clock.forward(61)
        await worker_on(database, Recorder(), clock).run_once(items_max=1)
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(lease.is_lost)

    courier.meanwhile = lose_it
    with anyio.fail_after(10):
        batch = await worker_on(database, courier, clock, lease_s=0.3).run_once(items_max=1)

    assert (stopped, batch.lost) == ([True], 1)


async def test_a_server_that_stops_gives_its_items_back(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    started = anyio.Event()

    async def for_ever(lease: Lease) -> None:
        started.set()
        await anyio.sleep_forever()

    courier.meanwhile = for_ever
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker_on(database, courier, clock).run)
        await started.wait()
        tasks.cancel_scope.cancel()

    courier.meanwhile = None
    assert (await worker_on(database, courier, clock).run_once(items_max=1)).done == 1


async def test_a_server_that_stops_amid_noting_what_came_of_an_item_gives_it_back_too(
    database: Database, clock: Clock
) -> None:
    async with anyio.create_task_group() as tasks:

        class Stopping(Recorder):
            async def parked(self, transaction: Transaction, item: OutboxItem, reason: str) -> None:
                tasks.cancel_scope.cancel()
                await checkpoint()

        await put(database, "a")
        refused = Stopping(failures={"a": [RemoteDenied("no", "ask")]})
        tasks.start_soon(worker_on(database, refused, clock).run)

    assert (await worker_on(database, Recorder(), clock).run_once(items_max=1)).done == 1


async def test_running_goes_on_by_itself_with_what_comes_and_what_is_due(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    courier.failures["late"] = [RemoteConflict("x", "y")]
    worker = worker_on(database, courier, clock, idle_s=0.05)
    await put(database, "late")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run)
        with anyio.fail_after(10):
            while courier.failures["late"]:
                await checkpoint()
            await put(database, "new")
            worker.wake()
            while worker.done_count < 1:
                await checkpoint()
            clock.forward(10)
            while worker.done_count < 2:
                await checkpoint()
        tasks.cancel_scope.cancel()
    assert await queues(database) == {}


async def test_only_the_tenants_that_are_on_are_served(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a", tenant="acme")
    await put(database, "b", tenant="other")
    worker = worker_on(database, courier, clock)
    worker.tenants = ["other"]

    assert (await worker.run_once(items_max=10)).done == 1
    assert await queues(database, "acme") == {"a": (1, 0)}


class Unsteady:
    """A database that is busy when a test says so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.busy = 0

    def begin(self):
        if self.busy > 0:
            self.busy -= 1
            raise Conflict("The database is busy.", "Call again.")
        return self._database.begin()

    def read(self):
        return self._database.read()


async def test_a_busy_database_delays_and_loses_nothing(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    unsteady = Unsteady(database)

    async def busy_afterwards(lease: Lease) -> None:
        unsteady.busy = 1

    worker = worker_on(database, courier, clock, idle_s=0.01)
    worker.metadata = unsteady  # ty: ignore[invalid-assignment]
    courier.meanwhile = busy_afterwards
    assert (await worker.run_once(items_max=1)).lost == 1
    courier.meanwhile = None

    unsteady.busy = 1
    with pytest.raises(Conflict):
        await worker.run_once(items_max=1)
    unsteady.busy = 1
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run)
        clock.forward(61)
        with anyio.fail_after(10):
            while worker.done_count < 1:
                await checkpoint()
        tasks.cancel_scope.cancel()
    assert courier.delivered_items[0] == courier.delivered_items[1]


async def test_a_lease_that_cannot_be_renewed_for_its_length_is_given_up(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    unsteady = Unsteady(database)

    async def for_ever(lease: Lease) -> None:
        unsteady.busy = 1000
        await anyio.sleep_forever()

    worker = worker_on(database, courier, clock, lease_s=0.2)
    worker.metadata = unsteady  # ty: ignore[invalid-assignment]
    courier.meanwhile = for_ever
    with anyio.fail_after(10):
        assert (await worker.run_once(items_max=1)).lost == 1


async def test_items_that_ended_long_ago_are_forgotten(
    database: Database, courier: Recorder, clock: Clock
) -> None:
    await put(database, "a")
    worker = worker_on(database, courier, clock, idle_s=0.01)
    await worker.run_once(items_max=1)
    clock.forward(8 * 86_400)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.run)
        with anyio.fail_after(10):
            while worker._pruned_at is None:
                await checkpoint()
        tasks.cancel_scope.cancel()

    async with database.begin() as transaction:
        assert await transaction.leases.prune(before=clock()) == 0
