"""API keys, of which only a hash is kept; and rows that only their tenant can see."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_OWNED = {
    "tenants": "id",
    "api_keys": "tenant",
    "datasets": "tenant",
    "usage_events": "tenant",
    "outbox": "tenant",
    "notebooks": "tenant",
    "runs": "tenant",
    "jobs": "tenant",
    "indexes": "tenant",
    "endpoints": "tenant",
    "run_tasks": "tenant",
}
_PARTS = {
    "dataset_versions": ("dataset_id", "datasets"),
    "lineage": ("dataset_id", "datasets"),
    "notebook_revisions": ("notebook_id", "notebooks"),
    "run_cells": ("run_id", "runs"),
    "endpoint_versions": ("endpoint_id", "endpoints"),
}
_VISIBLE = "current_setting('servicetsunami.tenant', true)"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table, and have PostgreSQL keep tenants apart."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("scopes", _JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_api_keys_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    op.create_index("ix_api_keys_tenant_created_at", "api_keys", ["tenant", "created_at"])
    if op.get_context().dialect.name != "postgresql":
        return
    conditions = {name: f"{_VISIBLE} IN ('*', {column})" for name, column in _OWNED.items()}
    for name, (column, owner) in _PARTS.items():
        own = f"EXISTS (SELECT 1 FROM {owner} WHERE {owner}.id = {name}.{column})"  # noqa: S608
        conditions[name] = f"{_VISIBLE} = '*' OR {own}"
    for name, condition in conditions.items():
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant_only ON {name} USING ({condition})")


def downgrade() -> None:
    """Drop it; every key stops to open anything, and nothing but the server keeps tenants apart."""
    if op.get_context().dialect.name == "postgresql":
        for name in (*_OWNED, *_PARTS):
            op.execute(f"DROP POLICY tenant_only ON {name}")
            op.execute(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY")
    op.drop_table("api_keys")
