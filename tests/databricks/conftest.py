"""A server in memory beside a fake workspace on a real port."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.transport.mcp import LakeServer
from tests.databricks.connecting import connected
from tests.fakes.databricks import FakeWorkspace
from tests.server.conftest import files

__all__ = ["files"]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
async def app(
    workspace: FakeWorkspace, tmp_path: Path, files: Path, zygote: Zygote
) -> AsyncIterator[App]:
    settings = connected(workspace, tmp_path / "data", files)
    async with open_app(settings, zygote=zygote) as app:
        yield app


@pytest.fixture
async def client(app: App) -> AsyncIterator[Client]:
    async with Client(LakeServer(app.services, app.caller), raise_exceptions=True) as client:
        yield client
