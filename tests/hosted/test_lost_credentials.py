"""Who has lost a credential hears of nothing more, over whatever it had opened before."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from servicetsunami.services.identities import Identities
from servicetsunami.stores.metadata import Metadata
from tests.hosted.issuing import Issuer
from tests.hosted.serving import WAYS, HttpServer, Way, async_client, connected
from tests.hosted.test_subscriptions import NOTEBOOK, Heard, follow, session, subscribe
from tests.server.asking import call

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

BOUND_S = 3.0
"""Within which nothing more is told."""
LEEWAY_S = 10
"""For which an expired token is still taken."""


@pytest.fixture
async def identities(server: HttpServer) -> AsyncIterator[Identities]:
    """The keys of the server, as an administrator beside it reaches them."""
    database = server.log.parent / "data" / "metadata.db"
    metadata = Metadata(f"sqlite+aiosqlite:///{database}")
    yield Identities(metadata=metadata, on_first_use=True)
    await metadata.close()


@dataclass
class Witness:
    """Changes a notebook as somebody whose credential stays good, and hears of it."""

    client: Client
    heard: Heard
    name: str
    times: int = 0

    @property
    def uri(self) -> str:
        return f"lake://notebooks/{self.name}"

    async def begin(self) -> None:
        await call(self.client, "save_notebook", name=self.name, content=NOTEBOOK)
        await subscribe(self.client, self.uri)

    async def change(self) -> None:
        """Change it once more; when this returns, others have been told as well, if at all."""
        self.times += 1
        self.heard.uris.clear()
        content = f"{NOTEBOOK}# {self.times}\n"
        await call(self.client, "save_notebook", name=self.name, content=content)
        await self.heard.wait_for(self.uri)

    async def change_until(self, at: float) -> None:
        while time.time() < at:
            await self.change()


@pytest.mark.parametrize("way", ["sse", "http"])
async def test_a_session_hears_of_nothing_once_its_key_is_revoked(
    server: HttpServer, issuer: Issuer, identities: Identities, way: str
) -> None:
    key, secret = await identities.create_key("acme", way, scopes=["lake:read"], days=1)
    heard, known = Heard(), Heard()
    async with (
        session(server, issuer.token(), "http", known) as good,
        session(server, secret, way, heard) as lost,
    ):
        witness = Witness(good, known, f"revoked_{way}")
        await witness.begin()
        await subscribe(lost, witness.uri)
        await witness.change()
        await heard.wait_for(witness.uri)

        await identities.revoke_key(key.id)
        await witness.change_until(time.time() + BOUND_S)
        heard.uris.clear()
        for _ in range(3):
            await witness.change()
        assert heard.uris == []


@pytest.mark.parametrize("way", ["sse", "http, without one"])
async def test_a_stream_of_the_newer_protocol_ends_once_its_key_is_revoked(
    server: HttpServer, issuer: Issuer, identities: Identities, way: Way
) -> None:
    key, secret = await identities.create_key("acme", way, scopes=["lake:read"], days=1)
    heard, known, has_ended = Heard(), Heard(), anyio.Event()
    async with (
        session(server, issuer.token(), "http", known) as good,
        connected(server, secret, way) as lost,
    ):
        witness = Witness(good, known, f"ended{WAYS.index(way)}")
        await witness.begin()

        async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with lost.listen(resource_subscriptions=[witness.uri]) as subscription:
                task_status.started()
                await follow(subscription, heard)
            has_ended.set()

        async with anyio.create_task_group() as tasks:
            await tasks.start(listen)
            await witness.change()
            await heard.wait_for(witness.uri)

            await identities.revoke_key(key.id)
            await witness.change_until(time.time() + BOUND_S)
            with anyio.fail_after(5):
                await has_ended.wait()


async def test_a_session_is_silent_from_when_its_token_expires_to_when_it_shows_a_new_one(
    server: HttpServer, issuer: Issuer
) -> None:
    ends_at = int(time.time()) + 5
    headers = {"Authorization": f"Bearer {issuer.token(exp=ends_at - LEEWAY_S)}"}
    heard, known = Heard(), Heard()
    async with (
        session(server, issuer.token(sub="bob"), "http", known) as good,
        async_client(headers, httpx2.Timeout(30, read=120)) as http,
    ):
        streams = streamable_http_client(f"{server.url}/mcp", http_client=http)
        async with Client(streams, mode="legacy", message_handler=heard.note) as expiring:
            witness = Witness(good, known, "expired")
            await witness.begin()
            await subscribe(expiring, witness.uri)
            await witness.change()
            await heard.wait_for(witness.uri)

            await witness.change_until(ends_at + BOUND_S)
            heard.uris.clear()
            for _ in range(3):
                await witness.change()
            assert heard.uris == []

            http.headers["Authorization"] = f"Bearer {issuer.token()}"
            await call(expiring, "list_assets")
            # It hears of what it has missed.
            await heard.wait_for(witness.uri)
