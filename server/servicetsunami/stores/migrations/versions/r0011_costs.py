"""Budgets, the bill of Databricks and work that ran there; and the bytes of all versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_TABLES = ("budgets", "cost_reports", "remote_work")


def upgrade() -> None:
    """Create the tables, behind the wall; earlier versions of datasets count as not kept."""
    op.create_table(
        "budgets",
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("list_cost", sa.Double()),
        sa.Column("dbus", sa.Double()),
        sa.Column("run_seconds", sa.Double()),
        sa.Column("set_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_budgets"),
    )
    op.create_table(
        "cost_reports",
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("asked_at", _TIME),
        sa.Column("tried_at", _TIME),
        sa.Column("claimed_until", _TIME),
        sa.Column("report", _JSON),
        sa.Column("error", _JSON),
        sa.PrimaryKeyConstraint("tenant", name="pk_cost_reports"),
    )
    op.create_table(
        "remote_work",
        sa.Column("id", _ROW_ID, sa.Identity(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("warehouse_id", sa.String(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("dbus", sa.Double()),
        sa.Column("list_cost", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_remote_work"),
    )
    op.create_index("ix_remote_work_tenant_started_at", "remote_work", ["tenant", "started_at"])
    op.add_column(
        "datasets",
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False, server_default="0"),
    )
    if op.get_context().dialect.name == "postgresql":
        # The wall hides every row from a migration that does not say that it is for all.
        op.execute("SELECT set_config('servicetsunami.tenant', '*', true)")
    op.execute("UPDATE datasets SET stored_bytes = size_bytes")
    if op.get_context().dialect.name == "postgresql":
        for name in _TABLES:
            condition = "current_setting('servicetsunami.tenant', true) IN ('*', tenant)"
            op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY tenant_only ON {name} USING ({condition})")


def downgrade() -> None:
    """Drop them: nobody has a budget, and nobody knows what was billed."""
    op.drop_column("datasets", "stored_bytes")
    for name in reversed(_TABLES):
        op.drop_table(name)
