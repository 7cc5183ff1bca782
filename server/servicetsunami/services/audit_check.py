"""Checks the chains of the audit record, and names the first link that is broken."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from servicetsunami.domain.audit import GENESIS, AuditRecord, is_genuine
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.visibility import everybody

_PAGE_RECORDS: Final = 1_000
SERVER_NAME: Final = "(server)"
"""What the server's own chain is called."""


@dataclass(slots=True)
class ChainFound:
    """A tenant's chain: how long it is, its newest seal, and what is wrong with it, if anything.

    `first` is above 1 where older records were given up.
    """

    tenant: str
    first: int = 0
    last: int = 0
    seal: str = GENESIS
    fault: str | None = None


class AuditCheck:
    """Reads the record of all tenants; `key` is the one that sealed it."""

    def __init__(self, metadata: Metadata, *, key: bytes = b"") -> None:
        self._metadata = metadata
        self._key = key

    async def chains(self, tenant: str | None) -> list[ChainFound]:
        """Check one chain, or all of them."""
        return [await self._check(each) for each in await self.tenants(tenant)]

    async def holds(self, seal: str) -> bool:
        """Whether a seal that was noted elsewhere is still in one of the chains."""
        for tenant in await self.tenants(None):
            async for record in self.records(tenant):
                if record.seal == seal:
                    return True
        return False

    async def tenants(self, tenant: str | None) -> tuple[str, ...]:
        """That tenant, or all that have a chain."""
        if tenant is not None:
            return (tenant,)
        with everybody():
            async with self._metadata.read() as transaction:
                return await transaction.audit.tenants()

    async def records(
        self, tenant: str, *, since: datetime | None = None
    ) -> AsyncGenerator[AuditRecord]:
        """The records of a chain, oldest first, read page by page."""
        after = 0
        while True:
            with everybody():
                async with self._metadata.read() as transaction:
                    page = await transaction.audit.page(
                        tenant, after=after, limit=_PAGE_RECORDS, since=since
                    )
            for record in page:
                yield record
            if len(page) < _PAGE_RECORDS:
                return
            after = page[-1].number

    async def _check(self, tenant: str) -> ChainFound:
        chain = ChainFound(tenant)
        given_up = 0
        async for record in self.records(tenant):
            if not chain.first:
                chain.first, chain.last = record.number, record.number - 1
                chain.seal = record.previous
            fault = self._fault(record, chain)
            if fault is not None:
                chain.fault = f"record {record.number} of {tenant or SERVER_NAME}: {fault}"
                return chain
            chain.last, chain.seal = record.number, record.seal
            given_up = max(given_up, record.entry.through or 0)
        if chain.first > 1 and given_up != chain.first - 1:
            chain.fault = (
                f"record {chain.first} of {tenant or SERVER_NAME}: those before it are gone, "
                "and no record says that they were given up"
            )
        return chain

    def _fault(self, record: AuditRecord, chain: ChainFound) -> str | None:
        if record.number != chain.last + 1:
            return f"it follows number {chain.last}, so records between them are missing"
        if record.previous != chain.seal:
            return "it does not follow the record before it"
        if record.number == 1 and record.previous != GENESIS:
            return "it is not the first one that was made"
        if not is_genuine(record, key=self._key):
            return "it was changed, or sealed with another key"
        return None
