"""Who calls: the tenant comes from the credential, never from an argument."""

import re
from dataclasses import dataclass

LOCAL_TENANT = "local"
"""The one tenant of single-user stdio mode."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def is_tenant_id(text: str) -> bool:
    """Tell whether the text can name a tenant, and so a directory and a catalog."""
    return _TENANT.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated origin of a call.

    `catalog` is the name under which the tenant's datasets are addressed in SQL.
    """

    tenant: str
    subject: str
    catalog: str
    scopes: frozenset[str] = frozenset()
