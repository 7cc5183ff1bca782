"""The whole server in memory, on a data directory of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.client import Client

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The one folder that may be ingested from."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(tmp_path: Path, files: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", allowed_roots=(files,))


@pytest.fixture
async def app(settings: Settings, zygote: Zygote) -> AsyncIterator[App]:
    async with open_app(settings, zygote=zygote) as app:
        yield app


@pytest.fixture
async def client(app: App) -> AsyncIterator[Client]:
    async with Client(LakeServer(app.services, app.caller), raise_exceptions=True) as client:
        yield client
