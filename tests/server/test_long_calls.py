"""Work that outlasts the patience of its call goes on as a run, and is not lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp_types import TextContent

from servicetsunami.app import App, open_app
from servicetsunami.domain.dataset import WriteMode
from servicetsunami.domain.run import Run
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import LimitExceeded
from servicetsunami.services.answers import Answer
from servicetsunami.services.ingestion import IngestRequest
from servicetsunami.services.long_work import LongWork, Work
from servicetsunami.services.progress import Report, silent
from servicetsunami.settings import Settings
from servicetsunami.transport.mcp import LakeServer
from tests.models.making import endless, put
from tests.notebooks.test_tasks import KnowsTasks
from tests.server.asking import ask, call, failure


class Told(Answer):
    word: str


async def endless_work(report: Report) -> Told:
    await report(1, 3, "1 of 3 steps")
    await anyio.sleep_forever()
    return Told(word="never")


def ingest(app: App, rows: list[dict[str, int]], name: str) -> Work[Answer]:
    request = IngestRequest(
        source=rows, name=name, mode=WriteMode.CREATE, keys=(), format=None, options={}
    )
    return partial(app.services.datasets.ingest, app.caller(), request)


async def at_once(app: App, work: Work[Answer], name: str = "t") -> Run:
    """The run that work becomes whose call waits for nothing."""
    made = await app.services.long_work.finish(
        app.caller(),
        work,
        tool="ingest_dataset",
        about={"name": name},
        report=silent,
        patience_s=0,
    )
    assert isinstance(made, Run)
    return made


async def test_a_long_ingest_goes_on_as_a_run_that_tells_what_the_call_would_have(
    app: App, client: Client
) -> None:
    run = await at_once(app, ingest(app, [{"a": 1}, {"a": 2}], "t"))
    found = (await call(client, "get_run", run_id=run.id))["run"]
    assert (found["state"], found["tool"], found["name"]) == ("SUCCESS", "ingest_dataset", "t")
    assert found["answer"]["rows_written"] == 2
    assert await ask(client, "SELECT sum(a) FROM t") == [[3]]
    [line] = (await call(client, "get_run"))["runs"]
    assert (line["run_id"], "answer" in line) == (run.id, False)


async def test_looking_at_runs_writes_nothing(app: App, client: Client) -> None:
    run = await at_once(app, ingest(app, [{"a": 1}], "t"))
    await call(client, "get_run", run_id=run.id)
    written: list[str] = []
    app.metadata.when_committed(written.append)
    await call(client, "get_run")
    await call(client, "get_run", run_id=run.id)
    assert written == []
    await call(client, "ingest_dataset", source=[{"a": 1}], name="u")
    assert written


async def test_a_long_call_that_fails_says_in_its_run_what_it_would_have_said(
    app: App, client: Client
) -> None:
    await call(client, "ingest_dataset", source=[{"a": 1}], name="t")
    said = await failure(client, "ingest_dataset", source=[{"a": 1}], name="t")
    run = await at_once(app, ingest(app, [{"a": 1}], "t"))
    found = (await call(client, "get_run", run_id=run.id))["run"]
    assert (found["state"], found["error"]) == ("FAILED", said)
    assert "answer" not in found


async def test_a_long_call_is_stopped_by_its_tenant_alone(app: App, client: Client) -> None:
    run = await at_once(app, endless_work)
    stranger = replace(app.caller(), tenant="stranger")
    async with Client(LakeServer(app.services, lambda: stranger)) as other:
        unknown = await failure(other, "cancel_run", run_id="run-0123456789abcdef")
        foreign = await failure(other, "cancel_run", run_id=run.id)
    assert foreign.replace(run.id, "run-0123456789abcdef") == unknown
    stopped = await call(client, "cancel_run", run_id=run.id)
    assert (stopped["state"], stopped["error"]) == ("CANCELED", "It was asked to stop.")


async def test_a_server_that_stops_says_so_of_what_went_on(
    settings: Settings, zygote: Zygote
) -> None:
    async with open_app(settings, zygote=zygote) as app:
        run = await at_once(app, endless_work)
    async with (
        open_app(settings, zygote=zygote) as app,
        Client(LakeServer(app.services, app.caller)) as client,
    ):
        found = (await call(client, "get_run", run_id=run.id))["run"]
    assert (found["state"], found["error"]) == ("CANCELED", "The server was stopped.")


async def test_what_goes_on_without_anybody_waiting_is_bounded(app: App) -> None:
    runs = [await at_once(app, endless_work) for _ in range(8)]
    with pytest.raises(LimitExceeded, match="8 long calls"):
        await at_once(app, endless_work)
    await app.services.runs.cancel(app.caller(), runs[0].id)
    await at_once(app, endless_work)


async def test_a_call_that_is_given_up_leaves_no_work_behind(app: App) -> None:
    ended = anyio.Event()

    async def work(report: Report) -> Told:
        try:
            return await endless_work(report)
        finally:
            ended.set()

    finish = partial(
        LongWork.finish, app.services.long_work, app.caller(), work, tool="t", about={"name": "n"}
    )
    with anyio.move_on_after(0.1):
        await finish(report=silent, patience_s=60)
    assert ended.is_set()
    assert (
        await app.services.runs.list(app.caller(), name=None, state=None, since=None, cursor=None)
    ).runs == []


@pytest.fixture
async def hasty(settings: Settings, zygote: Zygote) -> AsyncIterator[App]:
    """A server that lets a scoring take two seconds."""
    async with open_app(settings.model_copy(update={"model_timeout_s": 2.0}), zygote=zygote) as app:
        yield app


@pytest.mark.slow
async def test_a_long_scoring_is_a_task_for_clients_that_know_tasks(
    hasty: App, files: Path
) -> None:
    knows = KnowsTasks()
    async with Client(LakeServer(hasty.services, hasty.caller), extensions=[knows]) as client:
        source = put(files, "endless.onnx", endless())
        await call(client, "deploy_model", name="endless", source=source)
        await call(client, "ingest_dataset", name="t", source=[{"a": 1.5}])
        given = {"name": "endless", "input": {"dataset": "t"}, "output": "out"}
        done = await client.call_tool("invoke_model", given)
    assert knows.seen[0].status == "working"
    [said] = done.content
    assert done.is_error
    assert isinstance(said, TextContent)
    assert "did not come to an end within 2 s" in said.text
