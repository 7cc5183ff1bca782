"""Many sessions at once over HTTP: what goes through, what is refused, whom it slows down."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import Any, Final

import anyio
import httpx
import jwt
import psutil

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.http_sessions import (
    CallError,
    HttpSession,
    RefusedError,
    Session,
    SseSession,
    Where,
)
from benchmarks.processes import pss_mb

SESSIONS: Final = 200
TENANTS: Final = 20
WORKERS: Final = str(os.cpu_count() or 1)
"""The bare server is one process, and cannot be more."""
_SECRET: Final = "a secret of the benchmark, of 32 bytes"
_ISSUER: Final = "https://id.example.com"
_AUDIENCE: Final = "https://lake.example.com/mcp"
_START_S: Final = 60
_CLIENTS_AT_ONCE: Final = 20
_OVERLOAD: Final = 4

Call = tuple[str, Mapping[str, Any]]
LIGHT: Final[Sequence[Call]] = (
    ("list_assets", {}),
    ("get_run", {}),
    ("sync_status", {}),
)
"""Each reads the metadata database; none of them needs a child."""
BARE: Final[Sequence[Call]] = (("answer", {"sql": "select 1"}),)
_ENVIRONMENT: Final = {
    "SERVICETSUNAMI_JWT_SECRET": _SECRET,
    "SERVICETSUNAMI_JWT_ISSUER": _ISSUER,
    "SERVICETSUNAMI_JWT_AUDIENCE": _AUDIENCE,
    "SERVICETSUNAMI_TENANTS_ON_FIRST_USE": "true",
}
_UNLIMITED: Final = {
    "SERVICETSUNAMI_CALLS_PER_MINUTE": "1000000",
    "SERVICETSUNAMI_CALLS_PER_MINUTE_OF_SUBJECT": "1000000",
}


@dataclass
class Seen:
    """What came of the calls of a phase, in milliseconds."""

    ok: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    without_advice: int = 0
    failed: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Calls that were answered in a second."""
        return len(self.ok) / self.elapsed_s


@dataclass
class Contender:
    """A server under sessions: what came of their calls, and its memory by the time under load."""

    name: str
    sessions: Sequence[Session]
    calls: Sequence[Call]
    pid: int
    seen: Seen = field(default_factory=Seen)
    memory: list[tuple[float, float]] = field(default_factory=list)


def p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[18] if len(values) > 1 else 0.0


def measure(bench: Bench) -> list[Figure]:
    """All of it, one after the other; about thirteen minutes, or two with --quick."""
    return anyio.run(_measure, bench, backend_options={"use_uvloop": True})


async def _measure(bench: Bench) -> list[Figure]:
    return [*await _throughput(bench), *await _overload(bench), *await _neighbours(bench)]


async def _throughput(bench: Bench) -> list[Figure]:
    """All servers under 200 sessions, in turns, so that the machine disturbs them alike."""
    turns, turn_s = (2, 5.0) if bench.quick else (10, 15.0)
    with (
        serving(bench, "load", **_UNLIMITED) as server,
        serving(bench, "workers", SERVICETSUNAMI_HTTP_WORKERS=WORKERS, **_UNLIMITED) as workers,
        bare_server() as baseline,
    ):
        await _fill(server)
        await _fill(workers)
        async with (
            opened([_of_tenant(server, n) for n in range(SESSIONS)]) as sessions,
            opened([_of_tenant(workers, n) for n in range(SESSIONS)]) as shared_sessions,
            opened([Where(baseline.port)] * SESSIONS) as bare_sessions,
        ):
            ours = (
                Contender("one process", sessions, LIGHT, server.pid),
                Contender(f"{WORKERS} workers", shared_sessions, LIGHT, workers.pid),
            )
            bare = Contender("bare", bare_sessions, BARE, baseline.pid)
            for each in (*ours, bare):
                await _loop(each.sessions, each.calls, Seen(), 2.0)
            for _ in range(turns):
                for each in (*ours, bare):
                    await _loop(each.sessions, each.calls, each.seen, turn_s)
                    each.memory.append((each.seen.elapsed_s, pss_mb(each.pid)))
    for each in (*ours, bare):
        _show(each.name, each.seen)
    return [figure for each in ours for figure in _through(each, bare.seen, is_quick=bench.quick)]


def _through(ours: Contender, bare: Seen, *, is_quick: bool) -> list[Figure]:
    seen, memory = ours.seen, ours.memory
    slope = linear_regression(*zip(*memory[len(memory) // 3 :], strict=True)).slope
    grown = slope * 60 / median(mb for _, mb in memory) * 100
    return [
        Figure(
            name=f"{SESSIONS} sessions, half SSE, half HTTP, {ours.name}",
            unit="calls/s",
            ours=seen.per_s,
            baseline=bare.per_s,
            ratio_min=0.7,
        ),
        Figure(
            name=f"errors and refusals among them, {ours.name}",
            unit=f"of {len(seen.ok)}",
            ours=len(seen.failed) + len(seen.refused),
            ours_max=0,
        ),
        Figure(
            name=f"growth of memory meanwhile, once warm, {ours.name}",
            unit="% a minute",
            ours=grown,
            ours_max=None if is_quick else 1.0,
        ),
    ]


async def _overload(bench: Bench) -> list[Figure]:
    """What goes through at capacity, and what when four times as much is asked."""
    turns, turn_s = (2, 4.0) if bench.quick else (5, 12.0)
    calm, hard = Seen(), Seen()
    with serving(bench, "load", **_UNLIMITED) as server:
        await _fill(server)
        wheres = [_of_tenant(server, n) for n in range(SESSIONS * _OVERLOAD)]
        async with opened(wheres) as sessions:
            few = sessions[: SESSIONS // 2]
            await _loop(few, LIGHT, Seen(), 2.0)
            for _ in range(turns):
                before = len(calm.ok), calm.elapsed_s
                await _loop(few, LIGHT, calm, turn_s)
                per_s = (len(calm.ok) - before[0]) / (calm.elapsed_s - before[1])
                pace_s = len(sessions) / (per_s * _OVERLOAD)
                await _loop(sessions, LIGHT, hard, turn_s, pace_s=pace_s)
    _show("at capacity", calm)
    _show("at four times", hard)
    return [
        Figure(
            name="four times the capacity: what still goes through",
            unit="calls/s",
            ours=hard.per_s,
            baseline=calm.per_s,
            ratio_min=0.8,
        ),
        Figure(
            name=f"{len(hard.refused)} refused meanwhile, p95",
            unit="ms",
            ours=p95(hard.refused),
            ours_max=100,
        ),
        Figure(
            name="refused without a time to come again, or failed",
            unit="calls",
            ours=hard.without_advice + len(hard.failed),
            ours_max=0,
        ),
    ]


async def _neighbours(bench: Bench) -> list[Figure]:
    """How long one tenant's calls take, alone and beside a tenant that calls without end.

    Beside it is told apart: while it spends what it has saved up, and from then on.
    """
    turns, turn_s = (2, 4.0) if bench.quick else (6, 10.0)
    alone, spending, beside, noise = Seen(), Seen(), Seen(), Seen()
    with serving(bench, "load") as server:
        await _fill(server)
        quiet_at = [_of_tenant(server, 0, subject=f"quiet{n}") for n in range(2)]
        noisy_at = [_of_tenant(server, 1)] * 40
        async with opened(quiet_at) as quiet, opened(noisy_at) as noisy:
            await _loop(quiet, LIGHT, Seen(), 2.0, pace_s=0.5)
            await _use_up(noisy)
            for _ in range(turns):
                await _loop(quiet, LIGHT, alone, turn_s, pace_s=0.5)
                async with anyio.create_task_group() as both:
                    both.start_soon(_loop, noisy, LIGHT, noise, 2.0 + turn_s)
                    await _loop(quiet, LIGHT, spending, 2.0, pace_s=0.5)
                    await _loop(quiet, LIGHT, beside, turn_s, pace_s=0.5)
    _show("quiet, alone", alone)
    _show("quiet, while the noisy one spends", spending)
    _show("quiet, beside the noisy one", beside)
    _show("the noisy one", noise)
    return [
        Figure(
            name=f"a tenant's calls beside a noisy one{when}, p95",
            unit="ms",
            ours=p95(seen.ok),
            baseline=p95(alone.ok),
            ratio_max=2,
        )
        for when, seen in (("", beside), (" in its first two seconds", spending))
    ] + [
        Figure(
            name="errors and refusals of the quiet one",
            unit=f"of {len(beside.ok) + len(spending.ok)}",
            ours=sum(len(seen.failed) + len(seen.refused) for seen in (beside, spending)),
            ours_max=0,
        ),
    ]


async def _use_up(sessions: Sequence[Session]) -> None:
    """Spend what a minute allows at once: what comes after that is what goes on for ever."""
    spent = Seen()
    for _ in range(30):
        if spent.refused:
            return
        await _loop(sessions, LIGHT, spent, 2.0)


async def _loop(
    sessions: Sequence[Session],
    calls: Sequence[Call],
    seen: Seen,
    seconds: float,
    pace_s: float = 0.0,
) -> None:
    """Have each session call for so long, without a pause, or once in every `pace_s`."""
    started = time.perf_counter()
    ends_at = started + seconds

    async def go(session: Session, number: int) -> None:
        due_at = started + pace_s * number / len(sessions)
        for tool, arguments in cycle(
            [*calls[number % len(calls) :], *calls[: number % len(calls)]]
        ):
            await anyio.sleep(max(0.0, due_at - time.perf_counter()))
            if time.perf_counter() >= ends_at:
                return
            await _timed(session, tool, arguments, seen)
            due_at = max(due_at + pace_s, time.perf_counter() - pace_s)

    async with anyio.create_task_group() as tasks:
        for number, session in enumerate(sessions):
            tasks.start_soon(go, session, number)
    seen.elapsed_s += time.perf_counter() - started


async def _timed(session: Session, tool: str, arguments: Mapping[str, Any], seen: Seen) -> None:
    start = time.perf_counter()
    try:
        await session.call(tool, arguments)
    except RefusedError as refusal:
        seen.refused.append((time.perf_counter() - start) * 1000)
        seen.without_advice += not refusal.has_advice
    except (CallError, anyio.IncompleteRead, anyio.BrokenResourceError) as error:
        seen.failed.append(f"{type(error).__name__} {error}")
    else:
        seen.ok.append((time.perf_counter() - start) * 1000)


@dataclass(frozen=True)
class Running:
    """A server that is up."""

    port: int
    pid: int


def _of_tenant(server: Running, number: int, subject: str = "") -> Where:
    now = int(time.time())
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": subject or f"s{number}",
        "exp": now + 3600,
        "tenant": f"t{number % TENANTS}",
        "scope": "lake:read lake:write",
    }
    return Where(server.port, jwt.encode(claims, _SECRET))


async def _fill(server: Running) -> None:
    """One small dataset for each tenant."""
    async with opened([_of_tenant(server, n) for n in range(TENANTS)]) as sessions:
        for session in sessions:
            rows = [{"id": 1, "name": "one"}]
            asked = {"source": rows, "name": "small", "mode": "overwrite"}
            await session.call("ingest_dataset", asked)


@asynccontextmanager
async def opened(wheres: Sequence[Where]) -> AsyncGenerator[list[Session]]:
    """Sessions, every second one over SSE."""
    sessions: list[Session] = [
        (SseSession if n // TENANTS % 2 else HttpSession)(where) for n, where in enumerate(wheres)
    ]
    for n in range(0, len(sessions), _CLIENTS_AT_ONCE):
        async with anyio.create_task_group() as tasks:
            for session in sessions[n : n + _CLIENTS_AT_ONCE]:
                tasks.start_soon(session.open)
    try:
        yield sessions
    finally:
        for session in sessions:
            await session.aclose()


@contextmanager
def serving(bench: Bench, name: str, **environment: str) -> Generator[Running]:
    """Our server over HTTP, with credentials."""
    command = [sys.executable, "-P", "-m", "servicetsunami", "serve", "--http", "--port"]
    data = {"SERVICETSUNAMI_DATA_DIR": str(bench.data_dir(name))}
    with _started(lambda port: [*command, str(port)], _ENVIRONMENT | data | environment) as running:
        yield running


@contextmanager
def bare_server() -> Generator[Running]:
    """The bare server over HTTP."""
    root = {"PYTHONPATH": str(Path(__file__).parents[1])}
    with _started(
        lambda port: [sys.executable, "-m", "benchmarks.bare_http", str(port)], root
    ) as it:
        yield it


@contextmanager
def _started(
    command: Callable[[int], Sequence[str]], environment: Mapping[str, str]
) -> Generator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(command(port), env=os.environ | environment)
    try:
        ends_at = time.monotonic() + _START_S
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < ends_at
                time.sleep(0.05)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _show(name: str, seen: Seen) -> None:
    """One line for each phase, as the figures alone would hide what else happened."""
    said = f"; the first: {seen.failed[0][:200]}" if seen.failed else ""
    print(
        f"  {name}: {len(seen.ok)} answered ({seen.per_s:,.0f}/s, p50 "
        f"{median(seen.ok or [0]):.0f} ms, p95 {p95(seen.ok):.0f} ms), {len(seen.refused)} refused "
        f"(p95 {p95(seen.refused):.0f} ms), {len(seen.failed)} failed{said}; "
        f"load of the machine {psutil.getloadavg()[0]:.1f}"
    )
