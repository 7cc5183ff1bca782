"""Who may speak to the fake: a token, or OAuth tokens that it gives out and lets expire."""

import base64
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import ApiError
from tests.fakes.databricks.state import WORKSPACE_ID, State

USER = "agent@example.com"
_OPEN = ("/.well-known/", "/oidc/", "/__fake__", "/__store__", "/__upload__")


@dataclass
class Tokens:
    """What is accepted. `life_s` is how long an OAuth token lives."""

    pat: str = field(default_factory=lambda: f"dapi{secrets.token_hex(16)}")
    client_id: str = "9b6cd9e5-0000-4000-8000-000000000000"
    client_secret: str = field(default_factory=lambda: f"dose{secrets.token_hex(16)}")
    life_s: float = 3600.0
    given: dict[str, float] = field(default_factory=dict)

    def is_open(self, path: str) -> bool:
        return path.startswith(_OPEN)

    def check(self, authorization: str | None, now: float) -> None:
        if not authorization or not authorization.startswith("Bearer "):
            raise ApiError(401, "UNAUTHENTICATED", "Credential was not sent.")
        token = authorization.removeprefix("Bearer ")
        ends_at = self.given.get(token)
        if token == self.pat or (ends_at is not None and now < ends_at):
            return
        # As the platform does: 403, with a number for a code.
        raise ApiError(403, 403, "Invalid access token. [ReqId: 00000000]")


def routes(state: State, wrap: Callable[..., Callable[[Request], Awaitable[Response]]]) -> list:
    tokens: Tokens = state.sub(Tokens)

    async def config(request: Request) -> Response:
        return JSONResponse({"oidc_endpoint": f"{request.base_url}oidc", "cloud": "AWS"})

    async def server(request: Request) -> Response:
        base = f"{request.base_url}oidc"
        return JSONResponse(
            {"authorization_endpoint": f"{base}/v1/authorize", "token_endpoint": f"{base}/v1/token"}
        )

    async def token(request: Request) -> Response:
        form = await request.form()
        given = (request.headers.get("authorization") or "").removeprefix("Basic ")
        wanted = f"{tokens.client_id}:{tokens.client_secret}".encode()
        if base64.b64decode(given or b"") != wanted:
            return JSONResponse(
                {"error": "invalid_client", "error_description": "Client authentication failed"},
                status_code=401,
            )
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        fresh = f"eyJ{secrets.token_hex(24)}"
        tokens.given[fresh] = state.clock() + tokens.life_s
        # A text where a number is usual: clients have to take both.
        answer = {"access_token": fresh, "token_type": "Bearer", "scope": form.get("scope")}
        return JSONResponse({**answer, "expires_in": str(int(tokens.life_s))})

    async def me(request: Request) -> Response:
        return JSONResponse(
            {"id": "1", "userName": USER, "displayName": "Agent", "active": True},
            headers={"X-Databricks-Org-Id": WORKSPACE_ID},
        )

    return [
        Route("/.well-known/databricks-config", config),
        Route("/oidc/.well-known/oauth-authorization-server", server),
        Route("/oidc/v1/token", token, methods=["POST"]),
        Route("/api/2.0/preview/scim/v2/Me", wrap(me)),
    ]
