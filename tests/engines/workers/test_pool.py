import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from servicetsunami.engines.workers.pool import WorkerPool
from servicetsunami.engines.workers.serving import serve
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.errors import InvalidInput, LimitExceeded, TimedOut

ADDRESS_SPACE_BYTES = 1_000_000_000


class Child:
    """What the children of these tests can do."""

    def __init__(self, channel, options):
        self.channel = channel
        self.options = options
        self.calls = 0

    def count(self, request):
        self.calls += 1
        return {"pid": os.getpid(), "calls": self.calls, "options": self.options}

    def refuse(self, request):
        raise InvalidInput("The file is empty.", "Give another one.")

    def fail(self, request):
        raise KeyError("secret detail")

    def spin(self, request):
        while True:
            pass

    def crash(self, request):
        os.kill(os.getpid(), signal.SIGSEGV)

    def grow(self, request):
        return {"length": len(bytearray(8_000_000_000))}

    def report(self, request):
        for step in range(3):
            request.report({"step": step})
        return {}

    def inspect(self, request):
        return {
            "environment": sorted(os.environ),
            "stdin": str(Path("/proc/self/fd/0").readlink()),
            "core": resource.getrlimit(resource.RLIMIT_CORE),
            "session": os.getsid(0),
            "no_new_privs": "NoNewPrivs:\t1" in Path("/proc/self/status").read_text(),
        }

    def hold(self, request):
        [fd] = request.fds
        request.report({"holding": os.fstat(fd).st_ino})
        self.spin(request)

    def shout(self, request):
        return {"text": "x" * 9_000_000}

    def lie(self, request):
        self.channel._connection.sendall(b"\x00\x00\x00\x02[]")
        return {}


def run_child(channel, options):
    child = Child(channel, options)
    names = [name for name in vars(Child) if not name.startswith("_")]
    serve(channel, {name: getattr(child, name) for name in names})


@asynccontextmanager
async def pool_of(
    workers_max: int, spare: int = 1, affinity_max: int = 0
) -> AsyncGenerator[WorkerPool]:
    zygote = Zygote(preload=[__name__])
    pool = WorkerPool(
        zygote=zygote,
        target=f"{__name__}:run_child",
        options={"greeting": "hello"},
        workers_max=workers_max,
        address_space_bytes=ADDRESS_SPACE_BYTES,
        spare=spare,
        affinity_max=affinity_max,
    )
    try:
        yield pool
    finally:
        pool.close()
        await zygote.aclose()


@pytest.fixture
async def pool():
    async with pool_of(2) as pool:
        yield pool


async def call(pool, method, *, affinity=None, timeout_s=20.0, **more):
    async with pool.acquire(affinity=affinity) as worker:
        return await worker.call(method, {}, timeout_s=timeout_s, **more)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def has_ended(*pids: int) -> bool:
    """Its socket closes a moment before a process is gone from the list."""
    with anyio.move_on_after(2):
        while any(map(is_running, pids)):
            await anyio.lowlevel.checkpoint()
    return not any(map(is_running, pids))


async def test_a_worker_is_used_again_and_knows_its_options(pool):
    first = await call(pool, "count")
    second = await call(pool, "count")

    assert second == {**first, "calls": 2}
    assert first["options"] == {"greeting": "hello"}


async def test_a_tenant_gets_back_the_worker_that_served_it(pool):
    async with pool.acquire(affinity="a"), pool.acquire(affinity="b"):
        pass
    of_a = await call(pool, "count", affinity="a")
    of_b = await call(pool, "count", affinity="b")

    assert of_a["pid"] != of_b["pid"]
    assert (await call(pool, "count", affinity="a"))["pid"] == of_a["pid"]
    assert (await call(pool, "count", affinity="b"))["pid"] == of_b["pid"]


async def test_an_error_of_ours_arrives_as_what_it_was(pool):
    with pytest.raises(InvalidInput, match=r"The file is empty\. Give another one\."):
        await call(pool, "refuse")
    assert await call(pool, "count")


async def test_a_bug_is_a_runtime_error_with_the_traceback_for_the_log(pool):
    with pytest.raises(RuntimeError, match="secret detail"):
        await call(pool, "fail")
    with pytest.raises(RuntimeError, match="spam"):
        await call(pool, "spam")
    assert (await call(pool, "count"))["calls"] == 1


async def test_a_time_out_kills_the_worker_and_the_next_call_works(pool):
    before = await call(pool, "count")
    with pytest.raises(TimedOut, match=r"0\.2 s"):
        await call(pool, "spin", timeout_s=0.2)

    assert await has_ended(before["pid"])
    assert (await call(pool, "count"))["calls"] == 1


async def test_a_cancelled_call_leaves_no_process_behind(pool):
    before = await call(pool, "count")
    started = time.monotonic()
    with anyio.move_on_after(0.2) as scope:
        await call(pool, "spin")

    assert scope.cancelled_caught
    assert time.monotonic() - started < 2
    assert await has_ended(before["pid"])
    assert await call(pool, "count")


@pytest.mark.parametrize("method", ["crash", "shout", "lie"])
async def test_a_worker_that_dies_or_babbles_is_replaced(pool, method):
    with pytest.raises((LimitExceeded, RuntimeError)):
        await call(pool, method)
    assert (await call(pool, "count"))["calls"] == 1


async def test_a_worker_out_of_memory_says_so_and_is_not_used_again(pool):
    before = await call(pool, "count")
    with pytest.raises(LimitExceeded, match="memory"):
        await call(pool, "grow")

    after = await call(pool, "count")
    assert after["pid"] != before["pid"]


async def test_progress_arrives_before_the_answer(pool):
    steps = []
    await call(pool, "report", on_progress=lambda progress: steps.append(progress["step"]))

    assert steps == [0, 1, 2]


async def test_a_child_has_no_credentials_no_input_no_core_and_no_terminal(pool):
    child = await call(pool, "inspect")

    assert not {name for name in child["environment"] if "TOKEN" in name or name == "HOME"}
    assert child["stdin"] == "/dev/null"
    assert child["core"] == [0, 0]
    assert child["session"] != os.getsid(0)
    assert child["no_new_privs"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_all_of_our_processes_is_left_to_the_server(pool, number):
    before = await call(pool, "count")
    for pid in (before["pid"], pool._zygote.pid):
        os.kill(pid, number)

    assert (await call(pool, "count")) == {**before, "calls": 2}


async def test_a_lock_given_to_a_child_lives_exactly_as_long_as_the_child(pool, tmp_path):
    path = tmp_path / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    held = anyio.Event()

    async def work():
        with pytest.raises(TimedOut):
            async with pool.acquire() as worker:
                await worker.call(
                    "hold", {}, timeout_s=1.0, fds=[fd], on_progress=lambda _: held.set()
                )

    with path.open() as other:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await held.wait()
            os.close(fd)
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_a_short_call_does_not_wait_for_a_long_one(pool):
    async with pool.acquire() as slow, anyio.create_task_group() as tasks:

        async def spin():
            with pytest.raises(TimedOut):
                await slow.call("spin", {}, timeout_s=1.5)

        tasks.start_soon(spin)
        started = time.monotonic()
        await call(pool, "count")
        assert time.monotonic() - started < 1


async def test_calls_wait_when_all_workers_are_busy():
    async with pool_of(1) as pool:
        answers = []

        async def count():
            answers.append((await call(pool, "count"))["calls"])

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(count)

        assert sorted(answers) == [1, 2, 3, 4, 5]


async def test_an_idle_worker_that_was_killed_is_replaced_unseen(pool):
    first = await call(pool, "count")
    os.kill(first["pid"], signal.SIGKILL)
    assert await has_ended(first["pid"])

    assert (await call(pool, "count"))["calls"] == 1


async def test_a_killed_zygote_is_started_again(pool):
    first = await call(pool, "count")
    zygote = pool._zygote.pid
    os.kill(zygote, signal.SIGKILL)
    assert await has_ended(first["pid"], zygote)

    assert (await call(pool, "count"))["calls"] == 1
    assert pool._zygote.pid != zygote


async def test_a_target_that_fails_to_start_is_a_bug_and_no_lack_of_memory():
    zygote = Zygote(preload=[])
    pool = WorkerPool(
        zygote=zygote, target="no_such:target", options={}, workers_max=1, address_space_bytes=None
    )
    with pytest.raises(RuntimeError, match="no_such"):
        await call(pool, "count")
    await zygote.aclose()


async def test_one_affinity_leaves_a_child_to_the_others():
    inside = []

    async def hold(pool, affinity):
        async with pool.acquire(affinity=affinity):
            inside.append(affinity)
            await anyio.sleep_forever()

    async with pool_of(2, affinity_max=1) as pool, anyio.create_task_group() as tasks:
        for affinity in ("acme", "acme", "other"):
            tasks.start_soon(hold, pool, affinity)
        with anyio.fail_after(30):
            while len(inside) < 2:
                await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert sorted(inside) == ["acme", "other"]
        tasks.cancel_scope.cancel()


async def test_closing_reaps_every_process():
    async with pool_of(2) as pool:
        worker = (await call(pool, "count"))["pid"]
        zygote = pool._zygote.pid
        assert zygote

    for pid in worker, zygote:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_zygote_that_cannot_start_names_the_next_step():
    zygote = Zygote(preload=["no_such_module"])
    pool = WorkerPool(
        zygote=zygote, target="a:b", options={}, workers_max=1, address_space_bytes=None
    )
    with pytest.raises(Exception, match="doctor"):
        await call(pool, "count")


def test_no_child_outlives_a_server_that_is_killed():
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        pids = [int(text) for text in server.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(is_running, pids))
        server.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline


async def _serve_until_killed() -> None:
    async with pool_of(2) as pool, pool.acquire() as worker, anyio.create_task_group() as tasks:
        counted = await worker.call("count", {}, timeout_s=20)
        tasks.start_soon(lambda: worker.call("spin", {}, timeout_s=60))
        print(counted["pid"], pool._zygote.pid, flush=True)


if __name__ == "__main__":
    # A target in __main__ is no module that a child could import.
    sys.modules[Path(__file__).stem] = sys.modules["__main__"]
    __name__ = Path(__file__).stem
    anyio.run(_serve_until_killed)
