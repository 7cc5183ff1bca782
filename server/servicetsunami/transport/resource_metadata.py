"""Tells clients how to get a credential: RFC 9728 metadata, and challenges that point to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from servicetsunami.domain.caller import EVERYTHING

_ROOT: Final = "/.well-known/oauth-protected-resource"
WELL_KNOWN: Final = frozenset({_ROOT, f"{_ROOT}/mcp"})
"""Clients look at the one of the resource's path first, and at the root else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What credentials are for: `url` is the server's own, `issuer` who makes tokens for it."""

    url: str
    issuer: str = ""

    def challenge(self, *, error: str, scopes: Sequence[str]) -> str:
        """The value of WWW-Authenticate."""
        return (
            f'Bearer error="{error}", scope="{" ".join(scopes)}", '
            f'resource_metadata="{self.url}{_ROOT}/mcp"'
        )

    def routes(self) -> list[BaseRoute]:
        """The metadata, at both places."""
        metadata = {
            "resource": f"{self.url}/mcp",
            "resource_name": "ServiceTsunami",
            "scopes_supported": sorted(EVERYTHING),
            "bearer_methods_supported": ["header"],
        }
        if self.issuer:
            metadata["authorization_servers"] = [self.issuer]

        async def answer(request: Request) -> JSONResponse:
            del request
            return JSONResponse(metadata)

        return [Route(path, answer) for path in sorted(WELL_KNOWN)]
