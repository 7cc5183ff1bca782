"""A dataset: a Delta table named `schema.table` inside the tenant's catalog."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from servicetsunami.errors import InvalidInput

DEFAULT_SCHEMA = "default"
_PART = re.compile(r"[a-z_][a-z0-9_]{0,127}")
_RESERVED_SCHEMAS = frozenset({"information_schema"})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DatasetName:
    """`schema.table`, in lower case as Unity Catalog keeps names."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Read back what `str` printed."""
        schema, _, table = text.partition(".")
        return cls(schema=schema, table=table)

    @classmethod
    def parse(cls, text: str, *, catalog: str) -> Self:
        """Read `table`, `schema.table` or `catalog.schema.table`; parts may be in backticks.

        Raises InvalidInput for a part that no Databricks table could be called, and for
        another catalog than the tenant's.
        """
        parts = [part.strip().strip("`").lower() for part in text.split(".")]
        if len(parts) == 3 and parts[0] == catalog.lower():
            parts = parts[1:]
        if len(parts) == 3:
            raise InvalidInput(
                f"The name {text!r} is in another catalog than yours.",
                f"Your catalog is {catalog!r}: use schema.table or {catalog}.schema.table.",
            )
        if len(parts) == 1:
            parts = [DEFAULT_SCHEMA, *parts]
        if len(parts) != 2 or not all(map(_PART.fullmatch, parts)) or parts[0] in _RESERVED_SCHEMAS:
            raise InvalidInput(
                f"{text!r} cannot name a dataset.",
                "Use table or schema.table: letters, digits and _, not starting with a digit.",
            )
        return cls(schema=parts[0], table=parts[1])


class WriteMode(StrEnum):
    """How new rows meet the rows that are there."""

    CREATE = "create"
    APPEND = "append"
    OVERWRITE = "overwrite"
    MERGE = "merge"


class SyncState(StrEnum):
    """Where the dataset stands on its way to Databricks."""

    WAITING = "waiting"
    SYNCED = "synced"
    PARKED = "parked"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; `type` is Databricks SQL type text, such as `array<decimal(10,2)>`."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Where a dataset was copied from: a table on Databricks, in its version there.

    `version` is None for what has none, such as a view.
    """

    table: str
    version: int | None
    at: datetime

    KEY: ClassVar[str] = "pulled"

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "Self | None":
        """Read what `as_metadata` wrote; None for a dataset that was not pulled."""
        found = metadata.get(cls.KEY)
        if not isinstance(found, Mapping):
            return None
        version, at = found["version"], datetime.fromisoformat(str(found["at"]))
        return cls(table=str(found["table"]), version=version, at=at)

    def as_metadata(self) -> dict[str, object]:
        """What a dataset's metadata keep of it."""
        at = self.at.isoformat()
        return {self.KEY: {"table": self.table, "version": self.version, "at": at}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What the metadata remembers of a dataset.

    `version` is the Delta version that was acknowledged. The table on disk may be ahead of it
    after a crash; whatever is ahead was never promised to anybody and is undone by the next write.
    `size_bytes` is of the newest version, `stored_bytes` of the data files of all versions.
    """

    id: str
    tenant: str
    name: DatasetName
    columns: tuple[Column, ...]
    version: int
    row_count: int
    size_bytes: int
    origin: str
    created_at: datetime
    updated_at: datetime
    sync_state: SyncState = SyncState.WAITING
    synced_version: int | None = None
    synced_at: datetime | None = None
    sync_error: str | None = None
    stored_bytes: int = 0
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def pulled(self) -> Pulled | None:
        """Where on Databricks it was copied from, if it was."""
        return Pulled.of(self.metadata)

    @property
    def agreed_at(self) -> datetime | None:
        """When it was last known to be the same here and on Databricks."""
        return self.pulled.at if self.pulled else self.synced_at


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One acknowledged change of a dataset: a Delta version with what it did."""

    version: int
    operation: str
    rows_written: int
    row_count: int
    created_at: datetime
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionVector:
    """Row numbers (from 0) of one data file that a reader must leave out."""

    file: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One version of a table, as a reader needs it.

    `files` are absolute paths of Parquet files. A file may lack columns that were added later;
    `columns` is the truth. `partition_columns` stand in the paths, not in the files.
    """

    version: int
    created_at: datetime
    columns: tuple[Column, ...]
    files: tuple[str, ...]
    row_count: int
    size_bytes: int
    partition_columns: tuple[str, ...] = ()
    deletion_vectors: tuple[DeletionVector, ...] = ()
