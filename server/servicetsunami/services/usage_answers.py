"""What crosses a wire about usage."""

from typing import Annotated

from servicetsunami.services.answers import AS_OBJECT, Answer, AnyObject


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


class Figure(Answer):
    """One number as of the answer's `as_of`, and whether it was counted or estimated."""

    value: float | int
    is_exact: bool
    note: str | None = None


class ProductCost(Answer):
    """What one product of Databricks was billed for; exact unless it is a share."""

    product: str
    dbus: float
    list_cost: float | None = None
    is_exact: bool


class CostAnswer(Answer):
    """What Databricks billed in the period; what it has not billed yet is in `estimated_since`.

    `state` is `known`, `not available` with `why` and `next`, or `not read yet`.
    """

    state: str
    as_of: str | None = None
    covered_until: str | None = None
    is_being_read: bool | None = None
    dbus: float | None = None
    list_cost: float | None = None
    currency: str | None = None
    is_exact: bool | None = None
    products: list[ProductCost] | None = None
    estimated_since: AnyObject | None = None
    why: str | None = None
    next: str | None = None


class UsageAnswer(Answer):
    """What a tenant has, and what it used since `since`; `budget` is of the calendar month."""

    catalog: str
    period: str
    since: str
    as_of: str
    assets: list[Annotated[KindUsage, AS_OBJECT]]
    storage_bytes: int
    figures: Annotated[dict[str, Figure], AS_OBJECT]
    tools: list[Annotated[ToolUsage, AS_OBJECT]]
    days: list[Annotated[DayUsage, AS_OBJECT]]
    outbox: Annotated[OutboxUsage, AS_OBJECT]
    databricks: str
    cost: Annotated[CostAnswer, AS_OBJECT] | None = None
    budget: AnyObject | None = None
    quotas: AnyObject | None = None
