"""Notebooks with their revisions, and runs with their cells."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    _create_notebooks()
    _create_revisions()
    _create_runs()
    _create_cells()


def downgrade() -> None:
    """Drop them, children first."""
    for table in ("run_cells", "runs", "notebook_revisions", "notebooks"):
        op.drop_table(table)


def _create_notebooks() -> None:
    op.create_table(
        "notebooks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("sync_state", sa.String(), nullable=False),
        sa.Column("synced_revision", sa.BigInteger()),
        sa.Column("synced_at", _TIME),
        sa.Column("sync_error", sa.String()),
        sa.Column("metadata_", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("deleted_at", _TIME),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_notebooks_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_notebooks"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            "ix_notebooks_metadata",
            "notebooks",
            ["metadata_"],
            postgresql_using="gin",
            postgresql_ops={"metadata_": "jsonb_path_ops"},
        )
    op.create_index(
        "uq_notebooks_name",
        "notebooks",
        ["tenant", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def _create_revisions() -> None:
    op.create_table(
        "notebook_revisions",
        sa.Column("notebook_id", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("cell_count", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["notebook_id"], ["notebooks.id"], name="fk_notebook_revisions_notebook_id"
        ),
        sa.PrimaryKeyConstraint("notebook_id", "revision", name="pk_notebook_revisions"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("notebook", _NAME),
        sa.Column("revision", sa.BigInteger()),
        sa.Column("parent", sa.String()),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ran_on", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("isolation", sa.String()),
        sa.Column("timeout_s", sa.Double(), nullable=False),
        sa.Column("cells_total", sa.Integer(), nullable=False),
        sa.Column("exit_value", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("remote", _JSON, nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.String()),
        sa.Column("lease_until", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_runs_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_tenant_created_at", "runs", ["tenant", "created_at"])
    op.create_index("ix_runs_state_lease_until", "runs", ["state", "lease_until"])


def _create_cells() -> None:
    op.create_table(
        "run_cells",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outputs", _JSON, nullable=False),
        sa.Column("seconds", sa.Double()),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_cells_run_id"),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_run_cells"),
    )
