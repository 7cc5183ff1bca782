"""How much a tenant may keep: bytes, rows, and assets of each kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from servicetsunami.domain.outbox import AssetKind
from servicetsunami.errors import LimitExceeded

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction

_MIB: Final = 2**20
_PLURALS: Final = {
    AssetKind.DATASET: "datasets",
    AssetKind.NOTEBOOK: "notebooks",
    AssetKind.JOB: "jobs",
    AssetKind.INDEX: "indexes",
    AssetKind.ENDPOINT: "endpoints",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a tenant keeps on this machine, as it is recorded: nothing is walked through.

    Bytes are of the data files of all versions of datasets, of models and of notebooks.
    """

    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What is allowed to each tenant; 0, or a kind that is missing, stands for no limit."""

    storage_bytes: int = 0
    rows: int = 0
    assets: Mapping[AssetKind, int] = field(default_factory=dict)

    async def check_room(
        self, transaction: "Transaction", tenant: str, kind: AssetKind, *, adding: int = 1
    ) -> None:
        """Refuse one more asset of a kind; in the transaction that adds it, before that.

        Raises LimitExceeded.
        """
        allowed = self.assets.get(kind, 0)
        if not allowed:
            return
        await transaction.tenants.lock(tenant)
        there = await _count(transaction, tenant, kind)
        if there + adding > allowed:
            what = _PLURALS[kind]
            raise LimitExceeded(
                f"You have {there} {what}, and {allowed} are allowed: nothing was kept.",
                f"Delete one with delete_asset, or have the quota of {what} raised.",
            )

    async def check_data(self, transaction: "Transaction", tenant: str) -> None:
        """Refuse data that is too much, in the transaction that has just noted it.

        Raises LimitExceeded, so that nothing of it is committed.
        """
        if not self.storage_bytes and not self.rows:
            return
        await transaction.tenants.lock(tenant)
        stored = await stored_by(transaction, tenant)
        if self.rows and stored.rows > self.rows:
            raise _too_many_rows(f"{stored.rows:,} rows with these", self.rows)
        if self.storage_bytes and stored.size_bytes > self.storage_bytes:
            raise _too_large(f"{_mib(stored.size_bytes)} with this", self.storage_bytes)

    async def check_not_full(self, transaction: "Transaction", tenant: str) -> None:
        """Refuse before anything is read what could not be kept anyway; raises LimitExceeded."""
        if not self.storage_bytes and not self.rows:
            return
        stored = await stored_by(transaction, tenant)
        if self.rows and stored.rows >= self.rows:
            raise _too_many_rows(f"{stored.rows:,} rows", self.rows)
        if self.storage_bytes and stored.size_bytes >= self.storage_bytes:
            raise _too_large(_mib(stored.size_bytes), self.storage_bytes)

    def as_told(self) -> dict[str, int]:
        """What is limited, for an answer; empty where nothing is."""
        found = {"storage_bytes": self.storage_bytes, "rows": self.rows}
        found |= {_PLURALS[kind]: allowed for kind, allowed in self.assets.items()}
        return {name: allowed for name, allowed in found.items() if allowed}


async def stored_by(transaction: "Transaction", tenant: str) -> Stored:
    """What a tenant keeps, added up from its records."""
    rows, size_bytes = await transaction.datasets.stored(tenant)
    models = await transaction.endpoints.totals(tenant)
    notebooks = await transaction.notebooks.totals(tenant)
    others = sum(each.size_bytes for each in (*models, *notebooks))
    return Stored(rows=rows, size_bytes=size_bytes + others)


async def _count(transaction: "Transaction", tenant: str, kind: AssetKind) -> int:
    stores = {
        AssetKind.DATASET: transaction.datasets,
        AssetKind.NOTEBOOK: transaction.notebooks,
        AssetKind.JOB: transaction.jobs,
        AssetKind.INDEX: transaction.indexes,
        AssetKind.ENDPOINT: transaction.endpoints,
    }
    return sum(each.count for each in await stores[kind].totals(tenant))


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:,.1f} MiB"


def _too_many_rows(there: str, allowed: int) -> LimitExceeded:
    return LimitExceeded(
        f"Your datasets would have {there}, and {allowed:,} are allowed: nothing was kept.",
        "Ingest fewer rows, delete a dataset with delete_asset, or have the quota of rows raised.",
    )


def _too_large(there: str, allowed: int) -> LimitExceeded:
    return LimitExceeded(
        f"You would keep {there}, and {_mib(allowed)} are allowed: nothing was kept.",
        "Delete a dataset or a model with delete_asset, or have the quota of storage raised. All "
        "versions of a dataset count.",
    )
