"""Which requests may begin what Databricks bills: all that change something, but for those here.

A request that is not known to be free is not sent without leave from a budget. So no new verb can
forget to ask: its first request fails.
"""

import re
from typing import Final

from servicetsunami.domain.budget import Permit

_READS: Final = frozenset({"GET", "HEAD", "DELETE"})
"""What nobody is billed for; deleting ends costs."""
_FREE: Final = re.compile(
    r"/api/2\.[012]/(?:"
    r"sql/statements/[^/]+/cancel"
    r"|jobs/(?:create|reset|delete|runs/cancel)"
    r"|serving-endpoints/[^/]+/tags"
    r"|workspace/(?:mkdirs|import|delete)"
    r"|unity-catalog/(?:catalogs(?:/[^/]+)?|schemas|volumes)"
    r"|fs/(?:files|directories)/.*"
    r")"
)


def check(method: str, path: str, permit: Permit | None) -> None:
    """Stop a request that may cost and that no budget was asked about: a bug of ours."""
    if permit is None and method not in _READS and not _FREE.fullmatch(path):
        raise AssertionError(f"{method} {path} may cost, and no budget was asked about it.")
