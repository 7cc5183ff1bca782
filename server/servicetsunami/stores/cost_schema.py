"""The tables of what things cost: budgets, what Databricks has billed, and work that ran there."""

from sqlalchemy import Column, Double, Identity, Index, String, Table

from servicetsunami.stores.column_types import JSON_VALUE, METADATA, NAME, ROW_ID, UtcDateTime

BUDGETS = Table(
    "budgets",
    METADATA,
    Column("tenant", NAME, primary_key=True),
    Column("list_cost", Double),
    Column("dbus", Double),
    Column("run_seconds", Double),
    Column("set_at", UtcDateTime, nullable=False),
)

COST_REPORTS = Table(
    "cost_reports",
    METADATA,
    Column("tenant", NAME, primary_key=True),
    Column("asked_at", UtcDateTime),
    Column("tried_at", UtcDateTime),
    Column("claimed_until", UtcDateTime),
    Column("report", JSON_VALUE),
    Column("error", JSON_VALUE),
)

REMOTE_WORK = Table(
    "remote_work",
    METADATA,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("tenant", NAME, nullable=False),
    Column("warehouse_id", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("seconds", Double, nullable=False),
    Column("dbus", Double),
    Column("list_cost", Double),
    Index(None, "tenant", "started_at"),
)
