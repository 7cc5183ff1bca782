"""Reads of SQLite happen in the event loop's thread, as long as they are short."""

import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from threading import current_thread

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from servicetsunami.stores.inline_sqlite import InlineReads

_COUNT = text(
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :most) "
    "SELECT count(*), (SELECT count(*) FROM facts) FROM numbers"
)
_LONG = 1_000_000
_THREAD = text("SELECT thread_name()")


@pytest.fixture
async def file(tmp_path: Path) -> str:
    place = tmp_path / "facts.db"
    with sqlite3.connect(place) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE facts (id INTEGER)")
        connection.execute("INSERT INTO facts VALUES (1)")
    connection.close()
    return str(place)


@pytest.fixture
async def reads(file: str) -> AsyncGenerator[InlineReads]:
    opened = InlineReads(file, busy_timeout_s=5.0)
    yield opened
    await opened.dispose()


async def test_a_long_read_holds_nobody_up_and_finds_what_a_short_one_does(
    reads: InlineReads,
) -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with reads.transaction() as transaction, anyio.create_task_group() as tasks:
        short = (await transaction.execute(_COUNT, {"most": 10})).one()
        tasks.start_soon(take_turns)
        await anyio.lowlevel.checkpoint()
        long = (await transaction.execute(_COUNT, {"most": _LONG})).one()
        tasks.cancel_scope.cancel()

    assert (tuple(short), tuple(long)) == ((10, 1), (_LONG, 1))
    assert turns > 1, "nothing else ran while the long statement did"


async def test_a_short_read_needs_no_thread_and_a_long_one_has_its_own(
    reads: InlineReads,
) -> None:
    threads: list[str] = []

    async with reads.transaction() as transaction:
        await transaction.run_sync(
            lambda sync: sync.connection.create_function(
                "thread_name", 0, lambda: threads.append(current_thread().name)
            )
        )
        await transaction.execute(_THREAD)
        await transaction.execute(
            text(f"SELECT thread_name() FROM ({str(_COUNT).replace(':most', str(_LONG))})")
        )

    assert threads[0] == current_thread().name
    assert threads[-1] != current_thread().name


async def test_a_transaction_sees_one_state_also_where_a_long_read_began_anew(
    reads: InlineReads, file: str
) -> None:
    async with reads.transaction() as transaction:
        before = (await transaction.execute(_COUNT, {"most": 1})).one()[1]
        with sqlite3.connect(file) as other:
            other.execute("INSERT INTO facts VALUES (2)")
        other.close()
        during = (await transaction.execute(_COUNT, {"most": _LONG})).one()[1]

    async with reads.transaction() as transaction:
        after = (await transaction.execute(_COUNT, {"most": 1})).one()[1]
    assert (before, during, after) == (1, 1, 2)


async def test_a_busy_machine_breaks_off_no_beginning_of_a_transaction(file: str) -> None:
    """SQLite counts the instructions of a statement through all of its runs."""
    reads = InlineReads(file, busy_timeout_s=5.0, inline_s=-1.0)
    for _ in range(3_000):
        async with reads.transaction():
            pass
    async with reads.transaction() as transaction:
        assert await transaction.scalar(text("SELECT id FROM facts")) == 1
    await reads.dispose()


async def test_nothing_can_be_written(reads: InlineReads) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        async with reads.transaction() as transaction:
            await transaction.execute(text("DELETE FROM facts"))

    async with reads.transaction() as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM facts")) == 1


async def test_more_may_read_at_once_than_connections_are_kept(reads: InlineReads) -> None:
    read = 0

    async def look(everybody: anyio.Event) -> None:
        nonlocal read
        async with reads.transaction() as transaction:
            read += await transaction.scalar(text("SELECT id FROM facts"))
            if read == 30:
                everybody.set()
            await everybody.wait()

    with anyio.fail_after(30):
        everybody = anyio.Event()
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(look, everybody)
    assert (read, reads.pool.checkedout()) == (30, 0)
