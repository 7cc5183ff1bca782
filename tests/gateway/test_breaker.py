"""A workspace that is away costs nothing while the breaker is open, and is found again after."""

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import httpx
import pytest

from servicetsunami.domain.budget import Permit
from servicetsunami.errors import RemoteNotFound, RemoteUnavailable
from servicetsunami.gateway.breaker import Breaker, BreakerState
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.retry import Replay


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Away:
    """Answers with these statuses in turn, the last one for ever; None never answers."""

    def __init__(self) -> None:
        self.statuses: list[int | None] = [500]
        self.count = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            await anyio.sleep_forever()
        return httpx.Response(status or 200, json={})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def away() -> Away:
    return Away()


@pytest.fixture
async def client(clock: Clock, away: Away) -> AsyncIterator[WorkspaceClient]:
    given = Given(host="http://workspace", token="t")
    config = resolve(given, requests_per_s=1000, user_agent="test")
    config = replace(config, breaker_failures=2, breaker_open_s=5.0, breaker_open_max_s=60.0)
    http = httpx.AsyncClient(base_url=config.host, transport=httpx.MockTransport(away))
    client = WorkspaceClient(config, http, clock=clock, rng=lambda: 0.0)
    yield client
    await client.aclose()


async def ask(client: WorkspaceClient) -> None:
    await client.send("POST", "/x", replay=Replay.UNSAFE, permit=Permit(payer="acme"))


async def opened(client: WorkspaceClient) -> None:
    for _ in range(2):
        with pytest.raises(RemoteUnavailable, match="500"):
            await ask(client)


async def test_an_open_breaker_answers_at_once_and_sends_nothing(
    client: WorkspaceClient, away: Away
) -> None:
    await opened(client)
    with pytest.raises(RemoteUnavailable, match="500") as caught:
        await ask(client)

    assert caught.value.code == "BREAKER_OPEN"
    assert "in 5 s" in caught.value.next_step
    assert away.count == 2


async def test_all_tries_of_one_call_count_as_one_failure(
    client: WorkspaceClient, away: Away
) -> None:
    with pytest.raises(RemoteUnavailable):
        await client.send("GET", "/x", replay=Replay.SAFE)

    assert away.count == 5
    assert client.breaker.state is BreakerState.CLOSED


async def test_nothing_is_written_of_tries(
    client: WorkspaceClient, capfd: pytest.CaptureFixture[str]
) -> None:
    """What goes to stdout would break the protocol of a server over stdio."""
    with pytest.raises(RemoteUnavailable):
        await client.send("GET", "/x", replay=Replay.SAFE)

    assert capfd.readouterr() == ("", "")


async def test_a_refusal_is_an_answer_and_closes_the_breaker(
    client: WorkspaceClient, clock: Clock, away: Away
) -> None:
    await opened(client)
    clock.now += 5
    away.statuses = [404]
    with pytest.raises(RemoteNotFound):
        await ask(client)

    assert client.breaker.state is BreakerState.CLOSED


async def test_a_trial_that_fails_opens_it_for_twice_as_long(
    client: WorkspaceClient, clock: Clock, away: Away
) -> None:
    await opened(client)
    clock.now += 5
    with pytest.raises(RemoteUnavailable, match="500"):
        await ask(client)

    assert away.count == 3
    assert client.breaker.retry_in_s == 10


async def test_a_trial_whose_caller_goes_away_leaves_it_to_the_next(
    client: WorkspaceClient, clock: Clock, away: Away
) -> None:
    await opened(client)
    clock.now += 5
    away.statuses = [None, 200]
    with anyio.move_on_after(0.05):
        await ask(client)
    assert client.breaker.state is BreakerState.HALF_OPEN

    await ask(client)
    assert client.breaker.state is BreakerState.CLOSED


async def test_only_one_of_many_is_the_trial(
    client: WorkspaceClient, clock: Clock, away: Away
) -> None:
    await opened(client)
    clock.now += 5
    away.statuses = [None]
    refused: list[str] = []

    async def another() -> None:
        try:
            await ask(client)
        except RemoteUnavailable as error:
            refused.append(error.code)
        if len(refused) == 4:
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(another)

    assert refused == ["BREAKER_OPEN"] * 4
    assert away.count == 3


async def test_what_an_object_store_does_says_nothing_of_the_workspace(
    client: WorkspaceClient,
) -> None:
    async def once() -> None:
        await client.try_once("GET", "/x")

    for _ in range(3):
        with pytest.raises(RemoteUnavailable):
            await client.call("a download", once, replay=Replay.UNSAFE, is_workspace=False)
    assert client.breaker.state is BreakerState.CLOSED

    await opened(client)
    with pytest.raises(RemoteUnavailable, match="500"):
        await client.call("a download", once, replay=Replay.UNSAFE, is_workspace=False)


def test_it_does_not_grow_past_its_bound(clock: Clock) -> None:
    breaker = Breaker(failures_max=1, open_s=5, open_max_s=60, clock=clock)
    for _ in range(40):
        breaker.failed("no answer")
        clock.now += breaker.retry_in_s
        breaker.enter()
    breaker.failed("no answer")

    assert breaker.retry_in_s == 60
