import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from servicetsunami.errors import ConfigurationError, Conflict
from servicetsunami.stores.connections import connect
from servicetsunami.stores.database import Database
from tests.databases import PostgresqlServer
from tests.stores.values import NOON, a_dataset, a_version


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "is not a URL"),
        ("mysql+aiomysql://host/db", "begins with 'mysql"),
        ("postgresql://host/db", "begins with 'postgresql'"),
        ("sqlite+aiosqlite://", "begins with 'sqlite"),
    ],
)
async def test_a_url_of_another_kind_is_refused_with_the_right_forms(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        await Database.open(url)
    assert "postgresql+asyncpg://" in caught.value.next_step


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    url = "postgresql+asyncpg://ann:secret@127.0.0.1:1/lake"
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1/lake cannot be used") as caught:
        await Database.open(url)
    assert "secret" not in str(caught.value)


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "metadata.db"
    file.write_bytes(b"these are not the bytes of a database" * 200)
    with pytest.raises(ConfigurationError, match="not a SQLite database"):
        await Database.open(f"sqlite+aiosqlite:///{file}")


async def test_a_directory_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'metadata.db'}")


@pytest.mark.slow
async def test_a_database_that_postgresql_does_not_have_is_named(
    postgresql_server: PostgresqlServer,
) -> None:
    async with postgresql_server.fresh_database() as url:
        pass
    with pytest.raises(ConfigurationError, match="does not exist"):
        await Database.open(url)


async def test_a_failed_block_leaves_nothing_behind(database: Database) -> None:
    async def fail() -> None:
        async with database.begin() as transaction:
            await transaction.datasets.register(a_dataset(), a_version(0))
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        await fail()
    async with database.read() as transaction:
        assert await transaction.datasets.names("acme") == ()


async def test_a_cancelled_block_leaves_nothing_behind_and_frees_its_connection(
    database: Database,
) -> None:
    with anyio.CancelScope() as scope:
        async with database.begin() as transaction:
            await transaction.datasets.register(a_dataset(), a_version(0))
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    async with database.begin() as transaction:
        assert await transaction.datasets.names("acme") == ()


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only|cannot be used"):
        async with database.read() as transaction:
            await transaction.tenants.ensure("acme", at=NOON)


async def test_a_read_neither_waits_for_a_writer_nor_sees_half_of_it(database: Database) -> None:
    async with database.begin() as writer:
        await writer.datasets.register(a_dataset(), a_version(0))
        with anyio.fail_after(5):
            async with database.read() as reader:
                assert await reader.datasets.names("acme") == ()


async def test_many_tasks_and_two_connections_write_without_a_lost_update(
    database: Database, database_url: str
) -> None:
    other = await Database.open(database_url)

    async def write(each: Database, number: int) -> None:
        async with each.begin() as transaction:
            await transaction.datasets.register(a_dataset(f"t{number}"), a_version(0))

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(write, (database, other)[number % 2], number)
    await other.close()
    async with database.read() as transaction:
        assert await transaction.datasets.count("acme") == 40


@pytest.mark.slow
async def test_a_writer_that_never_ends_makes_the_others_fail_by_name(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'metadata.db'}"
    first, second = await Database.open(url), await Database.open(url)
    async with first.begin():
        with pytest.raises(Conflict, match="busy"):
            async with second.begin():
                raise AssertionError("two writers at once")
    await first.close()
    await second.close()


async def test_sqlite_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'metadata.db'}"
    await (await Database.open(url)).close()
    engines = connect(url)
    async with engines.write.connect() as connection:
        pragmas = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await engines.dispose()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 15_000,
    }


@pytest.mark.slow
def test_opening_an_up_to_date_or_a_new_database_does_not_import_alembic(tmp_path: Path) -> None:
    script = (
        "import sys, anyio\n"
        "from servicetsunami.stores.database import Database\n"
        "async def main():\n"
        "    await (await Database.open(sys.argv[1])).close()\n"
        "anyio.run(main)\n"
        "heavy = {'alembic', 'asyncpg', 'deltalake', 'pyarrow', 'duckdb', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    url = f"sqlite+aiosqlite:///{tmp_path / 'metadata.db'}"
    for _ in ("new", "up to date"):
        done = subprocess.run(
            [sys.executable, "-c", script, url], check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == "[]"


async def test_each_connection_that_is_lent_out_is_counted_once(database: Database) -> None:
    async with database.begin():
        assert database.connections_in_use == 1
        async with database.read():
            assert database.connections_in_use == 2
    assert database.connections_in_use == 0
