"""What stands on Databricks: tables under their full names, and how the workspace is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from servicetsunami.domain.dataset import Column
from servicetsunami.errors import InvalidInput

_PARTS = 3
_FORBIDDEN = frozenset("/\0\n\r\t")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableAddress:
    """`catalog.schema.table` in Unity Catalog, in lower case as it keeps names."""

    catalog: str
    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.table}"

    @property
    def sql(self) -> str:
        """The name as SQL writes it: each part in backticks."""
        return ".".join(backticked(part) for part in (self.catalog, self.schema, self.table))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a full name; parts may be in backticks. Raises InvalidInput for anything else."""
        parts = [part.strip().strip("`").lower() for part in text.split(".")]
        usable = all(part and not _FORBIDDEN.intersection(part) for part in parts)
        if len(parts) != _PARTS or not usable:
            raise InvalidInput(
                f"{text[:200]!r} is not the full name of a table on Databricks.",
                "Write catalog.schema.table.",
            )
        return cls(catalog=parts[0], schema=parts[1], table=parts[2])


def backticked(name: str) -> str:
    """Quote an identifier for Databricks SQL."""
    return "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTable:
    """A table of Unity Catalog; `kind` is its table_type, such as MANAGED, EXTERNAL or VIEW."""

    address: TableAddress
    kind: str
    columns: tuple[Column, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    table_id: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceHealth:
    """How a workspace was at one moment; `error` and `next_step` when not all is well."""

    reachable: bool
    authenticated: bool
    user: str | None
    warehouse_id: str | None
    warehouse_state: str | None
    breaker_state: str
    error: str | None
    next_step: str | None
    checked_at: datetime
    latency_ms: int
