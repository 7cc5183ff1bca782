"""Model endpoints with their versions, and the tokens that calls have used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables, and add the column."""
    _create_endpoints()
    op.create_table(
        "endpoint_versions",
        sa.Column("endpoint_id", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("flavour", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("file", sa.String()),
        sa.Column("sha256", sa.String()),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("signature", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name="fk_endpoint_versions_endpoint_id"
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "version", name="pk_endpoint_versions"),
    )
    op.add_column(
        "usage_events", sa.Column("tokens", sa.BigInteger(), server_default="0", nullable=False)
    )


def _create_endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("serving", sa.BigInteger()),
        sa.Column("sync_state", sa.String(), nullable=False),
        sa.Column("synced_revision", sa.BigInteger()),
        sa.Column("synced_at", _TIME),
        sa.Column("sync_error", sa.String()),
        sa.Column("metadata_", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("deleted_at", _TIME),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_endpoints_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_endpoints"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.create_index(
            "ix_endpoints_metadata",
            "endpoints",
            ["metadata_"],
            postgresql_using="gin",
            postgresql_ops={"metadata_": "jsonb_path_ops"},
        )
    op.create_index(
        "uq_endpoints_name",
        "endpoints",
        ["tenant", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    """Drop them; the files of the models stay."""
    op.drop_column("usage_events", "tokens")
    op.drop_table("endpoint_versions")
    op.drop_table("endpoints")
