"""PostgreSQL's own wall between tenants: others' rows cannot be seen, whatever a query says."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text

from servicetsunami.stores.connection import Connection
from servicetsunami.stores.schema import METADATA, TENANTS
from servicetsunami.stores.scope import PARTS
from servicetsunami.stores.visibility import EVERYBODY, visible

_SETTING: Final = "servicetsunami.tenant"
_VISIBLE: Final = f"current_setting('{_SETTING}', true)"
_LIMIT: Final = text(f"SELECT set_config('{_SETTING}', :tenant, true)")


async def limit_to_visible(connection: Connection) -> None:
    """Tell PostgreSQL whose rows this transaction may see; without it, it sees none."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_LIMIT, {"tenant": visible()})


def policies() -> Iterator[str]:
    """The statements that set the wall up; forced, since the service owns its tables."""
    for table in METADATA.sorted_tables:
        if table in PARTS:
            column, owner = PARTS[table]
            own = f"EXISTS (SELECT 1 FROM {owner.name} WHERE {owner.name}.id = {column})"  # noqa: S608
            condition = f"{_VISIBLE} = '{EVERYBODY}' OR {own}"
        else:
            column = TENANTS.c.id if table is TENANTS else table.c.tenant
            condition = f"{_VISIBLE} IN ('{EVERYBODY}', {column})"
        yield f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY"
        yield f"CREATE POLICY tenant_only ON {table.name} USING ({condition})"
