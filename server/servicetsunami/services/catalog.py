"""Finds what SQL names: the caller's datasets, in the version that the statement asks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName, DatasetVersion, Snapshot
from servicetsunami.engines.sql.engine import Admitted, AdmittedTable
from servicetsunami.errors import InvalidInput
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import table_location
from servicetsunami.stores.tables.snapshot import TableReader

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAsked:
    """A table as a statement names it; at most one of `version` and `timestamp` is given."""

    name: DatasetName
    version: int | None = None
    timestamp: str | None = None

    @classmethod
    def of(cls, table: AdmittedTable) -> Self:
        """Take over a table of an admitted statement."""
        return cls(
            name=DatasetName.of(table.name), version=table.version, timestamp=table.timestamp
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFound:
    """The dataset that was meant, and the version of it that will be read."""

    dataset: Dataset
    version: DatasetVersion
    snapshot: Snapshot

    @property
    def read(self) -> tuple[str, int, str]:
        """The table's name, its version, and since when that version is the newest."""
        return str(self.dataset.name), self.version.version, self.version.created_at.isoformat()


class Catalog:
    """The datasets of a tenant, as SQL sees them."""

    def __init__(self, metadata: Metadata, reader: TableReader, *, data_dir: Path) -> None:
        self._metadata = metadata
        self.reader = reader
        self._data_dir = data_dir

    async def find(self, caller: Caller, asked: Iterable[TableAsked]) -> list[TableFound]:
        """Return what was asked for, in that order; one consistent state of the metadata.

        Only acknowledged versions count: what a crash has left in a table is never seen.
        Raises NotFound for an unknown dataset or version.
        """
        async with self._metadata.read() as transaction:
            datasets = transaction.datasets
            found = [
                await _version(transaction, await datasets.get(caller.tenant, table.name), table)
                for table in asked
            ]
        return [await self._opened(dataset, version) for dataset, version in found]

    async def look(
        self, caller: Caller, asked: Iterable[TableAsked | None]
    ) -> list[TableFound | None]:
        """Do the same, with None for a dataset that is not here, and for what is None itself.

        Raises NotFound for a version that a dataset does not have.
        """
        asked = list(asked)
        if not any(asked):
            return [None] * len(asked)
        found: list[tuple[Dataset, DatasetVersion] | None] = []
        async with self._metadata.read() as transaction:
            for table in asked:
                dataset = None
                if table is not None:
                    dataset = await transaction.datasets.find(caller.tenant, table.name)
                if table is None or dataset is None:
                    found.append(None)
                else:
                    found.append(await _version(transaction, dataset, table))
        return [None if each is None else await self._opened(*each) for each in found]

    async def _opened(self, dataset: Dataset, version: DatasetVersion) -> TableFound:
        snapshot = await self._snapshot(dataset, version.version)
        return TableFound(dataset=dataset, version=version, snapshot=snapshot)

    async def _snapshot(self, dataset: Dataset, version: int) -> Snapshot:
        location = table_location(self._data_dir, dataset.tenant, dataset.id)
        return await to_thread.run_sync(partial(self.reader.snapshot, location, version=version))


async def _version(
    transaction: "Transaction", dataset: Dataset, table: TableAsked
) -> tuple[Dataset, DatasetVersion]:
    datasets, tenant = transaction.datasets, dataset.tenant
    if table.timestamp is not None:
        instant = parse_timestamp(table.timestamp)
        return dataset, await datasets.version_at(tenant, dataset.id, instant)
    number = dataset.version if table.version is None else table.version
    return dataset, await datasets.version(tenant, dataset.id, number)


def snapshots_of(admitted: Admitted, found: Sequence[TableFound]) -> dict[str, Snapshot]:
    """What each view of an admitted statement has to show; `found` in the order of its tables."""
    return {table.view: there.snapshot for table, there in zip(admitted.tables, found, strict=True)}


def parse_timestamp(text: str) -> datetime:
    """Read the instant of TIMESTAMP AS OF; without a zone it is in UTC, like all of SQL here."""
    try:
        instant = datetime.fromisoformat(text.strip())
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{text!r} is not a timestamp.", "Write TIMESTAMP AS OF '2026-01-31 12:00:00'."
        ) from error
