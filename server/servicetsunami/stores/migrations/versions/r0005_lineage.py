"""Which run has read or written which version of a dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "lineage",
        sa.Column("dataset_id", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("is_write", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_lineage_dataset_id"),
        sa.PrimaryKeyConstraint("dataset_id", "version", "run_id", "is_write", name="pk_lineage"),
    )
    op.create_index("ix_lineage_dataset_id_at", "lineage", ["dataset_id", "at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("lineage")
