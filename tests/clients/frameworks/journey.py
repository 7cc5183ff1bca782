"""What a hosted agent does at our server, whichever framework it is made with.

Runs in a framework's own environment, with nothing but the standard library and that framework:
`python -P journey.py <module beside this one> URL TOKEN http|sse`. Prints a line for each step,
`ok STEP` or `failed STEP: why`; the exit code is 1 when one has failed.
"""

import asyncio
import importlib.util
import json
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

SLOW = "SELECT sum(a.id * b.id * c.id) FROM range(100000) a, range(60000) b, range(9000) c"
_QUICK = "# Databricks notebook source\nprint(6 * 7)\n"
_LONG = "# Databricks notebook source\nimport time\ntime.sleep(120)\n"
_REFUSED_S = 20


class CallFailed(Exception):
    """The server answered a call with an error; its text is what a model is shown."""


class Agent(Protocol):
    """A framework that is connected."""

    async def tools(self) -> list[str]:
        """The names of the tools, each made into what the framework's models are given."""
        ...

    async def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a tool; raises CallFailed."""
        ...

    async def call_with_progress(self, tool: str, /, **arguments: Any) -> int | None:
        """How often a call told how far it was; None where the framework hides that."""
        ...


Connect = Callable[[str, str, str], AbstractAsyncContextManager[Agent]]


class Journey:
    """The steps, with names that belong to one framework and one transport."""

    def __init__(self, connect: Connect, url: str, token: str, way: str) -> None:
        self._connect = connect
        self._at = (url, token, way)
        self._name = f"{Path(sys.argv[1]).stem}_{way}"
        self.is_content = True

    async def go(self) -> None:
        """Take all steps; one that fails does not keep the others from being tried."""
        await self._step("wrong token", self._is_refused)
        try:
            async with self._connect(*self._at) as agent:
                print("ok connect", flush=True)
                await self._work(agent)
        except BaseException as error:  # noqa: BLE001 - told as a step that has failed
            self._tell("connect", error)

    async def _work(self, agent: Agent) -> None:
        await self._step("list", lambda: self._lists(agent))
        await self._step("ingest", lambda: self._ingests(agent))
        await self._step("query", lambda: self._asks(agent))
        await self._step("notebook", lambda: self._runs(agent))
        await self._step("follow", lambda: self._follows(agent))
        await self._step("cancel", lambda: self._cancels(agent))
        await self._step("error", lambda: self._fails(agent))
        await self._step("progress", lambda: self._waits(agent))

    async def _step(self, name: str, work: Callable[[], Awaitable[str | None]]) -> None:
        try:
            began = time.monotonic()
            note = await work()
        except BaseException as error:  # noqa: BLE001 - the next steps are tried all the same
            self._tell(name, error)
        else:
            took_s = time.monotonic() - began
            print(f"{'hidden' if note else 'ok'} {name} ({took_s:.1f} s)", flush=True)

    def _tell(self, name: str, error: BaseException) -> None:
        self.is_content = False
        why = "".join(traceback.format_exception_only(error)).strip().replace("\n", " ")
        print(f"failed {name}: {why[:300]}", flush=True)
        traceback.print_exception(error)

    async def _is_refused(self) -> None:
        url, _, way = self._at
        began = time.monotonic()
        try:
            async with self._connect(url, "st_wrong", way) as agent:
                await agent.tools()
        except Exception as error:  # noqa: BLE001 - each framework has its own
            said = " ".join(map(str, _leaves(error)))
            assert any(sign in said for sign in ("401", "Unauthorized", "API key")), said
            assert time.monotonic() - began < _REFUSED_S
        else:
            raise AssertionError("a wrong token was taken")

    async def _lists(self, agent: Agent) -> None:
        names = await agent.tools()
        assert {"ingest_dataset", "query_dataset", "run_job", "get_run", "cancel_run"} <= {*names}
        assert "manage_sync" not in names, "a tool beyond the token is shown"

    async def _ingests(self, agent: Agent) -> None:
        rows = [{"n": n, "word": "naïve ☃"} for n in range(100)]
        done = await agent.call("ingest_dataset", source=rows, name=self._name)
        assert done["row_count"] == 100, done

    async def _asks(self, agent: Agent) -> None:
        sql = f"SELECT sum(n), max(word) FROM {self._name} WHERE n >= :least"
        done = await agent.call("query_dataset", sql=sql, parameters={"least": 0})
        assert done["rows"] == [[4950, "naïve ☃"]], done

    async def _runs(self, agent: Agent) -> None:
        run = await agent.call("run_notebook", content=_QUICK)
        assert run["state"] == "SUCCESS", run
        assert "42" in json.dumps(run)

    async def _follows(self, agent: Agent) -> None:
        name = await self._make_job(agent, "quick", _QUICK)
        run = (await agent.call("run_job", name=name))["run"]
        while run["state"] in {"PENDING", "RUNNING"}:
            run = (await agent.call("get_run", run_id=run["run_id"]))["run"]
        assert run["state"] == "SUCCESS", run

    async def _cancels(self, agent: Agent) -> None:
        """Stop a run while another call waits for it."""
        name = await self._make_job(agent, "long", _LONG)
        waiting = asyncio.create_task(agent.call("run_job", name=name))
        runs: list[dict[str, Any]] = []
        while not runs:
            await asyncio.sleep(0.1)
            runs = (await agent.call("get_run", name=name))["runs"]
        stopped = await agent.call("cancel_run", run_id=runs[0]["run_id"])
        assert stopped["state"] == "CANCELED", stopped
        await waiting

    async def _make_job(self, agent: Agent, what: str, content: str) -> str:
        name = f"{self._name}_{what}"
        await agent.call("save_notebook", name=name, content=content)
        task = {"task_key": "t", "notebook_task": {"notebook_path": name}}
        await agent.call("create_job", name=name, tasks=[task])
        return name

    async def _fails(self, agent: Agent) -> None:
        said = ""
        try:
            await agent.call("describe_asset", name="nothing_here")
        except CallFailed as error:
            said = str(error)
        assert "No dataset is named 'default.nothing_here'" in said, said

    async def _waits(self, agent: Agent) -> str | None:
        told = await agent.call_with_progress("query_dataset", sql=SLOW, timeout_s=6)
        if told is None:
            return "hidden"
        assert told > 0, "nothing was told"
        return None


def _leaves(error: BaseException) -> list[BaseException]:
    """The error with whatever is inside of groups of exceptions, and behind them."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in found:
            found.append(each)
            waiting += [*getattr(each, "exceptions", ()), each.__cause__, each.__context__]
    return found


def _connect_of(module: str) -> Connect:
    spec = importlib.util.spec_from_file_location(module, Path(__file__).parent / f"{module}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.connect


if __name__ == "__main__":
    sys.modules["journey"] = sys.modules["__main__"]
    journey = Journey(_connect_of(sys.argv[1]), *sys.argv[2:])
    asyncio.run(journey.go())
    sys.exit(0 if journey.is_content else 1)
