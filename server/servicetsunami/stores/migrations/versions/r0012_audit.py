"""The audit record, which can be added to and read, and not changed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)
_GIVEN_UP = (
    "EXISTS (SELECT 1 FROM audit WHERE tenant = OLD.tenant"
    " AND through >= OLD.number AND number > OLD.number)"
)
_REFUSAL = "'audit records cannot be changed'"
_POSTGRESQL = (
    "ALTER TABLE audit ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE audit FORCE ROW LEVEL SECURITY",
    "CREATE POLICY tenant_only ON audit "
    "USING (current_setting('servicetsunami.tenant', true) IN ('*', tenant))",
    f"""
    CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF {_GIVEN_UP} THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION {_REFUSAL};
    END $$
    """,
    "CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON audit "
    "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
    "CREATE TRIGGER audit_whole BEFORE TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
)
_SQLITE = (
    "CREATE TRIGGER audit_update BEFORE UPDATE ON audit "
    f"BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END",
    f"CREATE TRIGGER audit_delete BEFORE DELETE ON audit WHEN NOT {_GIVEN_UP} "
    f"BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END",
)


def upgrade() -> None:
    """Create the table, and have the database refuse to change its rows."""
    op.create_table(
        "audit",
        sa.Column("tenant", _NAME, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("assets", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("through", sa.BigInteger()),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("seal", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant_at", "audit", ["tenant", "at"])
    is_through = sa.text("through IS NOT NULL")
    op.create_index(
        "ix_audit_through",
        "audit",
        ["tenant", "through"],
        sqlite_where=is_through,
        postgresql_where=is_through,
    )
    is_postgresql = op.get_context().dialect.name == "postgresql"
    for statement in _POSTGRESQL if is_postgresql else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Drop it: what was recorded is gone."""
    op.drop_table("audit")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_is_append_only()")
