"""What is recorded of operations, and how a change of the record is found out."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from servicetsunami.domain.audit import AuditEntry, sealed
from servicetsunami.domain.caller import EVERYTHING, Caller, Scope
from servicetsunami.errors import Denied, NotFound, ServerError
from servicetsunami.services.audit import Audit
from servicetsunami.services.audit_check import AuditCheck
from servicetsunami.stores.connections import connect
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.visibility import only
from servicetsunami.transport.admission import Admission
from servicetsunami.transport.auditing import Auditor

ADA = Caller(tenant="acme", subject="ada", catalog="main", scopes=EVERYTHING, issuer="test")
EVE = replace(ADA, tenant="other", subject="eve")


@pytest.fixture
async def metadata(database_url: str) -> AsyncIterator[Metadata]:
    opened = Metadata(database_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def behind_the_back(url: str) -> AsyncGenerator:
    """A connection of somebody who owns the database, and has its own walls taken down."""
    engines = connect(url)
    async with engines.write.begin() as connection:
        if engines.file is None:
            await connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
            await connection.execute(text("SELECT set_config('servicetsunami.tenant', '*', true)"))
        else:
            await connection.execute(text("DROP TRIGGER audit_update"))
            await connection.execute(text("DROP TRIGGER audit_delete"))
        yield connection
    await engines.dispose()


async def recorded(audit: Audit, count: int, *, tenant: str = "acme") -> None:
    for number in range(1, count + 1):
        audit.note(
            AuditEntry(tenant=tenant, operation="query_dataset", outcome="ok", subject=f"s{number}")
        )
    await audit.flush()


async def faults(metadata: Metadata, key: bytes = b"") -> list[str | None]:
    return [chain.fault for chain in await AuditCheck(metadata, key=key).chains(None)]


async def test_an_operation_is_recorded_with_who_asked_what_and_how_it_ended(
    metadata: Metadata,
) -> None:
    audit = Audit(metadata)
    admission = Admission(watchers=[Auditor(audit).watch])
    secret = {"sql": "SELECT 'Mary Poppins' FROM sales.orders o JOIN x", "max_rows": 5}
    async with admission.admit(
        ADA, Scope.READ, "query_dataset", door="mcp", arguments=secret
    ) as operation:
        pass
    with pytest.raises(NotFound):
        async with admission.admit(
            ADA, Scope.READ, "describe_asset", door="rest", arguments={"name": "token=abcdefghij"}
        ):
            raise NotFound("No.", "Look.")
    await audit.flush()

    failed, done = await audit.tail(ADA, 10)
    assert (done.operation, done.outcome, done.door) == ("query_dataset", "ok", "mcp")
    assert (done.subject, done.issuer, done.request_id) == ("ada", "test", operation.id)
    assert done.assets == ["sales.orders", "x"]
    assert done.arguments is not None
    assert "max_rows=5" in done.arguments
    assert "Mary" not in done.model_dump_json()
    assert (failed.outcome, failed.error, failed.door) == ("failed", "NotFound", "rest")
    assert "abcdefghij" not in failed.model_dump_json()


async def test_a_denied_operation_is_on_disk_before_its_caller_is_answered(
    metadata: Metadata,
) -> None:
    admission = Admission(watchers=[Auditor(Audit(metadata)).watch])
    with pytest.raises(Denied):
        async with admission.admit(
            replace(ADA, scopes=frozenset()), Scope.RUN, "run_job", door="mcp"
        ):
            pass
    [record] = await Audit(metadata).tail(ADA, 10)
    assert (record.operation, record.outcome, record.error) == ("run_job", "denied", "Denied")


async def test_a_tenant_reads_its_own_record_and_only_with_the_scope(metadata: Metadata) -> None:
    audit = Audit(metadata)
    await recorded(audit, 3)
    await recorded(audit, 2, tenant="other")
    with only("other"):
        assert [each.number for each in await audit.tail(EVE, 10)] == [2, 1]
        with pytest.raises(Denied, match="lake:admin"):
            await audit.tail(replace(EVE, scopes=frozenset({Scope.READ})), 10)
    assert [each.number for each in await audit.tail(ADA, 2)] == [3, 2]


TAMPERINGS = {
    "changed": ("UPDATE audit SET subject = 'nobody' WHERE number = 3", "record 3"),
    "changed in its time": ("UPDATE audit SET micros = micros + 1 WHERE number = 3", "record 3"),
    "taken out": ("DELETE FROM audit WHERE number = 3", "record 4"),
    "first ones taken out": ("DELETE FROM audit WHERE number < 3", "record 3"),
    "given a false excuse": ("UPDATE audit SET through = 2 WHERE number = 5", "record 5"),
    "moved": (
        "UPDATE audit SET subject = (SELECT subject FROM audit a WHERE a.number = 3 AND "
        "a.tenant = 'acme') WHERE number = 4",
        "record 4",
    ),
    "sealed anew": (
        "UPDATE audit SET subject = 'nobody', seal = 'f' WHERE number = 3",
        "record 3",
    ),
    "given another past": ("UPDATE audit SET previous = 'f' WHERE number = 3", "record 3"),
}


@pytest.mark.parametrize("how", TAMPERINGS)
async def test_the_first_broken_link_is_named(tmp_path: Path, how: str) -> None:
    database_url = f"sqlite+aiosqlite:///{tmp_path / 'metadata.db'}"
    metadata = Metadata(database_url)
    await recorded(Audit(metadata), 6)
    assert await faults(metadata) == [None]
    statement, named = TAMPERINGS[how]
    async with behind_the_back(database_url) as connection:
        await connection.execute(text(statement))

    [fault] = await faults(metadata)
    assert fault is not None
    assert fault.startswith(f"{named} of acme: ")
    await metadata.close()


async def test_a_chain_that_was_made_anew_is_found_out_by_its_key(
    database_url: str, metadata: Metadata
) -> None:
    await recorded(Audit(metadata, key=b"kept elsewhere"), 3)
    entries = [record.entry async for record in AuditCheck(metadata).records("acme")]
    forged, previous = [], "0" * 64
    for number, entry in enumerate(entries, 1):
        record = sealed(replace(entry, subject="nobody"), number=number, previous=previous, key=b"")
        previous = record.seal
        forged.append(record)
    async with behind_the_back(database_url) as connection:
        for record in forged:
            await connection.execute(
                text(
                    "UPDATE audit SET subject = 'nobody', previous = :previous, seal = :seal "
                    "WHERE number = :number"
                ),
                {"previous": record.previous, "seal": record.seal, "number": record.number},
            )

    assert await faults(metadata) == [None]  # whole by itself, without the key
    [fault] = await faults(metadata, key=b"kept elsewhere")
    assert fault == "record 1 of acme: it was changed, or sealed with another key"


async def test_newest_records_that_were_cut_off_are_missed_by_who_noted_their_seal(
    database_url: str, metadata: Metadata
) -> None:
    await recorded(Audit(metadata), 5)
    check = AuditCheck(metadata)
    [chain] = await check.chains("acme")
    assert await check.holds(chain.seal)
    async with behind_the_back(database_url) as connection:
        await connection.execute(text("DELETE FROM audit WHERE number = 5"))
    assert await faults(metadata) == [None]
    assert not await check.holds(chain.seal)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET subject = 'nobody'", "DELETE FROM audit WHERE number = 3"],
)
async def test_the_database_refuses_to_change_a_record(
    database_url: str, metadata: Metadata, statement: str
) -> None:
    await recorded(Audit(metadata), 3)
    engines = connect(database_url)
    async with engines.write.connect() as connection:
        await _see_all(connection)
        with pytest.raises(DBAPIError, match="cannot be changed"):
            await connection.execute(text(statement))
    await engines.dispose()
    assert await faults(metadata) == [None]


async def _see_all(connection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT set_config('servicetsunami.tenant', '*', true)"))


async def test_several_servers_append_to_one_chain_at_once(database_url: str) -> None:
    servers = [Metadata(database_url) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for server in servers:
            tasks.start_soon(_append_in_turns, Audit(server))
    check = AuditCheck(servers[0])
    chains = await check.chains(None)
    assert [(chain.tenant, chain.last, chain.fault) for chain in chains] == [
        ("acme", 4 * 5 * 3, None),
        ("other", 4 * 5, None),
    ]
    for server in servers:
        await server.close()


async def _append_in_turns(audit: Audit) -> None:
    for _ in range(5):
        audit.note(AuditEntry(tenant="other", operation="x", outcome="ok"))
        await recorded(audit, 3)


async def test_old_records_go_and_the_rest_stays_a_chain(metadata: Metadata) -> None:
    audit = Audit(metadata)
    old = datetime.now(UTC) - timedelta(days=40)
    for day in range(40):
        audit.note(
            AuditEntry(
                tenant="acme", operation="x", outcome="ok", at=old + timedelta(days=day, hours=1)
            )
        )
    await recorded(audit, 1, tenant="other")

    assert await audit.retire(before=datetime.now(UTC) - timedelta(days=30)) == 10
    assert await audit.retire(before=datetime.now(UTC) - timedelta(days=30)) == 0
    acme, other = await AuditCheck(metadata).chains(None)
    assert (acme.first, acme.last, acme.fault) == (11, 41, None)
    assert (other.first, other.fault) == (1, None)
    assert (await audit.tail(ADA, 1))[0].arguments == "records up to number 10"

    assert await audit.retire(before=datetime.now(UTC) - timedelta(days=20)) == 10
    [acme] = await AuditCheck(metadata).chains("acme")
    assert (acme.first, acme.last, acme.fault) == (21, 42, None)


async def test_after_retiring_more_cannot_be_taken_out_unseen(
    database_url: str, metadata: Metadata
) -> None:
    audit = Audit(metadata)
    await recorded(audit, 5)
    await audit.retire(before=datetime.now(UTC) + timedelta(seconds=1))
    await recorded(audit, 3)
    assert await faults(metadata) == [None]
    async with behind_the_back(database_url) as connection:
        await connection.execute(text("DELETE FROM audit WHERE number = 6"))
    [fault] = await faults(metadata)
    assert fault is not None
    assert fault.startswith("record 7 of acme: those before it are gone")


async def test_entries_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    place = tmp_path / "metadata.db"
    place.mkdir()
    metadata = Metadata(f"sqlite+aiosqlite:///{place}")
    audit = Audit(metadata)
    audit.note(AuditEntry(tenant="acme", operation="x", outcome="ok"))
    with pytest.raises(ServerError):
        await audit.flush()
    place.rmdir()
    audit.note(AuditEntry(tenant="acme", operation="y", outcome="ok"))
    await audit.flush()

    assert [each.operation for each in await audit.tail(ADA, 10)] == ["y", "x"]
    await metadata.close()


async def test_of_very_many_refused_credentials_the_number_is_told(metadata: Metadata) -> None:
    audit = Audit(metadata)
    auditor = Auditor(audit)
    refuse = partial(auditor.refused, address="127.0.0.1", path="/mcp")
    for _ in range(500):
        refuse(error=NotFound("The key is not known.", ""))
    await audit.flush()

    records = await audit.tail(replace(ADA, tenant=""), 1000)
    assert len(records) == 51
    assert records[0].arguments == "450 more refused credentials"
    assert records[1].arguments == "from 127.0.0.1 at /mcp: The key is not known."


async def test_of_calls_that_nobody_has_read_the_number_is_told(metadata: Metadata) -> None:
    audit = Audit(metadata)
    auditor = Auditor(audit)
    for _ in range(3):
        auditor.shed()
    await audit.flush()
    await audit.flush()

    [record] = await audit.tail(replace(ADA, tenant=""), 1000)
    assert (record.operation, record.outcome) == ("calls.shed", "limited")
    assert record.arguments == "3 calls refused unread, since too many were in hand"
