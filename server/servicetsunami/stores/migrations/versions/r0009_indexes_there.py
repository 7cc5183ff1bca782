"""How far indexes are on their way to Databricks."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; indexes were not sent at all before, and wait for their next change."""
    op.add_column("indexes", sa.Column("synced_version", sa.BigInteger()))
    op.add_column("indexes", sa.Column("synced_at", sa.DateTime(timezone=True)))
    op.add_column("indexes", sa.Column("sync_error", sa.String()))
    op.execute(sa.text("UPDATE indexes SET sync_state = 'waiting' WHERE sync_state = 'off'"))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("indexes") as batch:
        batch.drop_column("sync_error")
        batch.drop_column("synced_at")
        batch.drop_column("synced_version")
