"""The REST application: its routes, its errors, and how long a request may be."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, URLPath
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Message, Receive, Scope, Send

from servicetsunami.errors import ServerError
from servicetsunami.transport.patience import TooSlow, hurried, steady
from servicetsunami.transport.problems import (
    BodyTooLarge,
    BodyTooSlow,
    NoSuchRoute,
    answer,
    describe,
    problem_response,
)
from servicetsunami.transport.rest.admitted import CONNECTOR, NATIVE, Desk, is_rest
from servicetsunami.transport.rest.catalogs import catalogs
from servicetsunami.transport.rest.databricks import databricks
from servicetsunami.transport.rest.datasets import datasets
from servicetsunami.transport.rest.jobs import jobs
from servicetsunami.transport.rest.notebooks import notebooks
from servicetsunami.transport.rest.openapi import document, internal
from servicetsunami.transport.rest.runs import runs
from servicetsunami.transport.rest.serving import serving
from servicetsunami.transport.rest.vectors import vector_search

_PAGES: Final = Path(__file__).parent / "docs"
_FILES: Final[Mapping[str, str]] = {
    "/docs": "index.html",
    "/docs/page.js": "page.js",
    "/docs/page.css": "page.css",
}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_UPLOAD: Final = "/datasets/ingest"


@cache
def routers() -> Sequence[APIRouter]:
    """Every router: the native address has pipelines, the connector all nouns of Databricks.

    Made once in a process, as their schemas take a tenth of a second.
    """
    return (
        databricks(NATIVE),
        datasets(NATIVE),
        notebooks(NATIVE),
        jobs(NATIVE, "pipelines"),
        runs(NATIVE),
        catalogs(CONNECTOR),
        datasets(CONNECTOR),
        notebooks(CONNECTOR),
        jobs(CONNECTOR, "jobs"),
        serving(CONNECTOR),
        vector_search(CONNECTOR),
        runs(CONNECTOR),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """How long a body may be, and how long it may take; an upload, from one part to the next."""

    bytes_max: int
    upload_bytes_max: int
    body_s: float


def routes_of(desk: Desk, bodies: Bodies) -> list[BaseRoute]:
    """All of REST, as routes of the one web application."""
    api = application()
    api.state.desk = desk
    rest = _Rest(api, _methods(), bodies)

    @cache
    def told() -> dict[str, Any]:
        # A third of a second, which no start has to wait for.
        return document(api.routes)

    async def openapi(request: Request) -> Response:
        del request
        return JSONResponse(told())

    return [
        Route("/openapi.json", openapi),
        *(Route(path, _page(name)) for path, name in _FILES.items()),
        rest,
    ]


def application() -> FastAPI:
    """The application without what it serves: enough for its document."""
    api = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        exception_handlers={
            ServerError: _refuse,
            Exception: _hide,
        },
    )
    for router in routers():
        api.include_router(router)
    return api


def _methods() -> dict[str, list[str]]:
    """What can be done at each address."""
    found: dict[str, list[str]] = {}
    for router in routers():
        for route in router.routes:
            assert isinstance(route, APIRoute)
            found.setdefault(route.path_format, []).extend(route.methods or ())
    return found


def _operation_id(route: APIRoute) -> str:
    prefix = "connector_" if route.path_format.startswith(CONNECTOR) else ""
    return prefix + route.name.replace("job", "job" if prefix else "pipeline")


def _page(name: str) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        del request
        return FileResponse(_PAGES / name, headers=_HEADERS)

    return show


async def _refuse(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ServerError)
    return problem_response(error)


async def _hide(request: Request, error: Exception) -> Response:
    """A defect: nothing of it is told, and Starlette raises it once more into the log."""
    del request, error
    return answer(internal())


class _Rest(BaseRoute):
    """Gives requests to the routes, with addresses in one spelling, and bodies of bounded length.

    A `/` inside a name comes as %2F, which the server has decoded by now: it is put back. An
    address that is written out goes before one with a name in it, whatever the method.
    """

    def __init__(self, api: FastAPI, methods: Mapping[str, Sequence[str]], bodies: Bodies) -> None:
        self._api = api
        self._bodies = bodies
        plain_first = sorted(methods, key=lambda path: "{" in path)
        self._addresses = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), methods[path]) for path in plain_first
        ]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take whatever is below the prefixes: no pattern has newlines in names as well."""
        is_ours = scope["type"] == "http" and is_rest(scope["path"])
        return (Match.FULL if is_ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        """Addresses are not made from names."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or say that there is nothing at its address or for its method."""
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        path = "/".join(quote(unquote(part), safe="") for part in raw.decode("latin-1").split("/"))
        inner = {**scope, "path": path, "root_path": ""}
        refusal = self._refusal(scope["method"], path)
        if refusal is None:
            await self._serve(inner, receive, send)
        else:
            await refusal(inner, receive, send)

    def _refusal(self, method: str, path: str) -> Response | None:
        methods = next((each for form, each in self._addresses if form.fullmatch(path)), ())
        if method in methods:
            return None
        cause = NoSuchRoute(f"There is no {method} {path[:200]}.", "Look at /openapi.json.")
        if not methods:
            return problem_response(cause)
        return answer(describe(cause, status=405), {"Allow": ", ".join(methods)})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        bodies = self._bodies
        if scope["method"] == "POST" and scope["path"].endswith(_UPLOAD):
            bytes_max, setting = bodies.upload_bytes_max, "SERVICETSUNAMI_HTTP_UPLOAD_MB"
            receive = steady(receive, pause_s=bodies.body_s)
        else:
            bytes_max, setting = bodies.bytes_max, "SERVICETSUNAMI_HTTP_BODY_MB"
            receive = hurried(scope, receive, body_s=bodies.body_s)
        too_large = BodyTooLarge.over(bytes_max, setting)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > bytes_max:
            await problem_response(too_large)(scope, receive, send)
        else:
            await self._api(scope, _bounded(receive, bytes_max, too_large, bodies.body_s), send)


def _bounded(receive: Receive, bytes_max: int, error: BodyTooLarge, body_s: float) -> Receive:
    """Pass on what comes, and raise the error once it is too much, or BodyTooSlow."""
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        try:
            message = await receive()
        except TooSlow as late:
            raise BodyTooSlow.after(body_s) from late
        taken += len(message.get("body", b""))
        if taken > bytes_max:
            raise error
        return message

    return receive_bounded
