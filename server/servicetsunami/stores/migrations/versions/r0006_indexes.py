"""Vector indexes; their documents are datasets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "indexes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("sync_state", sa.String(), nullable=False),
        sa.Column("metadata_", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("deleted_at", _TIME),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_indexes_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_indexes"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            "ix_indexes_metadata",
            "indexes",
            ["metadata_"],
            postgresql_using="gin",
            postgresql_ops={"metadata_": "jsonb_path_ops"},
        )
    op.create_index(
        "uq_indexes_name",
        "indexes",
        ["tenant", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    """Drop it; the datasets stay."""
    op.drop_table("indexes")
