"""Every operation is admitted before it is judged, watched to its end, and fails as it should."""

import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from servicetsunami import errors
from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import RemotePending, RemoteUnavailable, ServerError, TooManyCalls
from servicetsunami.settings import Settings
from servicetsunami.transport.admission import Admission, Operation
from servicetsunami.transport.problems import STATUSES, problem_response, status_of
from servicetsunami.transport.rest.admitted import Desk
from tests.rest.asking import NATIVE, ok, problem
from tests.rest.inside import client_of, desk_of

JSON = {"content-type": "application/json"}


@pytest.fixture
async def app(tmp_path: Path, zygote: Zygote) -> AsyncIterator[App]:
    async with open_app(Settings(data_dir=tmp_path), is_hosted=True, zygote=zygote) as running:
        yield running


@pytest.fixture
def seen() -> list[Operation]:
    return []


@pytest.fixture
async def client(app: App, seen: list[Operation]) -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def watch(operation: Operation) -> AsyncGenerator[None]:
        seen.append(operation)
        yield

    async with client_of(desk_of(app, admission=Admission(watchers=[watch]))) as speaking:
        yield speaking


def told(operation: Operation) -> tuple[str, str, str, str]:
    return operation.door, operation.name, operation.outcome.value, operation.error


async def test_every_operation_is_watched_with_what_was_asked(
    client: httpx.AsyncClient, seen: list[Operation]
) -> None:
    rows = {"name": "t", "source": [{"a": 1}]}
    ok(await client.post(f"{NATIVE}/datasets", json=rows))
    await client.get(f"{NATIVE}/notebooks/a%2Fb")
    await client.post(f"{NATIVE}/datasets/query", json={"sql": 1})
    await client.post(f"{NATIVE}/datasets/query", content=b"{", headers=JSON)
    await client.post(f"{NATIVE}/datasets/batch/delete", json={"names": ["t", "u"]})

    assert [told(each) for each in seen] == [
        ("rest", "ingest_dataset", "ok", ""),
        ("rest", "describe_asset", "failed", "NotFound"),
        ("rest", "query_dataset", "failed", "InvalidArguments"),
        ("rest", "query_dataset", "failed", "InvalidArguments"),
        ("rest", "delete_asset", "ok", ""),
        ("rest", "delete_asset", "failed", "NotFound"),
    ]
    assert [dict(each.arguments) for each in seen] == [
        {"kind": "dataset", **rows},
        {"kind": "notebook", "name": "a/b"},
        {"sql": 1},
        {},
        {"kind": "dataset", "name": "t"},
        {"kind": "dataset", "name": "u"},
    ]


async def test_a_defect_tells_nothing_to_the_caller_and_all_to_the_log(app: App) -> None:
    def nobody() -> None:
        raise RuntimeError("the secret pelican")

    desk = desk_of(app, caller=nobody)
    async with client_of(desk) as speaking:
        answer = await speaking.get(f"{NATIVE}/datasets")
    assert "pelican" not in str(problem(answer, 500, "InternalError"))

    # What the server is raised, it logs with its traceback.
    async with client_of(desk, is_raising=True) as speaking:
        with pytest.raises(RuntimeError, match="pelican"):
            await speaking.get(f"{NATIVE}/datasets")


async def test_an_upload_that_takes_long_goes_on_as_a_run(app: App) -> None:
    """The file has to be there for as long as the run reads it, and gone then."""
    desk: Desk = desk_of(app, patience_s=0)
    files = {"file": ("big.csv", b"n\n" + b"1\n" * 200_000)}
    async with client_of(desk) as speaking:
        answer = await speaking.post(f"{NATIVE}/datasets/ingest", files=files)
        going = ok(answer, 202)
        assert (going["name"], going["state"]) == ("default.big", "RUNNING")
        where = answer.headers["location"]
        assert where == f"{NATIVE}/runs/{going['run_id']}"
        run = ok(await speaking.get(where, params={"wait": True}))["run"]

    assert run["state"] == "SUCCESS", run
    assert run["answer"]["rows_written"] == 200_000
    assert list(desk.uploads.folder.glob("upload-*")) == []


async def test_what_takes_long_of_a_batch_is_left_to_another_call(app: App) -> None:
    async with client_of(desk_of(app, patience_s=-1)) as speaking:
        names = {"names": ["a", "b"]}
        answer = ok(await speaking.post(f"{NATIVE}/notebooks/batch/get", json=names))

    assert [each["status"] for each in answer["items"]] == [504, 504]


def kinds() -> list[type[ServerError]]:
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    return [each for each in found if issubclass(each, ServerError) and each is not ServerError]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_kind_of_error_has_a_status(kind: type[ServerError]) -> None:
    assert 400 <= status_of(kind("What.", "Next.")) < 600
    assert status_of(kind("What.", "Next.")) != 500


def test_the_nearest_kind_decides() -> None:
    assert status_of(RemotePending("What.", "Next.")) == STATUSES[errors.RemoteConflict]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TooManyCalls("What.", "Next.", 2.1), "3"),
        (RemoteUnavailable("What.", "Next."), "5"),
        (RemotePending("What.", "Next.", "", 7.0), "7"),
        (errors.NotFound("What.", "Next."), None),
    ],
)
def test_what_may_pass_says_when(error: ServerError, seconds: str | None) -> None:
    assert problem_response(error).headers.get("retry-after") == seconds


@pytest.mark.slow
def test_a_start_over_stdio_loads_nothing_of_it() -> None:
    code = (
        "import sys, servicetsunami.app.serving, servicetsunami.transport.mcp\n"
        "web = ('fastapi', 'servicetsunami.transport.rest')\n"
        "sys.exit(any(name in sys.modules for name in web))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
