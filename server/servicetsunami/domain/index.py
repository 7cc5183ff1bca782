"""A vector index: documents in a dataset, found by meaning, by words, or by both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from servicetsunami.domain.dataset import DatasetName, SyncState

ID: Final = "id"
TEXT: Final = "text"
VECTOR: Final = "vector"
DOCUMENT: Final = "document_id"
CHUNK: Final = "chunk"
FINGERPRINT: Final = "fingerprint"
OWN_VECTORS: Final = "own vectors"
"""Stands for the model of an index whose vectors come with its documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The text column of a dataset that an index follows; `key` names its rows."""

    dataset: DatasetName
    dataset_id: str
    key: str
    text: str
    columns: tuple[str, ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_stored` wrote."""
        return cls(
            dataset=DatasetName.of(stored["dataset"]),
            dataset_id=stored["dataset_id"],
            key=stored["key"],
            text=stored["text"],
            columns=tuple(stored["columns"]),
        )

    def as_stored(self) -> dict[str, Any]:
        """What the metadata keep of it."""
        return {
            "dataset": str(self.dataset),
            "dataset_id": self.dataset_id,
            "key": self.key,
            "text": self.text,
            "columns": list(self.columns),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the metadata remembers of an index.

    Its documents are the rows of the dataset of the same name: `id`, `text`, `vector`, and columns
    of their own; a long one is several rows, with `document_id` and `chunk`. `model` made all its
    vectors; those of two models are never compared. `version` is the newest one of its documents,
    None before the first; `follows_version` the one of the dataset it follows that has been taken
    in whole. `metadata` has what is known of it on Databricks.
    """

    id: str
    tenant: str
    name: DatasetName
    model: str
    dimension: int
    created_at: datetime
    updated_at: datetime
    follows: Followed | None = None
    follows_version: int | None = None
    version: int | None = None
    sync_state: SyncState = SyncState.WAITING
    synced_version: int | None = None
    synced_at: datetime | None = None
    sync_error: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A document that was found, with what each way of searching thinks of it."""

    id: str
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
