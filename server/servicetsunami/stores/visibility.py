"""Whose rows the code that runs may see: those of the caller's tenant, or everybody's.

PostgreSQL holds to it, whatever a query says: see `row_security`. What works for all tenants, such
as the loops of the server, says so.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Final

EVERYBODY: Final = "*"
"""No tenant has this name."""

_visible: ContextVar[str] = ContextVar("visible", default=EVERYBODY)


@contextmanager
def only(tenant: str) -> Generator[None]:
    """See the rows of one tenant, here and in tasks that are started inside."""
    token = _visible.set(tenant)
    try:
        yield
    finally:
        _visible.reset(token)


def everybody() -> AbstractContextManager[None]:
    """See the rows of all tenants."""
    return only(EVERYBODY)


def visible() -> str:
    """The tenant whose rows may be seen, or EVERYBODY."""
    return _visible.get()
