"""Who we are there: tokens fetched once, renewed early and once, and sign-ins that go wrong."""

import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest

from servicetsunami.errors import (
    ConfigurationError,
    RemoteError,
    RemoteUnauthenticated,
    RemoteUnavailable,
)
from servicetsunami.gateway.client import WorkspaceClient
from servicetsunami.gateway.config import Given, WorkspaceConfig, resolve
from servicetsunami.gateway.credentials import Credentials, SdkCredentials, ServicePrincipal
from servicetsunami.gateway.retry import Failure, Replay
from tests.fakes.databricks import FakeWorkspace, Fault

ME = "/api/2.0/preview/scim/v2/Me"
METADATA = "/.well-known/databricks-config"
TOKEN = "/oidc/v1/token"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as fake:
        yield fake


@pytest.fixture
def fake(running: FakeWorkspace) -> Iterator[FakeWorkspace]:
    running.tokens.given.clear()
    yield running
    running.faults.clear()
    running.tokens.life_s = 3600.0


def configured(fake: FakeWorkspace, **given: Any) -> WorkspaceConfig:
    config = resolve(Given(host=fake.url, **given), requests_per_s=1000, user_agent="test")
    return replace(config, call_timeout_s=2.0, deadline_s=4.0)


def principal(fake: FakeWorkspace, **given: Any) -> WorkspaceConfig:
    secrets = {"client_id": fake.tokens.client_id, "client_secret": fake.tokens.client_secret}
    return configured(fake, **{**secrets, **given})


@asynccontextmanager
async def client_of(
    config: WorkspaceConfig, credentials: Credentials | None = None
) -> AsyncGenerator[WorkspaceClient]:
    http = httpx.AsyncClient(base_url=config.host)
    client = WorkspaceClient(config, http, credentials=credentials, rng=lambda: 0.0)
    yield client
    await client.aclose()


async def me(client: WorkspaceClient) -> str:
    return (await client.send("GET", ME, replay=Replay.SAFE))["userName"]


def asked(fake: FakeWorkspace, since: int) -> list[str]:
    return [each.path for each in fake.requests[since:]]


async def test_a_token_is_discovered_and_fetched_once_for_many(fake: FakeWorkspace) -> None:
    before = len(fake.requests)
    async with client_of(principal(fake)) as client, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(me, client)

    paths = asked(fake, before)
    known = "/oidc/.well-known/oauth-authorization-server"
    assert paths[:3] == [METADATA, known, TOKEN]
    assert paths[3:] == [ME] * 20


@pytest.mark.parametrize("missing", [METADATA, "/oidc/.well-known"])
async def test_an_old_workspace_without_metadata_has_the_usual_endpoint(
    fake: FakeWorkspace, missing: str
) -> None:
    fake.faults.add(Fault(path=missing, status=404, body={"message": "no such thing"}))
    async with client_of(principal(fake)) as client:
        assert await me(client) == "agent@example.com"


@pytest.mark.parametrize(("life_s", "stale_after_s"), [(3600.0, 2400.0), (60.0, 30.0)])
async def test_a_token_is_renewed_before_it_ends(
    fake: FakeWorkspace, life_s: float, stale_after_s: float
) -> None:
    fake.tokens.life_s = life_s
    clock, tokens = Clock(), fake.tokens
    async with httpx.AsyncClient(base_url=fake.url) as http:
        credentials = ServicePrincipal(
            http, client_id=tokens.client_id, client_secret=tokens.client_secret, clock=clock
        )
        first = await credentials.headers()
        clock.now += stale_after_s - 1
        assert await credentials.headers() == first
        clock.now += 1

        assert await credentials.headers() != first


async def test_a_403_with_a_number_for_a_code_renews_once_and_repeats(
    fake: FakeWorkspace,
) -> None:
    async with client_of(principal(fake)) as client:
        await me(client)
        fake.tokens.given.clear()
        before = len(fake.requests)
        assert await me(client) == "agent@example.com"
        assert asked(fake, before) == [ME, TOKEN, ME]


async def test_a_token_that_is_never_accepted_is_renewed_once_and_then_told(
    fake: FakeWorkspace,
) -> None:
    body = {"error_code": 403, "message": "Invalid access token. [ReqId: 1]"}
    fake.faults.add(Fault(path=ME, status=403, body=body, times=None))
    async with client_of(principal(fake)) as client:
        before = len(fake.requests)
        with pytest.raises(RemoteUnauthenticated):
            await me(client)

        assert asked(fake, before).count(ME) == asked(fake, before).count(TOKEN) == 2


async def test_a_missing_grant_renews_nothing(fake: FakeWorkspace) -> None:
    body = {"error_code": "PERMISSION_DENIED", "message": "no grant"}
    fake.faults.add(Fault(path=ME, status=403, body=body))
    async with client_of(principal(fake)) as client:
        before = len(fake.requests)
        with pytest.raises(RemoteError, match="no grant"):
            await me(client)

        assert asked(fake, before).count(TOKEN) == 1


async def test_a_wrong_secret_is_not_accepted_and_not_tried_again(fake: FakeWorkspace) -> None:
    async with client_of(principal(fake, client_secret="wrong")) as client:
        before = len(fake.requests)
        with pytest.raises(RemoteUnauthenticated, match="invalid_client"):
            await me(client)

        assert asked(fake, before).count(TOKEN) == 1
        assert ME not in asked(fake, before)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "headers": {"Retry-After": "0"}},
        {"status": 500, "body": {"message": "oops"}},
        {"status": 200, "body": {"token_type": "Bearer"}},
        {"status": 200, "body": {"access_token": "t", "expires_in": "soon"}},
        {"reset": True},
        {"half_body": True, "after": True},
    ],
    ids=str,
)
async def test_a_token_endpoint_that_stumbles_is_asked_again(
    fake: FakeWorkspace, fault: dict[str, Any]
) -> None:
    fake.faults.add(Fault(path=TOKEN, **fault))
    async with client_of(principal(fake)) as client:
        assert await me(client) == "agent@example.com"


async def test_a_token_endpoint_that_answers_nonsense_is_a_failure_of_ours(
    fake: FakeWorkspace,
) -> None:
    fake.faults.add(Fault(path=TOKEN, status=200, body=[1], times=None))
    async with client_of(principal(fake)) as client:
        with pytest.raises(RemoteError):
            await me(client)


async def test_a_personal_token_is_sent_as_it_is_and_never_renewed(fake: FakeWorkspace) -> None:
    async with client_of(configured(fake, token=fake.token)) as client:
        assert await me(client) == "agent@example.com"
    async with client_of(configured(fake, token="dapi-old")) as client:
        before = len(fake.requests)
        with pytest.raises(RemoteUnauthenticated):
            await me(client)

        assert asked(fake, before) == [ME]


@pytest.mark.parametrize("auth_type", ["pat", "oauth-m2m"])
async def test_databricks_own_sdk_signs_in(fake: FakeWorkspace, auth_type: str) -> None:
    own = {"token": fake.token} if auth_type == "pat" else {}
    config = principal(fake) if auth_type == "oauth-m2m" else configured(fake, **own)
    config = replace(config, auth_type=auth_type)
    async with client_of(config, SdkCredentials(config)) as client:
        assert await me(client) == "agent@example.com"
        assert await me(client) == "agent@example.com"


async def test_a_secret_that_the_sdk_gets_refused_is_not_accepted(fake: FakeWorkspace) -> None:
    config = principal(fake, client_secret="wrong")
    async with client_of(config, SdkCredentials(config)) as client:
        with pytest.raises(RemoteUnauthenticated, match="invalid_client"):
            await me(client)


async def test_a_sign_in_by_the_sdk_that_breaks_off_may_be_repeated(fake: FakeWorkspace) -> None:
    credentials = SdkCredentials(principal(fake))
    fake.faults.add(Fault(path=TOKEN, reset=True, times=None))
    with pytest.raises(Failure) as caught:
        await credentials.headers()

    assert isinstance(caught.value.error, RemoteUnavailable)
    assert not caught.value.was_sent


async def test_nobody_waits_for_the_sdk_past_the_deadline(fake: FakeWorkspace) -> None:
    config = replace(principal(fake), call_timeout_s=0.3, deadline_s=1.0)
    fake.faults.add(Fault(path=METADATA, hang_s=2.0, times=None))
    async with client_of(config, SdkCredentials(config)) as client:
        started = time.monotonic()
        with pytest.raises(RemoteUnavailable):
            await me(client)

        assert time.monotonic() - started < 2.0


async def test_what_the_sdk_finds_out_too_late_serves_the_next_try(fake: FakeWorkspace) -> None:
    # Two answers of 0.25 s each are too slow for any one try.
    fake.faults.add(Fault(path="(/oidc)?/.well-known", delay_s=0.25, times=None))
    config = replace(principal(fake), call_timeout_s=0.4)
    async with client_of(config, SdkCredentials(config)) as client:
        assert await me(client) == "agent@example.com"


async def test_sdk_headers_are_begun_anew_after_a_renewal(fake: FakeWorkspace) -> None:
    credentials = SdkCredentials(principal(fake))
    first = await credentials.headers()
    assert await credentials.headers() == first
    assert credentials.renew()

    assert await credentials.headers() != first


async def test_a_missing_sdk_names_the_extra(
    fake: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "databricks.sdk.core", None)
    with pytest.raises(ConfigurationError) as caught:
        await SdkCredentials(principal(fake)).headers()

    assert "databricks-sdk" in caught.value.next_step
