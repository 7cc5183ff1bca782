"""Serves the dashboard to browsers."""

from hashlib import sha256
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from servicetsunami.transport.dashboard.page import Page

_PATH: Final = "/dashboard"
DASHBOARD_PATHS: Final = frozenset({_PATH, f"{_PATH}/"})
"""What a browser may load without a credential: the page has no data in it, and asks for one."""
_ASKS: Final = '<html lang="en"'
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def dashboard_routes(*, asks_for_credentials: bool) -> list[BaseRoute]:
    """`/dashboard`; the page is told whether it has to ask for a credential."""
    page = Page()

    async def answer(request: Request) -> Response:
        text = page.html
        if asks_for_credentials:
            text = text.replace(_ASKS, f"{_ASKS} data-signs-in", 1)
        tag = f'"{sha256(text.encode()).hexdigest()[:32]}"'
        headers = {**_HEADERS, "Content-Security-Policy": page.policy, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(text, headers=headers, media_type="text/html")

    return [Route(_PATH, answer)]
