"""Which dataset a vector index follows, and how far it has come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Add the columns; indexes that exist follow nothing."""
    op.add_column("indexes", sa.Column("follows", _JSON))
    op.add_column("indexes", sa.Column("follows_version", sa.Integer()))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("indexes", "follows_version")
    op.drop_column("indexes", "follows")
