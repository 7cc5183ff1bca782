"""The application: all nouns behind authentication, recording and trouble."""

import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.databricks import (
    auth,
    catalogs,
    control,
    files,
    jobs,
    secrets,
    serving,
    statements,
    vectors,
    warehouses,
    workspace_objects,
)
from tests.fakes.databricks.auth import Tokens
from tests.fakes.databricks.errors import ApiError
from tests.fakes.databricks.faults import FaultMiddleware, Faults
from tests.fakes.databricks.state import State

Handler = Callable[[Request], Awaitable[Response]]
MODULES = (
    auth,
    catalogs,
    files,
    statements,
    warehouses,
    workspace_objects,
    jobs,
    serving,
    vectors,
    secrets,
)


@dataclass(frozen=True)
class Recorded:
    """A request that came in, whatever became of it."""

    at: float
    method: str
    path: str
    query: str
    traceparent: str = ""


class Recorder:
    """Stands outside the faults: what was refused or dropped is recorded too."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.requests: list[Recorded] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/__fake__"):
            query = scope.get("query_string", b"").decode()
            trace = dict(scope["headers"]).get(b"traceparent", b"").decode()
            with self.lock:
                self.requests.append(
                    Recorded(time.monotonic(), scope["method"], scope["path"], query, trace)
                )
        await self.app(scope, receive, send)


def build(state: State, faults: Faults) -> Recorder:
    tokens: Tokens = state.sub(Tokens)

    def wrap(handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            try:
                if not tokens.is_open(request.url.path):
                    tokens.check(request.headers.get("authorization"), state.clock())
                return await handler(request)
            except ApiError as error:
                if request.method == "HEAD":
                    return Response(status_code=error.status)
                return JSONResponse(error.body, status_code=error.status)

        return guarded

    routes = [route for module in MODULES for route in module.routes(state, wrap)]
    routes += control.routes(state, faults)
    recorder = Recorder(FaultMiddleware(Starlette(routes=routes), faults))
    control.remember(state, recorder)
    return recorder
