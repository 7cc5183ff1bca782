"""Who calls: the tenant comes from the credential, never from an argument."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LOCAL_TENANT = "local"
"""The one tenant of single-user mode."""


class Scope(StrEnum):
    """What a credential allows."""

    READ = "lake:read"
    WRITE = "lake:write"
    RUN = "lake:run"
    SERVE = "lake:serve"
    ADMIN = "lake:admin"


EVERYTHING: Final = frozenset(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated origin of a call.

    `catalog` is the name under which the tenant's datasets are addressed in SQL, here and on
    Databricks. `has_databricks` tells whether they live there too, and `catalogs` which other
    catalogs may be read there; `*` stands for all. `issuer` tells who made the credential.
    """

    tenant: str
    subject: str
    catalog: str
    scopes: frozenset[Scope] = frozenset()
    has_databricks: bool = False
    catalogs: frozenset[str] = frozenset()
    issuer: str = ""

    def may_read(self, catalog: str) -> bool:
        """Whether tables of this catalog on Databricks may be shown to the caller."""
        return catalog == self.catalog or not self.catalogs.isdisjoint({"*", catalog})
