"""Calls begin one by one, and whoever asks for many waits behind whoever asks for one."""

import anyio
from anyio.lowlevel import checkpoint

from servicetsunami.transport.turns import Turns


async def begun(turns: Turns, wanted: list[str]) -> list[str]:
    """In which order calls of these tenants begin, all asked for at once."""
    order: list[str] = []

    async def call(tenant: str) -> None:
        await turns.take(tenant)
        order.append(tenant)

    async with anyio.create_task_group() as tasks:
        for tenant in wanted:
            tasks.start_soon(call, tenant)
    return order


async def test_tenants_have_turns_in_rotation_whatever_they_ask_for() -> None:
    order = await begun(Turns(), ["noisy"] * 6 + ["quiet", "other"])

    # The first had its turn when nobody else had asked.
    assert order == ["noisy", "noisy", "quiet", "other", *["noisy"] * 4]


async def test_one_alone_does_not_wait() -> None:
    turns = Turns()
    for _ in range(3):
        # It has nothing to wait for: one step takes it to its end.
        step = turns.take("acme")
        try:
            step.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("it waited")
        await checkpoint()
        await checkpoint()


async def test_one_call_begins_in_each_round_of_the_loop() -> None:
    rounds: list[int] = []
    now = 0
    turns = Turns()

    async def call() -> None:
        await turns.take("acme")
        rounds.append(now)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(call)
        while len(rounds) < 5:
            await checkpoint()
            now += 1

    assert len(set(rounds)) == 5


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
