"""The types of columns that both databases can have, and what all tables have in common."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, going in and coming out.

    SQLite keeps no time zone, so it gets naive UTC and the zone is put back on the way out.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive datetime: it would mean another instant on another machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every datetime its zone back, whatever the `dialect` made of it."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JSON_VALUE = JSON().with_variant(JSONB(none_as_null=True), "postgresql")
# Names sort by code point on both databases, so that a cursor means the same place on both.
NAME = String().with_variant(String(collation="C"), "postgresql")
# SQLite numbers rows by itself only in a column of exactly the type INTEGER.
ROW_ID = BigInteger().with_variant(Integer(), "sqlite")

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def metadata_column() -> Column[object]:
    """Open attributes of an asset, searchable by containment on PostgreSQL."""
    return Column("metadata_", JSON_VALUE, nullable=False)


def metadata_index(table: Table) -> Index:
    """Let PostgreSQL find assets by what their open attributes contain."""
    return Index(
        f"ix_{table.name}_metadata",
        table.c.metadata_,
        postgresql_using="gin",
        postgresql_ops={"metadata_": "jsonb_path_ops"},
    ).ddl_if(dialect="postgresql")
