"""Subscriptions over stdio: a real process, and the official client."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.hosted.test_subscriptions import (
    NOTEBOOK,
    Heard,
    change,
    follow,
    furnish,
    subscribe,
    unsubscribe,
)
from tests.server.asking import call
from tests.server.processes import environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]


@asynccontextmanager
async def over_stdio(folder: Path, heard: Heard, *, mode: str) -> AsyncGenerator[Client]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", "servicetsunami", "serve"],
        env=environment(folder / "data", folder),
    )
    async with Client(server, mode=mode, message_handler=heard.note) as client:
        yield client


async def test_a_session_hears_of_changes_until_it_wants_no_more(tmp_path: Path) -> None:
    heard = Heard()
    async with over_stdio(tmp_path, heard, mode="legacy") as client:
        dataset, notebook = await furnish(client, "told")
        for uri in (dataset, notebook):
            await subscribe(client, uri)
        await change(client, "told")
        for uri in (dataset, notebook):
            await heard.wait_for(uri)

        await unsubscribe(client, dataset)
        heard.uris.clear()
        await change(client, "told")
        # By then both would have been told.
        await call(client, "save_notebook", name="n/told", content=NOTEBOOK)
        await heard.wait_for(notebook)
        assert dataset not in heard.uris


async def test_a_stream_of_the_newer_protocol_hears_what_it_has_asked_for(tmp_path: Path) -> None:
    heard = Heard()
    async with over_stdio(tmp_path, heard, mode="auto") as client:
        uris = await furnish(client, "streamed")
        async with (
            client.listen(resource_subscriptions=uris) as subscription,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(follow, subscription, heard)
            await change(client, "streamed")
            for uri in uris:
                await heard.wait_for(uri)
            tasks.cancel_scope.cancel()
