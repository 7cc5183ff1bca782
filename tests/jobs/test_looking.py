"""A run is looked at by reading it once, whatever its kind."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from mcp.client import Client
from sqlalchemy import Engine, event

from tests.jobs.test_jobs import run, sql
from tests.server.asking import call

pytestmark = pytest.mark.slow


@contextmanager
def reads_of_runs() -> Generator[list[str]]:
    """The statements by which whole runs are read."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT runs.id,"):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_a_run_of_a_job_is_read_once_with_its_tasks(client: Client) -> None:
    done = await run(client, sql("a", "SELECT 1"), sql("b", "SELECT 2", "a"))
    with reads_of_runs() as reads:
        found = (await call(client, "get_run", run_id=done["run_id"]))["run"]
    assert found == done
    assert len(reads) == 1


async def test_a_run_of_a_notebook_is_read_once_with_its_cells(client: Client) -> None:
    done = await call(client, "run_notebook", content="print(1)")
    with reads_of_runs() as reads:
        found = (await call(client, "get_run", run_id=done["run_id"]))["run"]
    assert found == done
    assert len(reads) == 1
