"""What an index looks like on Databricks: its name, its kind, and the columns that it has there.

Where its dataset is sent, the index reads that table (delta sync); otherwise its rows are put into
it (direct access). Both hold the vectors that were made here: see docs/decisions/0014.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from servicetsunami.domain.dataset import Column, DatasetName
from servicetsunami.domain.index import ID, TEXT, VECTOR
from servicetsunami.domain.remote import TableAddress

SUFFIX: Final = "_index"
"""An index and the table that it reads stand in one schema, so they cannot have one name."""
MODEL_PROPERTY: Final = "servicetsunami.embedding_model"
"""The table property that tells others which model made the vectors, so that they can search."""
_TYPES: Final[Mapping[str, str]] = {
    "tinyint": "integer",
    "smallint": "integer",
    "int": "integer",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}
_SYNONYMS: Final[Mapping[str, str]] = {"int": "integer", "bigint": "long"}


class IndexKind(StrEnum):
    """How an index on Databricks gets its rows."""

    DELTA_SYNC = "DELTA_SYNC"
    DIRECT_ACCESS = "DIRECT_ACCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexThere:
    """What is known of an index on Databricks, noted before it is made there.

    `version` of the dataset `dataset_id` is delivered as a whole; it is None while anything of
    another version may be there, which is one of `touched`. `columns` are those that it was made
    with. `left_out` counts rows that have no id or no vector, which such an index cannot hold.
    """

    kind: IndexKind
    endpoint: str
    endpoint_id: str
    dataset_id: str
    columns: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    left_out: int = 0
    touched: Sequence[int] = ()

    KEY: ClassVar[str] = "there"

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "Self | None":
        """Read what `as_metadata` wrote; None for an index that was never there."""
        found: Any = metadata.get(cls.KEY)
        if not found:
            return None
        return cls(
            kind=IndexKind(found["kind"]),
            endpoint=found["endpoint"],
            endpoint_id=found["endpoint_id"],
            dataset_id=found["dataset_id"],
            columns=found["columns"],
            version=found["version"],
            left_out=found["left_out"],
            touched=tuple(found["touched"]),
        )

    def as_metadata(self) -> dict[str, object]:
        """What an index's metadata keep of it."""
        return {
            self.KEY: {
                "kind": self.kind.value,
                "endpoint": self.endpoint,
                "endpoint_id": self.endpoint_id,
                "dataset_id": self.dataset_id,
                "columns": dict(self.columns),
                "version": self.version,
                "left_out": self.left_out,
                "touched": list(self.touched),
            }
        }


def name_there(catalog: str, name: DatasetName) -> TableAddress:
    """The full name of an index of ours."""
    return TableAddress(catalog=catalog, schema=name.schema, table=f"{name.table}{SUFFIX}")


def name_here(there: TableAddress) -> DatasetName | None:
    """Which index of ours would have that name; None for a name that none of ours has."""
    table = there.table.removesuffix(SUFFIX)
    if not table or table == there.table:
        return None
    return DatasetName(schema=there.schema, table=table)


def type_there(kind: str) -> str:
    """The type of a column in a direct access index; what that lacks goes as text."""
    return _TYPES.get(kind.lower(), "string")


def columns_there(columns: Sequence[Column]) -> dict[str, str]:
    """Name and type of all columns of a direct access index."""
    types = {column.name: type_there(column.type) for column in columns}
    return types | {ID: "string", TEXT: "string", VECTOR: "array<float>"}


def spec_there(
    address: TableAddress, table: TableAddress, there: IndexThere, *, dimension: int
) -> dict[str, Any]:
    """What Databricks is asked to make."""
    vectors = [{"name": VECTOR, "embedding_dimension": dimension}]
    spec: dict[str, Any] = {
        "name": str(address),
        "endpoint_name": there.endpoint,
        "primary_key": ID,
        "index_type": there.kind.value,
    }
    if there.kind is IndexKind.DELTA_SYNC:
        spec["delta_sync_index_spec"] = {
            "source_table": str(table),
            "pipeline_type": "TRIGGERED",
            "embedding_vector_columns": vectors,
        }
    else:
        spec["direct_access_index_spec"] = {
            "embedding_vector_columns": vectors,
            "schema_json": json.dumps(dict(there.columns)),
        }
    return spec


def same_schema(ours: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    """Whether two schemas mean the same: Databricks writes types its own way, or nothing."""
    return not theirs or _plain(ours) == _plain(theirs)


def _plain(schema: Mapping[str, str]) -> dict[str, str]:
    return {name: _SYNONYMS.get(kind, kind) for name, kind in schema.items()}
