"""What is in the data directory, what waits for Databricks, what has been used."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from servicetsunami.domain.caller import LOCAL_TENANT
from servicetsunami.settings import Settings
from servicetsunami.stores.metadata import Metadata

if TYPE_CHECKING:
    from servicetsunami.stores.database import Transaction
    from servicetsunami.stores.usage import ToolTotals

_PAGE = 500
USAGE_PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of one data directory. Sizes are those of the current versions."""

    data_dir: Path
    exists: bool
    datasets: int = 0
    row_count: int = 0
    size_bytes: int = 0
    outbox_items: int = 0
    outbox_parked: int = 0
    outbox_oldest_at: datetime | None = None
    usage: tuple["ToolTotals", ...] = ()

    def as_json(self) -> dict[str, JsonValue]:
        """The status for `status --json`."""
        oldest = self.outbox_oldest_at.isoformat() if self.outbox_oldest_at else None
        return {
            "data_dir": str(self.data_dir),
            "exists": self.exists,
            "datasets": self.datasets,
            "row_count": self.row_count,
            "size_bytes": self.size_bytes,
            "outbox": {
                "items": self.outbox_items,
                "parked": self.outbox_parked,
                "oldest_at": oldest,
            },
            "usage": [asdict(each) for each in self.usage],
            "usage_days": USAGE_PERIOD.days,
        }


async def look(settings: Settings) -> Status:
    """Read the state; a directory that nobody has used yet stays untouched.

    Raises ConfigurationError when the metadata database cannot be used.
    """
    if not settings.database_url and not (settings.data_dir / "metadata.db").exists():
        return Status(data_dir=settings.data_dir, exists=False)
    metadata = Metadata(settings.metadata_url)
    try:
        async with metadata.read() as transaction:
            return await _status(settings.data_dir, transaction)
    finally:
        await metadata.close()


async def _status(data_dir: Path, transaction: "Transaction") -> Status:
    count, rows, size_bytes = await _sizes(transaction)
    depth = await transaction.outbox.depth(LOCAL_TENANT)
    since = datetime.now(UTC) - USAGE_PERIOD
    return Status(
        data_dir=data_dir,
        exists=True,
        datasets=count,
        row_count=rows,
        size_bytes=size_bytes,
        outbox_items=depth.items,
        outbox_parked=depth.parked,
        outbox_oldest_at=depth.oldest_at,
        usage=await transaction.usage.totals(LOCAL_TENANT, since=since),
    )


async def _sizes(transaction: "Transaction") -> tuple[int, int, int]:
    count = rows = size_bytes = 0
    after = None
    while True:
        page = await transaction.datasets.list(LOCAL_TENANT, after=after, limit=_PAGE)
        count += len(page)
        rows += sum(dataset.row_count for dataset in page)
        size_bytes += sum(dataset.size_bytes for dataset in page)
        if len(page) < _PAGE:
            return count, rows, size_bytes
        after = page[-1].name
