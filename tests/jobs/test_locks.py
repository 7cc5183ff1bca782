"""Decisions about tasks of one run wait for each other, and never in a circle."""

from collections.abc import Awaitable, Callable

import anyio
import asyncpg
import pytest

from servicetsunami.domain.run import RunState as S
from servicetsunami.domain.run import TaskRun
from servicetsunami.services import job_progress
from servicetsunami.services.job_progress import TaskResult
from servicetsunami.stores.database import Transaction
from servicetsunami.stores.run_tasks import RunTasks
from tests.databases import PostgresqlServer
from tests.jobs.engines import House, house

pytestmark = pytest.mark.slow

Change = Callable[[House, RunTasks], Awaitable[object]]


async def renew(home: House, tasks: RunTasks) -> object:
    return await tasks.renew(owner="first", at=home.clock.now, lease_s=30)


async def take_over(home: House, tasks: RunTasks) -> object:
    return await tasks.take_expired(owner="second", at=home.clock.now, lease_s=30)


async def until_somebody_waits(url: str) -> None:
    """Wait until a transaction waits for another one."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        with anyio.fail_after(30):
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                pass
    finally:
        await connection.close()


@pytest.mark.parametrize("change", [renew, take_over])
async def test_the_ends_of_two_tasks_and_their_leases_do_not_wait_for_each_other(
    postgresql_server: PostgresqlServer, change: Change
) -> None:
    async with postgresql_server.fresh_database() as url, house(url) as home:
        run = await home.run(await home.job({"task_key": "a"}, {"task_key": "b"}))
        async with home.metadata.begin() as transaction:
            claimed = await transaction.run_tasks.claim(
                owner="first", at=home.clock.now, lease_s=30, count=2, per_tenant=8
            )
        home.clock.advance(seconds=31)

        async def change_both() -> None:
            async with home.metadata.begin() as transaction:
                await change(home, transaction.run_tasks)

        async with anyio.create_task_group() as both, home.metadata.begin() as transaction:
            first, *others = reversed(claimed)
            await end(home, transaction, first)
            both.start_soon(change_both)
            await until_somebody_waits(url)
            for task in others:
                await end(home, transaction, task)
        assert (await home.look(run)).state is S.SUCCESS


async def end(home: House, transaction: Transaction, task: TaskRun) -> None:
    result = TaskResult(state=S.SUCCESS)
    assert await job_progress.finish(transaction, task, result, owner="first", at=home.clock.now)
