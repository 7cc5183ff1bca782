"""Model serving: endpoints that take a few looks to be ready, and answer what a test says."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.fakes.databricks.errors import ApiError, exists, missing
from tests.fakes.databricks.state import State

PATH = "/api/2.0/serving-endpoints"


@dataclass
class Endpoint:
    name: str
    config: dict[str, Any]
    tags: list[dict[str, str]]
    pending: dict[str, Any] | None = None
    looks_left: int = 1
    failed: bool = False
    is_cold: bool = False


def _echo(body: dict[str, Any]) -> dict[str, Any]:
    """The predictions of a model that nobody has scripted: one 0.0 for each row."""
    if "messages" in body or "prompt" in body:
        message = {"role": "assistant", "content": "an answer"}
        return {"choices": [{"index": 0, "message": message}], "usage": {"total_tokens": 7}}
    split = body.get("dataframe_split") or {}
    rows = body.get("dataframe_records") or body.get("instances") or split.get("data") or [0]
    return {"predictions": [0.0 for _ in rows]}


@dataclass
class Serving:
    all: dict[str, Endpoint] = field(default_factory=dict)
    models: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)
    will_fail: set[str] = field(default_factory=set)
    """Names of endpoints, or `catalog.schema.model-version`, that never become ready."""
    unregistered: set[str] = field(default_factory=set)
    """Models that Unity Catalog does not have."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """What endpoints were asked, in its order."""
    looks: int = 1
    """How often an endpoint is looked at before it is ready."""

    def get(self, name: str) -> Endpoint:
        if name not in self.all:
            raise missing(f"The endpoint '{name}'")
        return self.all[name]


def _tell(config: dict[str, Any], deployment: str, message: str) -> None:
    for entity in config["served_entities"]:
        entity["state"] = {"deployment": deployment, "deployment_state_message": message}


def _begin(serving: Serving, endpoint: Endpoint, config: dict[str, Any]) -> None:
    """Begin to make a configuration ready; the one before serves meanwhile."""
    models = {f"{e['entity_name']}-{e.get('entity_version')}" for e in config["served_entities"]}
    endpoint.failed = bool(serving.will_fail & {endpoint.name, *models})
    endpoint.pending, endpoint.looks_left = config, serving.looks
    _tell(config, "DEPLOYMENT_CREATING", "Container creation in progress.")


def _step(endpoint: Endpoint) -> None:
    if endpoint.pending is None:
        return
    if endpoint.looks_left > 0:
        endpoint.looks_left -= 1
    elif endpoint.failed:
        endpoint.pending = None
    else:
        endpoint.config, endpoint.pending = endpoint.pending, None
        _tell(endpoint.config, "DEPLOYMENT_READY", "")


def _info(endpoint: Endpoint) -> dict[str, Any]:
    updating = "IN_PROGRESS" if endpoint.pending is not None else "NOT_UPDATING"
    if endpoint.failed and endpoint.pending is None:
        updating = "UPDATE_FAILED"
    state = {
        "ready": "READY" if endpoint.config else "NOT_READY",
        "config_update": updating,
    }
    info: dict[str, Any] = {
        "name": endpoint.name,
        "id": endpoint.name,
        "state": state,
        "tags": endpoint.tags,
        "permission_level": "CAN_MANAGE",
    }
    if endpoint.config:
        info["config"] = endpoint.config
    if endpoint.pending:
        info["pending_config"] = endpoint.pending
    return info


def _config(serving: Serving, body: dict[str, Any]) -> dict[str, Any]:
    for each in body.get("served_entities") or []:
        if each["entity_name"] in serving.unregistered:
            raise missing(f"RegisteredModel '{each['entity_name']}'")
    entities = [
        {"name": e.get("name") or f"{e['entity_name']}-{e.get('entity_version')}", **e}
        for e in body.get("served_entities") or []
    ]
    routes_ = (body.get("traffic_config") or {}).get("routes")
    if len(entities) > 1 and not routes_:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "traffic_config is required.")
    whole = [{"served_model_name": entities[0]["name"], "traffic_percentage": 100}]
    return {"served_entities": entities, "traffic_config": {"routes": routes_ or whole}}


def _manage(serving: Serving, wrap: Any) -> list[Route]:
    async def many(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"endpoints": [_info(each) for each in serving.all.values()]})
        body = await request.json()
        name = body["name"]
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name):
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Endpoint name '{name}' is not valid.")
        if name in serving.all:
            raise exists(f"Endpoint with name '{name}'")
        made = Endpoint(name, {}, body.get("tags") or [])
        _begin(serving, made, _config(serving, body["config"]))
        serving.all[name] = made
        return JSONResponse(_info(made))

    async def one(request: Request) -> Response:
        endpoint = serving.get(request.path_params["name"])
        if request.method == "DELETE":
            del serving.all[endpoint.name]
            return JSONResponse({})
        _step(endpoint)
        return JSONResponse(_info(endpoint))

    async def config(request: Request) -> Response:
        endpoint = serving.get(request.path_params["name"])
        if endpoint.pending is not None:
            raise ApiError(409, "RESOURCE_CONFLICT", "The endpoint is being updated.")
        _begin(serving, endpoint, _config(serving, await request.json()))
        return JSONResponse(_info(endpoint))

    async def tags(request: Request) -> Response:
        endpoint, body = serving.get(request.path_params["name"]), await request.json()
        gone = set(body.get("delete_tags") or [])
        added = body.get("add_tags") or []
        endpoint.tags = [t for t in endpoint.tags if t["key"] not in gone] + added
        return JSONResponse({"tags": endpoint.tags})

    return [
        Route(PATH, wrap(many), methods=["GET", "POST"]),
        Route(f"{PATH}/{{name}}", wrap(one), methods=["GET", "DELETE"]),
        Route(f"{PATH}/{{name}}/config", wrap(config), methods=["PUT"]),
        Route(f"{PATH}/{{name}}/tags", wrap(tags), methods=["PATCH"]),
    ]


def routes(state: State, wrap: Any) -> list[Route]:
    serving: Serving = state.sub(Serving)

    async def invoke(request: Request) -> Response:
        endpoint = serving.get(request.path_params["name"])
        if not endpoint.config:
            raise ApiError(400, "BAD_REQUEST", "The endpoint is not ready.")
        if endpoint.is_cold:
            endpoint.is_cold = False
            return PlainTextResponse("upstream request timeout", status_code=504)
        model = serving.models.get(endpoint.name, _echo)
        [first, *_] = endpoint.config["served_entities"]
        headers = {"served-model-name": first["name"]}
        body = await request.json()
        serving.requests.append(body)
        return JSONResponse(model(body), headers=headers)

    async def logs(request: Request) -> Response:
        failed = serving.get(request.path_params["name"]).failed
        return JSONResponse({"logs": "No module named 'lost'" if failed else "it was built"})

    entity = f"{PATH}/{{name}}/served-models/{{entity}}"
    return [
        *_manage(serving, wrap),
        Route("/serving-endpoints/{name}/invocations", wrap(invoke), methods=["POST"]),
        Route(f"{entity}/build-logs", wrap(logs)),
        Route(f"{entity}/logs", wrap(logs)),
    ]
