"""PostgreSQL keeps tenants apart by itself, also where a query has no condition at all."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from mcp.client import Client
from sqlalchemy import text

from servicetsunami.app import App, open_app
from servicetsunami.engines.workers.zygote import Zygote
from servicetsunami.stores.audit_table import AUDIT
from servicetsunami.stores.connections import connect
from servicetsunami.stores.database import Database
from servicetsunami.stores.migrations.runner import upgrade
from servicetsunami.stores.schema import METADATA, NOTEBOOKS
from servicetsunami.stores.scope import owned_by, row_security_alone
from servicetsunami.transport.mcp import LakeServer
from tests.databases import PostgresqlServer
from tests.hosted.test_isolation import (
    entered,
    furnish,
    no_argument_reaches_anything,
    no_completion_tells_of_anything,
    no_resource_reaches_anything,
    settings_with_files,
    staged,
)
from tests.server.asking import ask, call

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROLE = "lake_service"
POLICIES = text(
    "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, p.polname, p.polcmd, "
    "pg_get_expr(p.polqual, p.polrelid) "
    "FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid "
    "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1"
)


@pytest.fixture
async def service_url(postgresql_server: PostgresqlServer) -> AsyncIterator[str]:
    """An empty database that belongs to a role as a service has it: no superuser."""
    async with postgresql_server.fresh_database() as url:
        admin = await asyncpg.connect(url.replace("+asyncpg", ""))
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE):
            await admin.execute(f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS")
        database = await admin.fetchval("SELECT current_database()")
        await admin.execute(f"ALTER DATABASE {database} OWNER TO {ROLE}")
        await admin.close()
        user = url.partition("://")[2].partition("@")[0]
        yield url.replace(f"//{user}@", f"//{ROLE}@")


@asynccontextmanager
async def served(
    url: str, folder: Path, zygote: Zygote
) -> AsyncGenerator[tuple[App, Client, Client]]:
    settings = settings_with_files(folder, url)
    async with open_app(settings, is_hosted=True, zygote=zygote) as app, AsyncExitStack() as stack:
        clients = []
        for tenant in ("acme", "stranger"):
            caller = replace(app.caller(), tenant=tenant)
            server = LakeServer(app.services, lambda caller=caller: caller)
            clients.append(await stack.enter_async_context(Client(server)))
        yield app, clients[0], clients[1]


async def test_the_service_works_behind_the_wall_and_a_query_without_conditions_sees_nothing(
    service_url: str, tmp_path: Path, zygote: Zygote
) -> None:
    async with served(service_url, tmp_path, zygote) as (app, owner, stranger):
        await furnish(app, owner)
        reading = "# Databricks notebook source\nlake.sql('SELECT * FROM vault_alpha')\n"
        assert (await call(owner, "run_notebook", content=reading))["state"] == "SUCCESS"
        # Its loop begins in one tenant's call, and works for the other as well.
        await call(stranger, "save_notebook", name="n", content="# Databricks notebook source\n1\n")
        task = {"task_key": "t", "notebook_task": {"notebook_path": "n"}}
        await call(stranger, "create_job", name="j", tasks=[task])
        for client, job in ((owner, "vault-alpha"), (stranger, "j")):
            run = (await call(client, "run_job", name=job))["run"]
            run = (await call(client, "get_run", run_id=run["run_id"]))["run"]
            assert run["state"] == "SUCCESS", run
        await call(stranger, "ingest_dataset", source=[{"a": 1}], name="own")
        assert await ask(stranger, "SELECT a FROM own") == [[1]]
        # Counts of both tenants are written in one batch.
        assert (await call(owner, "tenant_usage"))["tools"]
        assert (await call(stranger, "tenant_usage"))["tools"]

    connection = await asyncpg.connect(service_url.replace("+asyncpg", ""))
    everything = await _counts(connection, "*")
    of_the_owner = await _counts(connection, "acme")
    of_the_stranger = await _counts(connection, "stranger")
    of_nobody = await _counts(connection, None)
    await connection.close()
    # Each row is somebody's, and seen by nobody else.
    assert {name for name, count in of_the_owner.items() if count} >= {
        *("datasets", "dataset_versions", "notebooks", "notebook_revisions", "jobs", "indexes"),
        *("runs", "run_cells", "run_tasks", "outbox", "usage_events", "lineage", "audit"),
    }
    for name, count in everything.items():
        assert of_the_owner[name] + of_the_stranger[name] == count, name
    assert set(of_nobody.values()) == {0}


async def test_row_security_alone_keeps_everything_of_another_tenant_away(
    service_url: str, tmp_path: Path, zygote: Zygote
) -> None:
    """No query has a condition about the tenant: whatever is not seen, PostgreSQL keeps away."""
    with row_security_alone():
        assert "tenant" not in str(owned_by("acme", NOTEBOOKS))
        async with staged(settings_with_files(tmp_path, service_url), zygote) as scene:
            await no_argument_reaches_anything(scene)
            await no_resource_reaches_anything(scene)
            await no_completion_tells_of_anything(scene)


async def test_without_row_security_it_would_have_been_seen(tmp_path: Path, zygote: Zygote) -> None:
    """Otherwise the test above would be content with conditions that it did not switch off."""
    settings = settings_with_files(tmp_path)
    with row_security_alone():
        async with (
            open_app(settings, is_hosted=True, zygote=zygote) as app,
            AsyncExitStack() as stack,
        ):
            owner = await entered(stack, app, "acme")
            stranger = await entered(stack, app, "stranger")
            await call(owner, "ingest_dataset", source=[{"a": 1}], name="vault_alpha")
            listed = await call(stranger, "list_assets")
            assert [each["name"] for each in listed["assets"]] == ["default.vault_alpha"]


async def _see(connection: asyncpg.Connection, tenant: str | None) -> None:
    if tenant is not None:
        await connection.execute("SELECT set_config('servicetsunami.tenant', $1, true)", tenant)


async def _counts(connection: asyncpg.Connection, tenant: str | None) -> dict[str, int]:
    """How many rows of each table there are to see, and to change."""
    found = {}
    async with connection.transaction():
        await _see(connection, tenant)
        for table in METADATA.sorted_tables:
            found[table.name] = await connection.fetchval(f"SELECT count(*) FROM {table.name}")
            column = next(iter(table.c)).name
            change = f"UPDATE {table.name} SET {column} = {column}"
            if table is AUDIT and found[table.name]:
                with pytest.raises(asyncpg.RaiseError, match="audit records cannot be changed"):
                    async with connection.transaction():
                        await connection.execute(change)
                continue
            assert await connection.execute(change) == f"UPDATE {found[table.name]}"
    return found


@pytest.mark.parametrize(("tenant", "other"), [("acme", "stranger"), ("acme", "*"), (None, "acme")])
async def test_a_row_cannot_be_given_to_another_tenant(
    service_url: str, tenant: str | None, other: str
) -> None:
    await (await Database.open(service_url)).close()
    connection = await asyncpg.connect(service_url.replace("+asyncpg", ""))
    async with connection.transaction():
        await _see(connection, tenant)
        insert = "INSERT INTO tenants (id, metadata_, created_at) VALUES ($1, '{}', now())"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(insert, other)
    await connection.close()


async def test_every_table_is_behind_the_wall_however_it_came_to_be(service_url: str) -> None:
    database = await Database.open(service_url)
    await database.close()
    engines = connect(service_url)
    async with engines.write.begin() as connection:
        created = (await connection.execute(POLICIES)).all()
        await connection.run_sync(METADATA.drop_all)
        await connection.execute(text("DROP TABLE alembic_version"))
        await connection.run_sync(upgrade)
        migrated = (await connection.execute(POLICIES)).all()
    await engines.dispose()

    assert migrated == created
    walled = {row.relname for row in created if row.relforcerowsecurity and row.polname}
    assert walled == set(METADATA.tables)
