"""What is too much is refused at once, and costs nobody else anything."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import App, hosting, open_app
from servicetsunami.domain.caller import Caller, Scope
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import LimitExceeded
from servicetsunami.settings import Settings
from servicetsunami.transport.admission import Admission, Operation, Outcome
from servicetsunami.transport.limits import Limits
from servicetsunami.transport.mcp import LakeServer
from tests.server.asking import call, failure


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, *, tenant: int = 60, subject: int = 60, at_once: int = 10) -> Limits:
    return Limits(
        tenant_per_minute=tenant, subject_per_minute=subject, at_once=at_once, now=clock.now
    )


def caller(tenant: str = "acme", subject: str = "ada") -> Caller:
    return Caller(tenant=tenant, subject=subject, catalog="main")


def taken(limits: Limits, who: Caller, times: int) -> int:
    """How many of so many calls are let through."""
    count = 0
    for _ in range(times):
        try:
            with limits.one(who):
                count += 1
        except LimitExceeded:
            pass
    return count


def test_a_tenant_has_its_calls_of_a_minute_and_they_come_back_evenly(clock: Clock) -> None:
    some = limits(clock)

    assert taken(some, caller(), 100) == 60
    assert taken(some, caller("other"), 100) == 60
    clock.at += 10
    assert taken(some, caller(), 100) == 10
    clock.at += 3600
    assert taken(some, caller(), 100) == 60


def test_one_subject_leaves_something_to_the_others_of_its_tenant(clock: Clock) -> None:
    some = limits(clock, tenant=60, subject=20)

    assert taken(some, caller(subject="ada"), 20) == 20
    with pytest.raises(LimitExceeded, match="This subject has made 20 calls"), some.one(caller()):
        pass
    assert taken(some, caller(subject="bob"), 100) == 20


def test_the_error_says_after_how_long_it_will_work(clock: Clock) -> None:
    some = limits(clock)
    assert taken(some, caller(), 60) == 60

    with pytest.raises(LimitExceeded) as raised, some.one(caller()):
        pass

    after = re.search(r"after (\d+\.\d) s", raised.value.next_step)
    assert after is not None
    clock.at += float(after[1])
    assert taken(some, caller(), 1) == 1


def test_calls_at_once_are_counted_until_they_end_however_they_end(clock: Clock) -> None:
    some = limits(clock, at_once=2)
    with some.one(caller()), some.one(caller(subject="bob")):
        assert taken(some, caller(), 1) == 0
        assert taken(some, caller("other"), 1) == 1
    with pytest.raises(ZeroDivisionError), some.one(caller()):
        _ = 1 / 0
    with some.one(caller()), some.one(caller()):
        assert taken(some, caller(), 1) == 0
    assert taken(some, caller(), 1) == 1


def test_all_tenants_together_have_a_limit_too(clock: Clock) -> None:
    some = Limits(tenant_per_minute=60, subject_per_minute=60, at_once=2, in_all=2, now=clock.now)
    with some.one(caller()), some.one(caller("other")):
        refusal = some.refusal(caller("third"))
        assert refusal is not None
        assert str(refusal).startswith("This server has 2 calls in hand already. Call again")
        assert taken(some, caller("third"), 1) == 0
    assert taken(some, caller("third"), 1) == 1


def test_at_the_door_those_on_their_way_in_are_counted_too(clock: Clock) -> None:
    some = Limits(tenant_per_minute=60, subject_per_minute=60, at_once=2, in_all=3, now=clock.now)
    with some.coming(caller()), some.coming(caller()):
        assert some.refusal_at_door(caller()) is not None
        # Those two may still be let in: they have been counted already.
        assert some.refusal(caller()) is None
        with some.coming(caller("other")):
            assert some.refusal_at_door(caller("third")) is not None
    assert some.refusal_at_door(caller()) is None


def test_refusals_of_one_tenant_leave_evenly_and_a_single_one_soon(clock: Clock) -> None:
    some = limits(clock)

    # To be told within 100 ms.
    assert some.hold_s(caller()) < 0.05
    held = [some.hold_s(caller()) for _ in range(40)]
    assert held == sorted(held)
    assert 0.7 < held[-1] < 0.9
    assert some.hold_s(caller("other")) < 0.05

    assert max(some.hold_s(caller()) for _ in range(1000)) <= 3
    clock.at += 4
    assert some.hold_s(caller()) < 0.05


def test_asking_whether_a_call_would_be_let_in_counts_nothing(clock: Clock) -> None:
    some = limits(clock, tenant=2)
    for _ in range(10):
        assert some.refusal(caller()) is None
    assert taken(some, caller(), 5) == 2


def test_however_many_others_come_nobody_gets_more_calls(clock: Clock) -> None:
    some = limits(clock)
    assert taken(some, caller(), 60) == 60
    for number in range(12_000):
        taken(some, caller(f"t{number}"), 1)
    clock.at += 5

    assert taken(some, caller(), 60) == 5
    clock.at += 61
    assert taken(some, caller("new"), 100) == 60
    assert taken(some, caller(), 100) == 60


@pytest.fixture
async def app(tmp_path: Path, zygote: Zygote) -> AsyncIterator[App]:
    async with open_app(Settings(data_dir=tmp_path), is_hosted=True, zygote=zygote) as app:
        yield app


async def test_a_call_that_is_too_much_is_refused_before_anything_is_done(
    app: App, clock: Clock
) -> None:
    tight = limits(clock, tenant=3)
    one, other = (replace(app.caller(), tenant=tenant) for tenant in ("acme", "other"))
    async with (
        Client(LakeServer(app.services, lambda: one, admission=Admission(tight))) as noisy,
        Client(LakeServer(app.services, lambda: other, admission=Admission(tight))) as quiet,
    ):
        for _ in range(3):
            await call(noisy, "list_assets")
        refused = await failure(noisy, "ingest_dataset", source=[{"a": 1}], name="t")
        assert refused.startswith("This tenant has made 3 calls within a minute. Call again after")
        assert (await call(quiet, "list_assets"))["total"] == 0
        clock.at += 60
        assert (await call(noisy, "list_assets"))["total"] == 0


async def test_the_user_of_this_machine_has_no_limits(app: App) -> None:
    local, hosted = (
        hosting.admission(Settings(calls_per_minute=1, auth=auth)) for auth in (False, True)
    )
    for _ in range(2):
        async with local.admit(app.caller(), Scope.READ, "list_assets", door="mcp"):
            pass
    async with hosted.admit(app.caller(), Scope.READ, "list_assets", door="mcp"):
        pass
    with pytest.raises(LimitExceeded, match="1 calls within a minute"):
        async with hosted.admit(app.caller(), Scope.READ, "list_assets", door="mcp"):
            pass


async def test_whoever_watches_sees_how_each_operation_ended(app: App) -> None:
    seen: list[tuple[str, str, str]] = []

    @asynccontextmanager
    async def watch(operation: Operation) -> AsyncGenerator[None]:
        assert operation.outcome is Outcome.RUNNING
        try:
            yield
        finally:
            seen.append((operation.name, operation.outcome, operation.error))

    reader = replace(app.caller(), scopes=frozenset({Scope.READ}))
    server = LakeServer(app.services, lambda: reader, admission=Admission(watchers=[watch]))
    async with Client(server) as client:
        await call(client, "list_assets")
        await failure(client, "query_dataset", sql="SELECT * FROM nothing")
        await failure(client, "list_assets", kind="nonsense")
        await failure(client, "ingest_dataset", source=[{"a": 1}], name="t")
    assert seen == [
        ("list_assets", "ok", ""),
        ("query_dataset", "failed", "NotFound"),
        ("list_assets", "failed", "ValidationError"),
        ("ingest_dataset", "denied", "Denied"),
    ]
