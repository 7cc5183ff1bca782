"""Nobody takes every place."""

import anyio
import pytest

from servicetsunami.engines.workers.turns import Turns


async def test_the_third_of_one_name_waits_and_others_do_not() -> None:
    turns, inside, leave = Turns(2), list[str](), anyio.Event()

    async def work(name: str) -> None:
        async with turns.one(name):
            inside.append(name)
            await leave.wait()

    async with anyio.create_task_group() as group:
        for name in ("acme", "acme", "acme", "other"):
            group.start_soon(work, name)
        await anyio.wait_all_tasks_blocked()
        assert sorted(inside) == ["acme", "acme", "other"]
        leave.set()
    assert sorted(inside) == ["acme", "acme", "acme", "other"]


async def test_a_place_is_given_back_however_it_was_left() -> None:
    turns = Turns(1)
    with pytest.raises(ZeroDivisionError):
        async with turns.one("acme"):
            _ = 1 / 0
    with anyio.move_on_after(0):
        async with turns.one("acme"):
            await anyio.sleep_forever()
    with anyio.fail_after(5):
        async with turns.one("acme"):
            pass


@pytest.mark.parametrize(("each_max", "name"), [(0, "acme"), (1, None)])
async def test_without_a_limit_or_a_name_nobody_waits(each_max: int, name: str | None) -> None:
    turns = Turns(each_max)
    with anyio.fail_after(5):
        async with turns.one(name), turns.one(name):
            pass
