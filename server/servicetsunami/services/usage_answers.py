"""What crosses a wire about usage."""

from typing import Annotated

from servicetsunami.services.answers import AS_OBJECT, Answer


class KindUsage(Answer):
    """The assets of one kind; `synced_percent` leaves out those that are not to be sent."""

    kind: str
    count: int
    synced: int
    waiting: int
    parked: int
    off: int
    synced_percent: float | None = None
    row_count: int | None = None
    size_bytes: int


class ToolUsage(Answer):
    """The calls of one tool."""

    tool: str
    calls: int
    errors: int
    rows: int
    seconds: float
    tokens: int | None = None


class DayUsage(Answer):
    """One day in UTC."""

    day: str
    calls: int
    errors: int
    rows: int


class OutboxUsage(Answer):
    """What is on its way to Databricks."""

    waiting: int
    parked: int
    oldest_at: str | None = None


class UsageAnswer(Answer):
    """What a tenant has, and what it used since `since`; all of it counted, none estimated."""

    catalog: str
    period: str
    since: str
    as_of: str
    is_exact: bool
    assets: list[Annotated[KindUsage, AS_OBJECT]]
    storage_bytes: int
    storage_note: str
    tools: list[Annotated[ToolUsage, AS_OBJECT]]
    days: list[Annotated[DayUsage, AS_OBJECT]]
    outbox: Annotated[OutboxUsage, AS_OBJECT]
    databricks: str
