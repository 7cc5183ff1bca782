"""Names of tenants, which become directories and catalogs."""

import re
from typing import Final

from servicetsunami.errors import InvalidInput

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def is_tenant_name(name: str) -> bool:
    """Whether it may name a tenant: no other spelling of it is another directory or catalog."""
    return _NAME.fullmatch(name) is not None


def tenant_name(name: str) -> str:
    """The name, as it is; raises InvalidInput for one that is none."""
    if not is_tenant_name(name):
        raise InvalidInput(
            f"{name!r} cannot be the name of a tenant.",
            "Use 1 to 63 lower-case letters, digits, _ and -, beginning with a letter or digit.",
        )
    return name
