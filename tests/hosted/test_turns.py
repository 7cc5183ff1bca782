"""Calls begin one by one, and whoever asks for many waits behind whoever asks for one."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from servicetsunami.transport.turns import Turns


async def begun(turns: Turns, wanted: list[str]) -> list[str]:
    """In which order calls of these tenants begin, all asked for at once."""
    order: list[str] = []

    async def call(tenant: str) -> None:
        await turns.take(tenant)
        order.append(tenant)
        await checkpoint()
        turns.end(tenant)

    async with anyio.create_task_group() as tasks:
        for tenant in wanted:
            tasks.start_soon(call, tenant)
    return order


async def test_tenants_have_turns_in_rotation_whatever_they_ask_for() -> None:
    order = await begun(Turns(), ["noisy"] * 7 + ["quiet", "other"])

    # The first two began when nobody else had asked.
    assert order == ["noisy", "noisy", "noisy", "quiet", "other", *["noisy"] * 4]


async def test_one_alone_does_not_wait() -> None:
    turns = Turns()
    for _ in range(3):
        # It has nothing to wait for: one step takes it to its end.
        with pytest.raises(StopIteration):
            turns.take("acme").send(None)
        turns.end("acme")


async def test_few_calls_are_at_work_at_once() -> None:
    turns = Turns()
    working, most = 0, 0

    async def call() -> None:
        nonlocal working, most
        await turns.take("acme")
        working += 1
        most = max(most, working)
        for _ in range(5):
            await checkpoint()
        working -= 1
        turns.end("acme")

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(call)

    assert most == 2


async def test_a_call_that_takes_long_holds_nobody_up() -> None:
    turns = Turns()
    with anyio.fail_after(10):
        for _ in range(5):
            await turns.take("slow")
        await turns.take("acme")


async def test_the_end_of_what_took_no_turn_ends_nobody_elses() -> None:
    turns = Turns()
    for _ in range(2):
        await turns.take("acme")
    turns.end("other")

    step = turns.take("acme")
    assert step.send(None) is not None
    step.close()


async def test_who_no_longer_waits_holds_up_nobody() -> None:
    turns = Turns()
    began: list[str] = []

    async def call(tenant: str) -> None:
        await turns.take(tenant)
        began.append(tenant)

    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as gone:
            tasks.start_soon(call, "first")
            for _ in range(3):
                gone.start_soon(call, "gone")
            await checkpoint()
            gone.cancel_scope.cancel()
        with anyio.fail_after(5):
            await call("acme")

    assert began[-1] == "acme"
    assert began.count("gone") <= 1
