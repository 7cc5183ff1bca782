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
    """One change that Databricks must learn of, in the order of `id` per kind and subject.

    The order goes by the subject, which is the name there: a successor of the same name has to
    wait until its predecessor is gone.
    """

    id: int
    tenant: str
    kind: AssetKind
    asset_id: str
    subject: str
    change: Change
    payload: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedItem:
    """An item that one worker may deliver until `lease_until`.

    `fence` grows with every claim: only who has the newest one can end the item. `attempts` counts
    the claims, this one included, and `progress` is what earlier ones have noted.
    """

    item: OutboxItem
    fence: int
    attempts: int
    progress: Mapping[str, object] = field(default_factory=dict)
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What is on its way for one kind and subject, and what holds it up.

    `next_at` is None where the next try may come at any moment. `is_held`: a budget that is used up
    keeps it back, and nothing is wrong with it.
    """

    kind: AssetKind
    subject: str
    waiting: int
    parked: int
    oldest_at: datetime
    attempts: int
    last_error: str | None
    next_at: datetime | None
    is_held: bool = False
