"""The table of the audit record; see `append_only` for what keeps it as it is."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, text

from servicetsunami.stores.column_types import METADATA, NAME, UtcDateTime

AUDIT = Table(
    "audit",
    METADATA,
    # The empty name is the server's own chain, so there is no key to the tenants.
    Column("tenant", NAME, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("door", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("assets", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("outcome", String, nullable=False),
    Column("error", String, nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("request_id", String, nullable=False),
    Column("through", BigInteger),
    Column("previous", String, nullable=False),
    Column("seal", String, nullable=False),
    Index(None, "tenant", "at"),
)
# Deleting asks for each row whether a later record has given it up.
Index(
    "ix_audit_through",
    AUDIT.c.tenant,
    AUDIT.c.through,
    sqlite_where=text("through IS NOT NULL"),
    postgresql_where=text("through IS NOT NULL"),
)
