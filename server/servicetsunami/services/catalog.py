"""Finds what SQL names: the caller's datasets, in the version that the statement asks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

from anyio import to_thread

from servicetsunami.domain.caller import Caller
from servicetsunami.domain.dataset import Dataset, DatasetName, DatasetVersion, Snapshot
from servicetsunami.engines.sql.engine import Admitted, AdmittedTable
from servicetsunami.errors import InvalidInput
from servicetsunami.stores.metadata import Metadata
from servicetsunami.stores.tables.location import table_location
from servicetsunami.stores.tables.snapshot import TableReader


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
        self._reader = reader
        self._data_dir = data_dir

    async def find(self, caller: Caller, asked: Iterable[TableAsked]) -> list[TableFound]:
        """Return what was asked for, in that order; one consistent state of the metadata.

        Only acknowledged versions count: what a crash has left in a table is never seen.
        Raises NotFound for an unknown dataset or version.
        """
        found = []
        async with self._metadata.read() as transaction:
            for table in asked:
                dataset = await transaction.datasets.get(caller.tenant, table.name)
                if table.timestamp is not None:
                    version = await transaction.datasets.version_at(
                        caller.tenant, dataset.id, parse_timestamp(table.timestamp)
                    )
                else:
                    number = dataset.version if table.version is None else table.version
                    version = await transaction.datasets.version(caller.tenant, dataset.id, number)
                found.append((dataset, version))
        return [
            TableFound(
                dataset=dataset,
                version=version,
                snapshot=await self._snapshot(dataset, version.version),
            )
            for dataset, version in found
        ]

    async def _snapshot(self, dataset: Dataset, version: int) -> Snapshot:
        location = table_location(self._data_dir, dataset.tenant, dataset.id)
        return await to_thread.run_sync(partial(self._reader.snapshot, location, version=version))


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
