"""A client hears that what it has subscribed to has changed, and of nothing else."""

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import Subscription
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import ResourceUpdatedNotification

from servicetsunami.domain.caller import Caller
from servicetsunami.errors import LimitExceeded
from servicetsunami.services.watching import Watching
from servicetsunami.stores.metadata import Metadata
from servicetsunami.transport.subscriptions import Subscriptions
from tests.hosted.issuing import Issuer
from tests.hosted.serving import WAYS, HttpServer, Way, async_client, connected, http_server
from tests.server.asking import call

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

NOTEBOOK = "# Databricks notebook source\nprint(1)\n"


class Heard:
    """The addresses that a client was told of, in order."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self._more = anyio.Event()

    async def note(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.add(message.params.uri)

    def add(self, uri: str) -> None:
        self.uris.append(uri)
        self._more.set()
        self._more = anyio.Event()

    async def wait_for(self, uri: str, *, within_s: float = 20) -> None:
        with anyio.fail_after(within_s):
            while uri not in self.uris:
                await self._more.wait()


@asynccontextmanager
async def session(
    server: HttpServer, credential: str, way: str, heard: Heard
) -> AsyncGenerator[Client]:
    """A client of the older protocol, over either transport."""
    headers = {"Authorization": f"Bearer {credential}"}
    if way == "sse":
        streams = sse_client(
            f"{server.url}/sse", headers=headers, httpx_client_factory=async_client
        )
        async with Client(streams, mode="legacy", message_handler=heard.note) as client:
            yield client
        return
    timeout = httpx2.Timeout(30, read=120)
    async with async_client(headers, timeout) as http:
        streams = streamable_http_client(f"{server.url}/mcp", http_client=http)
        async with Client(streams, mode="legacy", message_handler=heard.note) as client:
            yield client


async def subscribe(client: Client, uri: str) -> None:
    await client.subscribe_resource(uri)  # ty: ignore[deprecated]


async def unsubscribe(client: Client, uri: str) -> None:
    await client.unsubscribe_resource(uri)  # ty: ignore[deprecated]


async def leave(client: Client, uri: str) -> None:
    """Unsubscribe, and have come what is on its way: the SDK's client breaks on it as it closes."""
    await unsubscribe(client, uri)
    await call(client, "list_assets")


async def follow(subscription: Subscription, heard: Heard) -> None:
    async for event in subscription:
        assert isinstance(event, ResourceUpdated)
        heard.add(event.uri)


async def change(client: Client, name: str) -> None:
    """Write everything that the tests watch once more."""
    await call(client, "ingest_dataset", source=[{"a": 1}], name=name, mode="append")
    await call(client, "save_notebook", name=f"n/{name}", content=f"{NOTEBOOK}# again\n")


async def furnish(client: Client, name: str) -> tuple[str, str]:
    """A dataset and a notebook, and their addresses."""
    await call(client, "ingest_dataset", source=[{"a": 1}], name=name)
    await call(client, "save_notebook", name=f"n/{name}", content=NOTEBOOK)
    return f"lake://datasets/default.{name}", f"lake://notebooks/n/{name}"


@pytest.mark.parametrize("way", ["sse", "http"])
async def test_a_session_hears_of_changes_until_it_wants_no_more(
    server: HttpServer, issuer: Issuer, way: str
) -> None:
    heard, name = Heard(), f"told_{way}"
    async with session(server, issuer.token(), way, heard) as client:
        offered = client.server_capabilities.resources
        assert offered is not None
        assert offered.subscribe is True
        uris = await furnish(client, name)
        for uri in uris:
            await subscribe(client, uri)
        await change(client, name)
        for uri in uris:
            await heard.wait_for(uri)

        await unsubscribe(client, uris[0])
        heard.uris.clear()
        await change(client, name)
        # By then both would have been told.
        await call(client, "save_notebook", name=f"n/{name}", content=NOTEBOOK)
        await heard.wait_for(uris[1])
        assert uris[0] not in heard.uris
        await leave(client, uris[1])


@pytest.mark.parametrize("way", ["sse", "http"])
async def test_a_session_hears_how_a_run_goes_on(
    server: HttpServer, issuer: Issuer, way: str
) -> None:
    heard = Heard()
    async with session(server, issuer.token(), way, heard) as client:
        name = f"slow_{way}"
        content = "# Databricks notebook source\nimport time\ntime.sleep(60)\n"
        await call(client, "save_notebook", name=name, content=content)
        task = {"task_key": "t", "notebook_task": {"notebook_path": name}}
        await call(client, "create_job", name=name, tasks=[task])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: call(client, "run_job", name=name))
            runs: list[dict[str, Any]] = []
            with anyio.fail_after(20):
                while not runs:
                    runs = (await call(client, "get_run", name=name))["runs"]
            uri = f"lake://runs/{runs[0]['run_id']}"
            await subscribe(client, uri)
            await call(client, "cancel_run", run_id=runs[0]["run_id"])
            await heard.wait_for(uri)
        await leave(client, uri)


@pytest.mark.parametrize("way", ["sse", "http, without one"])
async def test_a_stream_of_the_newer_protocol_hears_what_it_has_asked_for(
    server: HttpServer, issuer: Issuer, way: Way
) -> None:
    heard = Heard()
    async with connected(server, issuer.token(), way) as client:
        name = f"streamed{WAYS.index(way)}"
        uris = await furnish(client, name)
        async with (
            client.listen(resource_subscriptions=uris) as subscription,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(follow, subscription, heard)
            await change(client, name)
            for uri in uris:
                await heard.wait_for(uri)
            tasks.cancel_scope.cancel()


async def test_nobody_hears_of_what_another_tenant_does(server: HttpServer, issuer: Issuer) -> None:
    mine, theirs, streamed = Heard(), Heard(), Heard()
    async with (
        session(server, issuer.token(), "http", mine) as own,
        session(server, issuer.token("other"), "sse", theirs) as other,
        connected(server, issuer.token("other")) as modern,
    ):
        uris = await furnish(own, "same")
        assert await furnish(other, "same") == uris
        for uri in uris:
            await subscribe(own, uri)
            await subscribe(other, uri)
        async with (
            modern.listen(resource_subscriptions=uris) as subscription,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(follow, subscription, streamed)
            await change(own, "same")
            for uri in uris:
                await mine.wait_for(uri)
            assert theirs.uris == streamed.uris == []
            # And the others can hear: of their own.
            await change(other, "same")
            for uri in uris:
                await theirs.wait_for(uri)
                await streamed.wait_for(uri)
            tasks.cancel_scope.cancel()


def subscribing(client: Client) -> Callable[[str], Any]:
    return partial(subscribe, client)


def listening(client: Client) -> Callable[[str], Any]:
    async def ask(uri: str) -> None:
        async with client.listen(resource_subscriptions=[uri]):
            pass

    return ask


@pytest.mark.parametrize("way", ["sse", "http", "stream"])
async def test_a_foreign_resource_is_an_unknown_one(
    server: HttpServer, issuer: Issuer, way: str
) -> None:
    async with connected(server, issuer.token()) as owner:
        uris = await furnish(owner, f"vault_{way}")
        run = await call(owner, "run_notebook", content=NOTEBOOK)
    entered = (
        connected(server, issuer.token("stranger"))
        if way == "stream"
        else session(server, issuer.token("stranger"), way, Heard())
    )
    async with entered as client:
        ask = listening(client) if way == "stream" else subscribing(client)
        for uri in (*uris, f"lake://runs/{run['run_id']}"):
            guessed = uri[:-4] + "zzzz"
            errors = []
            for each in (uri, guessed):
                with pytest.raises(MCPError) as raised:
                    await ask(each)
                assert raised.value.error.data == {"uri": each}
                name = each.partition("://")[2].partition("/")[2]
                errors.append(str(raised.value).replace(each, "URI").replace(name, "NAME"))
            assert errors[0] == errors[1]


@pytest.mark.parametrize(
    "uri",
    ["lake://jobs/j", "file:///etc/passwd", "lake://runs/a/cells/0", "lake://datasets/", "nothing"],
)
async def test_what_cannot_be_watched_is_refused_with_what_can(
    server: HttpServer, issuer: Issuer, uri: str
) -> None:
    async with session(server, issuer.token(), "http", Heard()) as client:
        with pytest.raises(MCPError, match=r"Subscribe to lake://datasets/"):
            await subscribe(client, uri)


async def test_a_session_watches_a_bounded_number_and_needs_the_scope(
    server: HttpServer, issuer: Issuer
) -> None:
    token = issuer.token("many")
    async with session(server, token, "http", Heard()) as client:
        for number in range(101):
            await call(client, "save_notebook", name=f"n{number}", content=NOTEBOOK)
        for number in range(100):
            await subscribe(client, f"lake://notebooks/n{number}")
        await subscribe(client, "lake://notebooks/n0")
        with pytest.raises(MCPError, match="at most 100 resources"):
            await subscribe(client, "lake://notebooks/n100")
        await unsubscribe(client, "lake://notebooks/n0")
        await subscribe(client, "lake://notebooks/n100")
    writer = issuer.token("many", sub="writer", scope="lake:write")
    async with session(server, writer, "http", Heard()) as client:
        with pytest.raises(MCPError, match="needs the scope lake:read"):
            await subscribe(client, "lake://notebooks/n0")


async def test_a_tenant_has_a_bounded_number_of_sessions_that_watch() -> None:
    async def tell(_: str) -> None:
        raise AssertionError("nothing has changed")

    some = Subscriptions(Watching(Metadata("sqlite+aiosqlite:///never-opened")))
    one, other = (Caller(tenant=each, subject="s", catalog="c") for each in ("one", "other"))
    watchers = [some.open(one, tell) for _ in range(200)]

    with pytest.raises(LimitExceeded, match="200 sessions of this tenant watch"):
        some.open(one, tell)
    some.open(other, tell)
    some.close(watchers[0])
    some.open(one, tell)


async def test_what_another_process_changes_is_told_within_seconds(tmp_path: Path) -> None:
    heard, began = Heard(), math.inf
    with http_server(tmp_path) as one, http_server(tmp_path) as other:
        async with (
            session(one, "nobody asks", "http", heard) as listener,
            connected(other, "nobody asks") as writer,
        ):
            uris = await furnish(writer, "shared")
            for uri in uris:
                await subscribe(listener, uri)
            await change(writer, "shared")
            began = anyio.current_time()
            for uri in uris:
                await heard.wait_for(uri)
    assert anyio.current_time() - began < 20
