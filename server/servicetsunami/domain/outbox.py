"""A promised change towards Databricks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AssetKind(StrEnum):
    """The kinds of thing a tenant owns."""

    DATASET = "dataset"
    NOTEBOOK = "notebook"
    JOB = "job"
    INDEX = "index"
    ENDPOINT = "endpoint"


class Change(StrEnum):
    """What happened to the asset."""

    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One change that Databricks must learn of, in the order of `id` per asset."""

    id: int
    tenant: str
    kind: AssetKind
    asset_id: str
    subject: str
    change: Change
    payload: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime
