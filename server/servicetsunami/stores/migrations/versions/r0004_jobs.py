"""Jobs with their schedules, and the tasks of their runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables, and let runs be those of jobs."""
    _create_jobs()
    for column in (
        sa.Column("job_id", sa.String()),
        sa.Column("definition", _JSON),
        sa.Column("trigger", sa.String(), nullable=False, server_default="manual"),
        sa.Column("due_at", _TIME),
        sa.Column("repairs", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("runs", column)
    op.create_index("ix_runs_job_id_state", "runs", ["job_id", "state"])
    op.create_index("uq_runs_job_id_due_at", "runs", ["job_id", "due_at"], unique=True)
    _create_run_tasks()


def downgrade() -> None:
    """Drop them; runs of jobs go with them."""
    op.drop_table("run_tasks")
    op.drop_index("uq_runs_job_id_due_at", "runs")
    op.drop_index("ix_runs_job_id_state", "runs")
    op.execute("DELETE FROM runs WHERE job_id IS NOT NULL")
    for column in ("job_id", "definition", "trigger", "due_at", "repairs"):
        op.drop_column("runs", column)
    op.drop_table("jobs")


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("definition", _JSON, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("next_fire_at", _TIME),
        sa.Column("sync_state", sa.String(), nullable=False),
        sa.Column("synced_revision", sa.BigInteger()),
        sa.Column("synced_at", _TIME),
        sa.Column("sync_error", sa.String()),
        sa.Column("metadata_", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("deleted_at", _TIME),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_jobs_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_next_fire_at", "jobs", ["next_fire_at"])
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            "ix_jobs_metadata",
            "jobs",
            ["metadata_"],
            postgresql_using="gin",
            postgresql_ops={"metadata_": "jsonb_path_ops"},
        )
    op.create_index(
        "uq_jobs_name",
        "jobs",
        ["tenant", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def _create_run_tasks() -> None:
    op.create_table(
        "run_tasks",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_newest", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("parent", sa.String()),
        sa.Column("input", _JSON),
        sa.Column("outcome", sa.String()),
        sa.Column("error", sa.Text()),
        sa.Column("output", _JSON, nullable=False),
        sa.Column("values", _JSON, nullable=False),
        sa.Column("child", sa.String()),
        sa.Column("not_before", _TIME),
        sa.Column("owner", sa.String()),
        sa.Column("lease_until", _TIME),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_tasks_run_id"),
        sa.PrimaryKeyConstraint("run_id", "key", "attempt", name="pk_run_tasks"),
    )
    op.create_index("ix_run_tasks_state_not_before", "run_tasks", ["state", "not_before"])
    op.create_index("ix_run_tasks_state_lease_until", "run_tasks", ["state", "lease_until"])
    op.create_index("ix_run_tasks_run_id_state", "run_tasks", ["run_id", "state"])
    op.create_index("ix_run_tasks_child", "run_tasks", ["child"])
