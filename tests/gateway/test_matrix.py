"""Every verb under every fault ends as a result or as a typed error, within its deadline."""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pytest

from servicetsunami.domain.budget import Permit
from servicetsunami.domain.remote import TableAddress
from servicetsunami.errors import ConfigurationError, RemoteError, TimedOut
from servicetsunami.gateway.config import Given, resolve
from servicetsunami.gateway.statements import StatementRequest
from servicetsunami.gateway.workspace import Workspace, open_workspace
from tests.fakes.databricks import FakeWorkspace, Fault

PERMIT = Permit(payer="acme")
ORDERS = TableAddress.parse("main.sales.orders")
VOLUME = "/Volumes/main/default/v"
CALL_S, DEADLINE_S = 0.15, 0.4
GRACE_S = 5.0
"""All verbs go at once, on machines that do other things too; one without a deadline takes 20 s."""
LATER = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
EXPIRED = {"error_code": 403, "message": "Invalid access token. [ReqId: 1]"}

FAULTS: dict[str, dict[str, Any]] = {
    "refused": {},
    "hang": {"hang_s": 30.0},
    "reset before": {"reset": True},
    "reset after": {"reset": True, "after": True},
    "half a body": {"half_body": True, "after": True},
    "drip": {"drip_s": 0.2},
    "slow": {"delay_s": 30.0},
    "429": {"status": 429, "body": {"error_code": "RESOURCE_EXHAUSTED", "message": "slow"}},
    "429 with seconds": {"status": 429, "headers": {"Retry-After": "30"}, "body": {}},
    "429 with a date": {"status": 429, "headers": {"Retry-After": LATER}, "body": {}},
    "500": {"status": 500, "body": {"error_code": "INTERNAL_ERROR", "message": "oops"}},
    "502 page": {"status": 502, "body": "<html><title>502 Bad Gateway</title></html>"},
    "503": {"status": 503, "headers": {"Retry-After": "1"}, "body": {"message": "down"}},
    "504": {"status": 504},
    "403 expired": {"status": 403, "body": EXPIRED},
    "403 permission": {
        "status": 403,
        "body": {"error_code": "PERMISSION_DENIED", "message": "no grant"},
    },
    "401": {"status": 401, "body": {"error_code": "UNAUTHENTICATED", "message": "who"}},
    "404 without a code": {"status": 404, "body": {"message": "gone"}},
    "409": {"status": 409, "body": {"error_code": "ABORTED", "message": "busy"}},
    "login page": {"status": 200, "body": "<html>Sign in</html>"},
    "empty": {"status": 200, "body": None, "headers": {"X-Empty": "1"}},
    "not JSON": {"status": 200, "body": b"{"},
    "a list": {"status": 200, "body": [1]},
    "redirect": {"status": 302, "headers": {"Location": "/login.html"}},
}

Verb = Callable[[Workspace, Path], Awaitable[object]]


async def _rows(workspace: Workspace, _: Path) -> object:
    run = await workspace.statements.run(
        StatementRequest(sql="SELECT 1", permit=PERMIT), timeout_s=2
    )
    return [chunk async for chunk in workspace.statements.rows(run)]


async def _download(workspace: Workspace, folder: Path) -> object:
    request = StatementRequest(sql=f"SELECT * FROM {ORDERS}", permit=PERMIT, form="arrow")
    run = await workspace.statements.run(request, timeout_s=2)
    return await workspace.downloads.save(run, 0, folder / "chunk")


VERBS: dict[str, Verb] = {
    "run": _rows,
    "download of a chunk": _download,
    "look": lambda w, _: w.statements.look("unknown"),
    "cancel": lambda w, _: w.statements.cancel("unknown"),
    "chunk": lambda w, _: w.statements.chunk("unknown", 0),
    "history": lambda w, _: w.statements.history(since=datetime.now(UTC), tags={}),
    "choose": lambda w, _: w.warehouses.choose(),
    "warehouse": lambda w, _: w.warehouses.state("running0000000002", deadline_s=DEADLINE_S),
    "health": lambda w, _: w.health.check(fresh=True),
    "upload": lambda w, f: w.files.upload(f"{VOLUME}/up", f / "source", deadline_s=DEADLINE_S),
    "download": lambda w, f: w.files.download(f"{VOLUME}/x", f / "got", deadline_s=DEADLINE_S),
    "size": lambda w, _: w.files.size(f"{VOLUME}/x"),
    "delete": lambda w, _: w.files.delete(f"{VOLUME}/x"),
    "make folder": lambda w, _: w.files.make_directory(f"{VOLUME}/f"),
    "delete folder": lambda w, _: w.files.delete_directory(f"{VOLUME}/f"),
    "entries": lambda w, _: w.files.entries(VOLUME),
    "ensure catalog": lambda w, _: w.catalogs.ensure_catalog("c", ""),
    "comment on a catalog": lambda w, _: w.catalogs.set_comment("main", "c"),
    "ensure schema": lambda w, _: w.catalogs.ensure_schema("main", "s"),
    "ensure volume": lambda w, _: w.catalogs.ensure_volume("main", "default", "w"),
    "get table": lambda w, _: w.catalogs.get_table(ORDERS),
    "delete table": lambda w, _: w.catalogs.delete_table(TableAddress.parse("main.sales.none")),
    "list catalogs": lambda w, _: w.catalogs.list_catalogs(items_max=10),
    "list schemas": lambda w, _: w.catalogs.list_schemas("main"),
    "list tables": lambda w, _: w.catalogs.list_tables("main", "sales", items_max=10),
    "look at a notebook": lambda w, _: w.notebooks.look("/Shared/n"),
    "list notebooks": lambda w, _: w.notebooks.list("/Shared"),
    "export a notebook": lambda w, _: w.notebooks.export("/Shared/n", "source"),
    "put a notebook": lambda w, _: w.notebooks.put("/Shared/m", "1", "source", "python"),
    "delete a notebook": lambda w, _: w.notebooks.delete("/Shared/x"),
    "folder of notebooks": lambda w, _: w.notebooks.folder("local"),
    "submit a run": lambda w, _: w.runs.submit(
        name="r", path="/Shared/x", parameters={}, token="t", timeout_s=1, permit=PERMIT
    ),
    "look at a run": lambda w, _: w.runs.look(1),
    "output of a run": lambda w, _: w.runs.output(1),
    "cells of a run": lambda w, _: w.runs.cells(1),
    "cancel a run": lambda w, _: w.runs.cancel(1),
}

# What the calls of a verb may take together, where it makes several or has deadlines of its own:
# 4 s to choose a warehouse, 4 s to start a statement, 3 s to cancel it and for a part of health.
ENDS_WITHIN_S: dict[str, float] = {
    "run": 4 + 4 + 2 + 3,
    "download of a chunk": 4 + 4 + 2 + 3,
    "cancel": 3,
    "choose": 4,
    "history": 4 + DEADLINE_S,
    "health": 3 + 4 + 3,
    "upload": 2 * DEADLINE_S,
    "ensure catalog": 3 * DEADLINE_S,
    "ensure schema": 3 * DEADLINE_S,
    "ensure volume": 3 * DEADLINE_S,
    # Each page is a call: an empty one, and those with something.
    "entries": 2 * DEADLINE_S,
    "list catalogs": 2 * DEADLINE_S,
    "list schemas": 2 * DEADLINE_S,
    "list tables": 2 * DEADLINE_S,
    "list notebooks": 2 * DEADLINE_S,
    "put a notebook": 2 * DEADLINE_S,
}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWorkspace]:
    with FakeWorkspace.running(tmp_path_factory.mktemp("workspace")) as running:
        running.put_table(str(ORDERS), pa.table({"n": [1]}))
        running.execute("CREATE VOLUME main.default.v")
        yield running


async def tried(fake: FakeWorkspace, verbs: Iterable[str], fault: str, folder: Path) -> None:
    """Try the verbs at the same time, and collect what is wrong."""
    (folder / "source").write_bytes(b"x" * 1000)
    given = Given(host=fake.url, token=fake.token)
    config = resolve(given, requests_per_s=1000, user_agent="test")
    config = replace(config, call_timeout_s=CALL_S, deadline_s=DEADLINE_S, connect_timeout_s=CALL_S)
    workspace = open_workspace(replace(config, breaker_failures=1000))
    wrong: list[str] = []

    async def one(verb: str) -> None:
        started, bound_s = time.monotonic(), ENDS_WITHIN_S.get(verb, DEADLINE_S) + GRACE_S
        failure: Exception | None = None
        try:
            with anyio.fail_after(20):
                await VERBS[verb](workspace, folder)
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            failure = error
        if (took_s := time.monotonic() - started) > bound_s:
            wrong.append(f"{verb} took {took_s:.1f} s instead of {bound_s:.1f} s")
        if failure is not None and not is_expected(failure):
            wrong.append(f"{verb} ended in {failure!r}")

    fake.up()
    fake.faults.clear()
    if fault == "refused":
        fake.down()
    else:
        fake.faults.add(Fault(path="/api/|/__store__", times=None, **FAULTS[fault]))
    try:
        async with anyio.create_task_group() as tasks:
            for verb in verbs:
                tasks.start_soon(one, verb)
    finally:
        fake.faults.clear()
        await workspace.aclose()
    assert not wrong


def is_expected(failure: Exception) -> bool:
    # Nothing listed looks like a workspace without warehouses.
    is_typed = isinstance(failure, RemoteError | TimedOut) or (
        isinstance(failure, ConfigurationError) and "SQL warehouse" in failure.what
    )
    return is_typed and bool(failure.next_step)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_verb_ends_under_every_fault(
    fake: FakeWorkspace, tmp_path: Path, fault: str
) -> None:
    await tried(fake, VERBS, fault, tmp_path)


@pytest.mark.parametrize("fault", ["refused", "hang", "reset after", "502 page", "403 expired"])
async def test_a_table_is_asked_for_under_faults(
    fake: FakeWorkspace, tmp_path: Path, fault: str
) -> None:
    await tried(fake, ["get table"], fault, tmp_path)
