import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from servicetsunami.errors import ConfigurationError
from servicetsunami.stores.connections import connect
from servicetsunami.stores.database import Database
from servicetsunami.stores.migrations.runner import configuration, upgrade
from servicetsunami.stores.schema import HEAD_REVISION, METADATA

START = (
    "import sys, anyio\n"
    "from servicetsunami.stores.database import Database\n"
    "async def main():\n"
    "    print('ready', flush=True)\n"
    "    sys.stdin.readline()\n"
    "    await (await Database.open(sys.argv[1])).close()\n"
    "anyio.run(main)\n"
)


def schema_of(connection: Connection) -> dict[str, object]:
    """Everything that the database itself says of its tables, in comparable form."""
    inspector = inspect(connection)
    return {
        table: [
            inspector.get_pk_constraint(table),
            *by_name(inspector.get_columns(table)),
            *by_name(inspector.get_indexes(table)),
            *by_name(inspector.get_foreign_keys(table)),
            *by_name(inspector.get_unique_constraints(table)),
        ]
        for table in inspector.get_table_names()
    }


def differences_to_the_code(connection: Connection) -> list[object]:
    # Alembic does not know that the GIN indexes are for PostgreSQL alone.
    skipped = "_metadata" if connection.dialect.name == "sqlite" else "(none)"
    options = {
        "compare_type": True,
        "include_object": lambda _object, name, *_: not str(name).endswith(skipped),
    }
    return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)


def by_name(parts: Sequence[Mapping[str, object]]) -> list[dict[str, str]]:
    texts = [{key: as_text(value) for key, value in part.items()} for part in parts]
    return sorted(texts, key=lambda part: part["name"])


def as_text(value: object) -> str:
    """Expressions and types have no equality, but their texts do."""
    if isinstance(value, dict):
        return str(sorted((key, as_text(each)) for key, each in value.items()))
    return str(value)


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD_REVISION


async def test_the_migrations_build_exactly_what_the_code_creates_at_once(
    database_url: str, database: Database
) -> None:
    engines = connect(database_url)
    async with engines.write.begin() as connection:
        created = await connection.run_sync(schema_of)
        await connection.run_sync(METADATA.drop_all)
        await connection.execute(text("DROP TABLE alembic_version"))
        await connection.run_sync(upgrade)
        migrated = await connection.run_sync(schema_of)
        differences = await connection.run_sync(differences_to_the_code)
    await engines.dispose()
    assert migrated == created
    assert differences == []


async def test_a_database_of_a_newer_release_is_left_alone(
    database_url: str, database: Database
) -> None:
    engines = connect(database_url)
    async with engines.write.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"newer release .*9999"):
        await Database.open(database_url)
    await engines.dispose()


@pytest.mark.slow
async def test_eight_processes_can_start_at_once_on_an_empty_database(
    database_url: str, tmp_path: Path
) -> None:
    processes = [
        subprocess.Popen(  # noqa: ASYNC220 (all must run before the first is waited for)
            [sys.executable, "-c", START, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    errors = [each.communicate(timeout=60)[1] for each in processes]
    assert [each.returncode for each in processes] == [0] * 8, errors
