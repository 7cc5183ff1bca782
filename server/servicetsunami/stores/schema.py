"""The tables of the metadata database: one schema for SQLite and for PostgreSQL."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from servicetsunami.stores.audit_table import AUDIT  # noqa: F401 - a part of the schema
from servicetsunami.stores.column_types import (
    JSON_VALUE,
    METADATA,
    NAME,
    ROW_ID,
    UtcDateTime,
    metadata_column,
    metadata_index,
)
from servicetsunami.stores.cost_schema import BUDGETS, COST_REPORTS, REMOTE_WORK

HEAD_REVISION = "0012"
"""The newest migration; a test compares it with the files in migrations/versions."""

TENANTS = Table(
    "tenants",
    METADATA,
    Column("id", NAME, primary_key=True),
    metadata_column(),
    Column("created_at", UtcDateTime, nullable=False),
)
metadata_index(TENANTS)

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", NAME, ForeignKey("tenants.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False, unique=True),
    Column("scopes", JSON_VALUE, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index(None, "tenant", "created_at"),
)

DATASETS = Table(
    "datasets",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", NAME, ForeignKey("tenants.id"), nullable=False),
    Column("schema_name", NAME, nullable=False),
    Column("table_name", NAME, nullable=False),
    Column("columns", JSON_VALUE, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
    Column("origin", String, nullable=False),
    Column("sync_state", String, nullable=False),
    Column("synced_version", BigInteger),
    Column("synced_at", UtcDateTime),
    Column("sync_error", String),
    metadata_column(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)
metadata_index(DATASETS)
# A deleted dataset leaves its name to a successor.
Index(
    "uq_datasets_name",
    DATASETS.c.tenant,
    DATASETS.c.schema_name,
    DATASETS.c.table_name,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

DATASET_VERSIONS = Table(
    "dataset_versions",
    METADATA,
    Column("dataset_id", String, ForeignKey("datasets.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("operation", String, nullable=False),
    Column("rows_written", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("idempotency_key", String),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("dataset_id", "idempotency_key"),
)

LINEAGE = Table(
    "lineage",
    METADATA,
    Column("dataset_id", String, ForeignKey("datasets.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", String, primary_key=True),
    Column("is_write", Boolean, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "dataset_id", "at"),
)

USAGE_EVENTS = Table(
    "usage_events",
    METADATA,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("tenant", NAME, nullable=False),
    Column("subject", String, nullable=False),
    Column("tool", String, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("tokens", BigInteger, nullable=False, server_default="0"),
    Index(None, "tenant", "created_at"),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", ROW_ID, Identity(), primary_key=True),
    Column("tenant", NAME, nullable=False),
    Column("kind", String, nullable=False),
    Column("asset_id", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("change", String, nullable=False),
    Column("payload", JSON_VALUE, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcDateTime),
    Column("lease_owner", String),
    Column("lease_until", UtcDateTime),
    Column("fence", BigInteger, nullable=False),
    Column("last_error", String),
    Column("progress", JSON_VALUE),
    Column("ended_at", UtcDateTime),
    Index(None, "state", "not_before", "id"),
    Index(None, "tenant", "kind", "asset_id", "id"),
    Index("ix_outbox_order", "tenant", "kind", "subject", "id"),
    # An id is never given twice, not even after the newest item was deleted.
    sqlite_autoincrement=True,
)

NOTEBOOKS = Table(
    "notebooks",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", NAME, ForeignKey("tenants.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("format", String, nullable=False),
    Column("language", String, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("sync_state", String, nullable=False),
    Column("synced_revision", BigInteger),
    Column("synced_at", UtcDateTime),
    Column("sync_error", String),
    metadata_column(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)
metadata_index(NOTEBOOKS)
Index(
    "uq_notebooks_name",
    NOTEBOOKS.c.tenant,
    NOTEBOOKS.c.name,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

NOTEBOOK_REVISIONS = Table(
    "notebook_revisions",
    METADATA,
    Column("notebook_id", String, ForeignKey("notebooks.id"), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("sha256", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("cell_count", Integer, nullable=False),
    Column("origin", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", NAME, ForeignKey("tenants.id"), nullable=False),
    Column("subject", String, nullable=False),
    Column("name", NAME, nullable=False),
    Column("notebook", NAME),
    Column("revision", BigInteger),
    Column("parent", String),
    Column("parameters", JSON_VALUE, nullable=False),
    Column("state", String, nullable=False),
    Column("ran_on", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("isolation", String),
    Column("timeout_s", Double, nullable=False),
    Column("cells_total", Integer, nullable=False),
    Column("exit_value", Text),
    Column("error", Text),
    Column("remote", JSON_VALUE, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("owner", String),
    Column("lease_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("job_id", String),
    Column("definition", JSON_VALUE),
    Column("trigger", String, nullable=False, server_default="manual"),
    Column("due_at", UtcDateTime),
    Column("repairs", Integer, nullable=False, server_default="0"),
    Index(None, "tenant", "created_at"),
    Index(None, "state", "lease_until"),
    Index("ix_runs_job_id_state", "job_id", "state"),
    # A fire time of a schedule begins one run, however many servers look.
    Index("uq_runs_job_id_due_at", "job_id", "due_at", unique=True),
)

RUN_CELLS = Table(
    "run_cells",
    METADATA,
    Column("run_id", String, ForeignKey("runs.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("title", String),
    Column("state", String, nullable=False),
    Column("outputs", JSON_VALUE, nullable=False),
    Column("seconds", Double),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", NAME, ForeignKey("tenants.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("definition", JSON_VALUE, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("next_fire_at", UtcDateTime),
    Column("sync_state", String, nullable=False),
    Column("synced_revision", BigInteger),
    Column("synced_at", UtcDateTime),
    Column("sync_error", String),
    metadata_column(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Index(None, "next_fire_at"),
)
metadata_index(JOBS)
Index(
    "uq_jobs_name",
    JOBS.c.tenant,
    JOBS.c.name,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

INDEXES = Table(
    "indexes",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", NAME, ForeignKey("tenants.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("model", String, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("follows", JSON_VALUE),
    Column("follows_version", Integer),
    Column("sync_state", String, nullable=False),
    Column("synced_version", BigInteger),
    Column("synced_at", UtcDateTime),
    Column("sync_error", String),
    metadata_column(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)
metadata_index(INDEXES)
Index(
    "uq_indexes_name",
    INDEXES.c.tenant,
    INDEXES.c.name,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

ENDPOINTS = Table(
    "endpoints",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", NAME, ForeignKey("tenants.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("place", String, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("serving", BigInteger),
    Column("sync_state", String, nullable=False),
    Column("synced_revision", BigInteger),
    Column("synced_at", UtcDateTime),
    Column("sync_error", String),
    metadata_column(),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)
metadata_index(ENDPOINTS)
Index(
    "uq_endpoints_name",
    ENDPOINTS.c.tenant,
    ENDPOINTS.c.name,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

ENDPOINT_VERSIONS = Table(
    "endpoint_versions",
    METADATA,
    Column("endpoint_id", String, ForeignKey("endpoints.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String, nullable=False),
    Column("reason", Text),
    Column("flavour", String, nullable=False),
    Column("source", String, nullable=False),
    Column("file", String),
    Column("sha256", String),
    Column("size_bytes", BigInteger, nullable=False),
    Column("signature", JSON_VALUE, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

RUN_TASKS = Table(
    "run_tasks",
    METADATA,
    Column("run_id", String, ForeignKey("runs.id"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("tenant", NAME, nullable=False),
    Column("position", Integer, nullable=False),
    Column("is_newest", Boolean, nullable=False),
    Column("state", String, nullable=False),
    Column("parent", String),
    Column("input", JSON_VALUE),
    Column("outcome", String),
    Column("error", Text),
    Column("output", JSON_VALUE, nullable=False),
    Column("values", JSON_VALUE, nullable=False),
    Column("child", String),
    Column("not_before", UtcDateTime),
    Column("owner", String),
    Column("lease_until", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Index(None, "state", "not_before"),
    Index(None, "state", "lease_until"),
    Index(None, "run_id", "state"),
    Index(None, "child"),
)

COSTS = (BUDGETS, COST_REPORTS, REMOTE_WORK)
"""The tables of what things cost, which have a file of their own."""
