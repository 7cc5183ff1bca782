"""How far the delivery of an outbox item is, when it ended, and its place among those of a name."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Add what a worker notes."""
    op.add_column("outbox", sa.Column("progress", _JSON))
    op.add_column("outbox", sa.Column("ended_at", sa.DateTime(timezone=True)))
    op.create_index("ix_outbox_order", "outbox", ["tenant", "kind", "subject", "id"])


def downgrade() -> None:
    """Forget it."""
    op.drop_index("ix_outbox_order", "outbox")
    op.drop_column("outbox", "ended_at")
    op.drop_column("outbox", "progress")
