"""The one place where a query is bound to its tenant.

Every repository builds its conditions here. A row of another tenant is therefore not found,
exactly like a row that does not exist: nothing above can tell the two apart.
"""

from sqlalchemy import ColumnElement, Table, and_, select

from servicetsunami.stores.schema import DATASET_VERSIONS, DATASETS


def owned_by(tenant: str, table: Table) -> ColumnElement[bool]:
    """The rows of a table that belong to the tenant and still exist."""
    if table is DATASET_VERSIONS:
        mine = select(DATASETS.c.id).where(owned_by(tenant, DATASETS))
        return DATASET_VERSIONS.c.dataset_id.in_(mine)
    condition = table.c.tenant == tenant
    if table is DATASETS:
        return and_(condition, DATASETS.c.deleted_at.is_(None))
    return condition
