"""The one place where a query is bound to its tenant.

Every repository builds its conditions here. A row of another tenant is therefore not found,
exactly like a row that does not exist: nothing above can tell the two apart.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, Table, and_, select, true

from servicetsunami.stores.schema import (
    DATASET_VERSIONS,
    DATASETS,
    ENDPOINT_VERSIONS,
    ENDPOINTS,
    LINEAGE,
    NOTEBOOK_REVISIONS,
    NOTEBOOKS,
    RUN_CELLS,
    RUNS,
)

PARTS = {
    DATASET_VERSIONS: (DATASET_VERSIONS.c.dataset_id, DATASETS),
    ENDPOINT_VERSIONS: (ENDPOINT_VERSIONS.c.endpoint_id, ENDPOINTS),
    LINEAGE: (LINEAGE.c.dataset_id, DATASETS),
    NOTEBOOK_REVISIONS: (NOTEBOOK_REVISIONS.c.notebook_id, NOTEBOOKS),
    RUN_CELLS: (RUN_CELLS.c.run_id, RUNS),
}
"""Rows that have no tenant of their own, but an owner that has."""


Ts = TypeVarTuple("Ts")
T = TypeVar("T")

_REMEMBERED: Final = 512

_binds: ContextVar[bool] = ContextVar("binds", default=True)


@contextmanager
def row_security_alone() -> Generator[None]:
    """Bind no query to a tenant inside: it is PostgreSQL alone that keeps tenants apart then.

    For the tests that show that it does. No setting and no caller reaches this.
    """
    token = _binds.set(False)
    try:
        yield
    finally:
        _binds.reset(token)


def ever_owned_by(tenant: str, table: Table) -> ColumnElement[bool]:
    """The rows of a table that belong to the tenant, also those that were deleted."""
    return table.c.tenant == tenant if _binds.get() else true()


def owned_by(tenant: str, table: Table) -> ColumnElement[bool]:
    """The rows of a table that belong to the tenant and still exist."""
    if table in PARTS:
        column, owner = PARTS[table]
        return column.in_(select(owner.c.id).where(owned_by(tenant, owner)))
    condition = ever_owned_by(tenant, table)
    if "deleted_at" in table.c:
        return and_(condition, table.c.deleted_at.is_(None))
    return condition


def remembered(build: Callable[[*Ts], T]) -> Callable[[*Ts], T]:
    """Build a statement once for the same arguments, which have to be all that it depends on.

    To build one takes several times as long as SQLite needs to run it, and SQLAlchemy remembers how
    it is compiled with the statement itself. For what every call asks.
    """

    @lru_cache(maxsize=_REMEMBERED)
    def built(arguments: tuple[*Ts], _binds: bool) -> T:
        return build(*arguments)

    def remember(*arguments: *Ts) -> T:
        return built(arguments, _binds.get())

    return remember
