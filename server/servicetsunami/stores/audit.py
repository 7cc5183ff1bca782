"""The audit record: rows that can be added and read, and nothing else.

Databases refuse to change them, whoever asks (see `append_only`). The oldest ones may go, once a
record that says so is in the chain behind them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, delete, func, insert, select, text

from servicetsunami.domain.audit import ENTRY_FIELDS, GENESIS, AuditEntry, AuditRecord, sealed
from servicetsunami.stores.audit_table import AUDIT
from servicetsunami.stores.connection import Connection
from servicetsunami.stores.scope import owned_by, remembered

# Any constant will do, as long as all servers lock the same one.
_APPENDING: Final = 7_310_573_015


class AuditTrail:
    """The chains of all tenants."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def append(self, entries: Sequence[AuditEntry], *, key: bytes) -> None:
        """Seal entries and add them to their tenants' chains, in the order given."""
        await self._take_turn()
        heads: dict[str, tuple[int, str]] = {}
        rows = []
        for entry in entries:
            number, seal = heads.get(entry.tenant) or await self._head(entry.tenant)
            record = sealed(entry, number=number + 1, previous=seal, key=key)
            heads[entry.tenant] = record.number, record.seal
            rows.append(_to_row(record))
        await self._connection.execute(insert(AUDIT), rows)

    async def last(self, tenant: str, *, limit: int) -> tuple[AuditRecord, ...]:
        """The newest records of a tenant, newest first."""
        statement = select(AUDIT).where(owned_by(tenant, AUDIT)).order_by(AUDIT.c.number.desc())
        found = await self._connection.execute(statement.limit(limit))
        return tuple(_to_record(row) for row in found)

    async def page(
        self, tenant: str, *, after: int, limit: int, since: datetime | None = None
    ) -> tuple[AuditRecord, ...]:
        """Records of a tenant behind the one of that number, oldest first."""
        statement = select(AUDIT).where(owned_by(tenant, AUDIT), AUDIT.c.number > after)
        if since is not None:
            statement = statement.where(AUDIT.c.at >= since)
        found = await self._connection.execute(statement.order_by(AUDIT.c.number).limit(limit))
        return tuple(_to_record(row) for row in found)

    async def tenants(self) -> tuple[str, ...]:
        """The tenants that have a chain."""
        statement = select(AUDIT.c.tenant).distinct().order_by(AUDIT.c.tenant)
        return tuple((await self._connection.execute(statement)).scalars())

    async def last_before(self, tenant: str, moment: datetime) -> int | None:
        """The newest record from before a moment, or None. Taken by number, so without a gap."""
        await self._take_turn()
        kept = select(func.min(AUDIT.c.number)).where(owned_by(tenant, AUDIT), AUDIT.c.at >= moment)
        first_kept = (await self._connection.execute(kept)).scalar()
        statement = select(func.max(AUDIT.c.number)).where(owned_by(tenant, AUDIT))
        if first_kept is not None:
            statement = statement.where(AUDIT.c.number < first_kept)
        return (await self._connection.execute(statement)).scalar()

    async def forget(self, tenant: str, *, through: int) -> int:
        """Delete the records up to that one, which a record behind them has to name; how many."""
        statement = delete(AUDIT).where(owned_by(tenant, AUDIT), AUDIT.c.number <= through)
        return (await self._connection.execute(statement)).rowcount

    async def _head(self, tenant: str) -> tuple[int, str]:
        newest = (await self._connection.execute(_newest(tenant))).one_or_none()
        return (newest.number, newest.seal) if newest else (0, GENESIS)

    async def _take_turn(self) -> None:
        """Have servers append one after another; SQLite lets only one write anyway."""
        if self._connection.dialect.name == "postgresql":
            await self._connection.execute(text(f"SELECT pg_advisory_xact_lock({_APPENDING})"))


@remembered
def _newest(tenant: str) -> Select[int, str]:
    newest_first = AUDIT.c.number.desc()
    statement = select(AUDIT.c.number, AUDIT.c.seal).where(owned_by(tenant, AUDIT))
    return statement.order_by(newest_first).limit(1)


def _to_row(record: AuditRecord) -> dict[str, Any]:
    place = {"number": record.number, "previous": record.previous, "seal": record.seal}
    return record.entry.values() | place


def _to_record(row: Row[Any]) -> AuditRecord:
    entry = AuditEntry(**{name: getattr(row, name) for name in ENTRY_FIELDS})
    return AuditRecord(number=row.number, previous=row.previous, seal=row.seal, entry=entry)
