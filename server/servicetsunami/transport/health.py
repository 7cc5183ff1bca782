"""What a load balancer asks: does the process live, and may calls be sent to it."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from servicetsunami.errors import ServerError
from servicetsunami.transport.calls import CallsInHand

HEALTH_PATHS: Final = frozenset({"/healthz", "/readyz"})


def health_routes(
    in_hand: CallsInHand, check_ready: Callable[[], Awaitable[None]]
) -> list[BaseRoute]:
    """`/healthz` and `/readyz`, for which nobody needs a credential, and which tell no more.

    A workspace that is down leaves the server ready: what can be answered here, it answers.
    """

    async def healthz(request: Request) -> JSONResponse:
        del request
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> JSONResponse:
        del request
        if in_hand.is_closed:
            return JSONResponse({"status": "stopping"}, status_code=503)
        try:
            await check_ready()
        except ServerError:
            return JSONResponse({"status": "no metadata database"}, status_code=503)
        return JSONResponse({"status": "ready"})

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
