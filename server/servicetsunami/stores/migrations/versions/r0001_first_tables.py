"""Tenants, datasets and their versions, usage events and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of the first release."""
    _create_tenants()
    _create_datasets()
    _create_dataset_versions()
    _create_usage_events()
    _create_outbox()


def downgrade() -> None:
    """Drop them, children first."""
    for table in ("outbox", "usage_events", "dataset_versions", "datasets", "tenants"):
        op.drop_table(table)


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("metadata_", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
    )
    _create_metadata_index("tenants")


def _create_metadata_index(table: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            f"ix_{table}_metadata",
            table,
            ["metadata_"],
            postgresql_using="gin",
            postgresql_ops={"metadata_": "jsonb_path_ops"},
        )


def _create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("schema_name", _NAME, nullable=False),
        sa.Column("table_name", _NAME, nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("sync_state", sa.String(), nullable=False),
        sa.Column("synced_version", sa.BigInteger()),
        sa.Column("synced_at", _TIME),
        sa.Column("sync_error", sa.String()),
        sa.Column("metadata_", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("deleted_at", _TIME),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_datasets_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    _create_metadata_index("datasets")
    op.create_index(
        "uq_datasets_name",
        "datasets",
        ["tenant", "schema_name", "table_name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def _create_dataset_versions() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("dataset_id", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("rows_written", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("idempotency_key", sa.String()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_dataset_versions_dataset_id"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "version", name="pk_dataset_versions"),
        sa.UniqueConstraint(
            "dataset_id",
            "idempotency_key",
            name="uq_dataset_versions_dataset_id_idempotency_key",
        ),
    )


def _create_usage_events() -> None:
    op.create_table(
        "usage_events",
        sa.Column("id", _ROW_ID, sa.Identity(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("tool", sa.String(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_events"),
    )
    op.create_index("ix_usage_events_tenant_created_at", "usage_events", ["tenant", "created_at"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _ROW_ID, sa.Identity(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("payload", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", _TIME),
        sa.Column("lease_owner", sa.String()),
        sa.Column("lease_until", _TIME),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_state_not_before_id", "outbox", ["state", "not_before", "id"])
    op.create_index(
        "ix_outbox_tenant_kind_asset_id_id", "outbox", ["tenant", "kind", "asset_id", "id"]
    )
