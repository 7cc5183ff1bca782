"""Secret scopes and their secrets."""

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import ApiError, missing
from tests.fakes.databricks.state import State

PATH = "/api/2.0/secrets"


class Scopes:
    def __init__(self) -> None:
        self.all: dict[str, dict[str, str]] = {}

    def get(self, name: str) -> dict[str, str]:
        if name not in self.all:
            raise missing(f"Scope {name}")
        return self.all[name]


def routes(state: State, wrap: Any) -> list[Route]:
    scopes: Scopes = state.sub(Scopes)

    async def create(request: Request) -> Response:
        name = (await request.json())["scope"]
        if name in scopes.all:
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Scope {name} already exists!")
        scopes.all[name] = {}
        return JSONResponse({})

    async def delete_scope(request: Request) -> Response:
        name = (await request.json())["scope"]
        scopes.get(name)
        del scopes.all[name]
        return JSONResponse({})

    async def list_scopes(request: Request) -> Response:
        return JSONResponse({"scopes": [{"name": name} for name in scopes.all]})

    async def put(request: Request) -> Response:
        body = await request.json()
        value = body.get("bytes_value")
        if value is None:
            value = base64.b64encode(body["string_value"].encode()).decode()
        scopes.get(body["scope"])[body["key"]] = value
        return JSONResponse({})

    async def delete(request: Request) -> Response:
        body = await request.json()
        if scopes.get(body["scope"]).pop(body["key"], None) is None:
            raise missing(f"Secret {body['key']}")
        return JSONResponse({})

    async def list_(request: Request) -> Response:
        found = scopes.get(request.query_params["scope"])
        return JSONResponse({"secrets": [{"key": key} for key in found]})

    async def get(request: Request) -> Response:
        key = request.query_params["key"]
        found = scopes.get(request.query_params["scope"])
        if key not in found:
            raise missing(f"Secret {key}")
        return JSONResponse({"key": key, "value": found[key]})

    post = ["POST"]
    return [
        Route(f"{PATH}/scopes/create", wrap(create), methods=post),
        Route(f"{PATH}/scopes/delete", wrap(delete_scope), methods=post),
        Route(f"{PATH}/scopes/list", wrap(list_scopes)),
        Route(f"{PATH}/put", wrap(put), methods=post),
        Route(f"{PATH}/delete", wrap(delete), methods=post),
        Route(f"{PATH}/list", wrap(list_)),
        Route(f"{PATH}/get", wrap(get)),
    ]
