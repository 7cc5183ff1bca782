"""The main job, with its metadata in a real PostgreSQL."""

import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from servicetsunami.app import open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.databases import PostgresqlServer, postgresql_server
from tests.server import test_main_job, test_odd_inputs

__all__ = ["postgresql_server"]

pytestmark = pytest.mark.slow
_CASES = [
    case
    for module in (test_main_job, test_odd_inputs)
    for name, case in vars(module).items()
    if name.startswith("test_") and "client" in inspect.signature(case).parameters
]


@pytest.fixture
async def settings(
    tmp_path: Path, files: Path, postgresql_server: PostgresqlServer
) -> AsyncIterator[Settings]:
    async with postgresql_server.fresh_database() as url:
        yield Settings(data_dir=tmp_path / "data", allowed_roots=(files,), database_url=url)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.__name__)
async def test_it_also_holds_on_postgresql(
    case: Any, client: Client, files: Path, tmp_path: Path
) -> None:
    given = {"client": client, "files": files, "tmp_path": tmp_path}
    await case(**{name: given[name] for name in inspect.signature(case).parameters})


async def test_what_one_server_wrote_the_next_one_reads(settings: Settings, zygote: Zygote) -> None:
    for rows_expected in (1, 2):
        async with (
            open_app(settings, zygote=zygote) as app,
            Client(LakeServer(app.services, app.caller)) as one,
        ):
            write = {"source": [{"a": 1}], "name": "t", "mode": "append"}
            assert not (await one.call_tool("ingest_dataset", write)).is_error
            sql = {"sql": "SELECT count(*) FROM t"}
            answer = (await one.call_tool("query_dataset", sql)).structured_content
            assert answer is not None
            assert answer["rows"] == [[rows_expected]]
