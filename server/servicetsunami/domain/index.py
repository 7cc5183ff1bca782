"""A vector index: documents in a dataset, found by meaning, by words, or by both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from servicetsunami.domain.dataset import DatasetName, SyncState

ID: Final = "id"
TEXT: Final = "text"
VECTOR: Final = "vector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the metadata remembers of an index.

    Its documents are the rows of the dataset of the same name: `id`, `text`, `vector`, and columns
    of their own. `model` made all its vectors; those of two models are never compared. `version` is
    the newest one of its documents, None before the first; `metadata` what is known of it there.
    """

    id: str
    tenant: str
    name: DatasetName
    model: str
    dimension: int
    created_at: datetime
    updated_at: datetime
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
