"""Who calls: the tenant comes from the credential, never from an argument."""

from dataclasses import dataclass

LOCAL_TENANT = "local"
"""The one tenant of single-user stdio mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated origin of a call.

    `catalog` is the name under which the tenant's datasets are addressed in SQL.
    """

    tenant: str
    subject: str
    catalog: str
    scopes: frozenset[str] = frozenset()
